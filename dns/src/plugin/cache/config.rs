//! The configuration of `cache`.

use std::time::Duration;

use hickory_proto::rr::LowerName;

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::{only, unknown_option};

/// The longest that a success is kept, in seconds.
const MAX_SUCCESS_TTL: u32 = 3600;

/// The longest that a denial is kept, in seconds.
const MAX_DENIAL_TTL: u32 = 1800;

/// The shortest that an answer is kept, in seconds.
const MIN_TTL: u32 = 5;

/// How many answers of each kind are kept.
const CAPACITY: u32 = 9984;

/// The least capacity that can be asked for, as in CoreDNS; less means this.
const MIN_CAPACITY: u32 = 1024;

/// The longest that a SERVFAIL may be kept (RFC 2308 §7.1).
const MAX_SERVFAIL: Duration = Duration::from_secs(300);

/// The `cache` directive of a server block.
///
/// ```text
/// cache [TTL] [ZONES...] {
///     success CAPACITY [TTL] [MINTTL]
///     denial CAPACITY [TTL] [MINTTL]
///     prefetch AMOUNT [[DURATION] [PERCENTAGE%]]
///     serve_stale [DURATION] [immediate [RESP_TTL [RECHECK]] | verify [TIMEOUT [RESP_TTL [RECHECK]]]]
///     serve_stale_policy prefer_positive
///     servfail DURATION
///     disable success|denial [ZONES...]
///     keepttl
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheConfig {
    /// The zones whose answers are kept.
    pub zones: Vec<LowerName>,
    /// How successes are kept.
    pub success: Keep,
    /// How denials are kept.
    pub denial: Keep,
    /// Which answers are fetched again before they expire.
    pub prefetch: Option<Prefetch>,
    /// Whether and how expired answers are given.
    pub stale: Option<ServeStale>,
    /// How long a SERVFAIL is kept; zero for not at all.
    pub servfail: Duration,
    /// Whether answers from the cache have the TTL with which they were kept.
    pub keep_ttl: bool,
}

/// How answers of one kind are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keep {
    /// How many.
    pub capacity: u32,
    /// The longest time, in seconds.
    pub max_ttl: u32,
    /// The shortest time, in seconds.
    pub min_ttl: u32,
    /// The zones whose answers are not kept.
    pub disabled: Vec<LowerName>,
}

/// When an answer is fetched again before it expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefetch {
    /// How many questions make it popular.
    pub amount: u32,
    /// A longer pause between two of them starts the count again.
    pub pause: Duration,
    /// How much of its time is left, in percent.
    pub percentage: u32,
}

/// How expired answers are given (RFC 8767).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServeStale {
    /// How long after their time.
    pub duration: Duration,
    /// Whether the source is asked first.
    pub verify: bool,
    /// How long the client waits for the source when it is asked first.
    pub timeout: Option<Duration>,
    /// The TTL of their records, in seconds.
    pub ttl: u32,
    /// How long after an attempt the source is not asked again.
    pub recheck: Duration,
    /// Whether an expired success is given rather than an expired denial.
    pub prefer_positive: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            capacity: CAPACITY,
            max_ttl: MAX_SUCCESS_TTL,
            min_ttl: MIN_TTL,
            disabled: Vec::new(),
        }
    }
}

impl CacheConfig {
    /// Returns the configuration without options.
    pub fn new(zones: Vec<LowerName>) -> Self {
        Self {
            zones,
            success: Keep::default(),
            denial: Keep { max_ttl: MAX_DENIAL_TTL, ..Keep::default() },
            prefetch: None,
            stale: None,
            servfail: Duration::from_secs(MIN_TTL.into()),
            keep_ttl: false,
        }
    }

    /// Reads the `cache` directive of a server block with these zones.
    ///
    /// # Errors
    /// It stands twice, or an option is none or out of range.
    pub fn parse(directives: &[&Directive], block: &[LowerName]) -> Result<Self, CorefileError> {
        let mut config = Self::new(block.to_vec());
        let Some(directive) = only(directives)? else { return Ok(config) };
        config.arguments(&directive.args)?;
        let mut policy = None;
        for line in directive.lines() {
            if line.name.text == "serve_stale_policy" {
                policy = Some(line);
            } else {
                config.option(line)?;
            }
        }
        if let Some(line) = policy {
            config.stale_policy(line)?;
        }
        Ok(config)
    }

    /// Reads `[TTL] [ZONES...]`: a first argument that is a number is the TTL.
    fn arguments(&mut self, arguments: &[Token]) -> Result<(), CorefileError> {
        let mut zones = arguments;
        if let [first, rest @ ..] = arguments
            && first.text.bytes().all(|byte| byte.is_ascii_digit())
        {
            let ttl = arguments::number_in(first, 1..=u32::MAX, "seconds")?;
            self.success.max_ttl = ttl;
            self.denial.max_ttl = ttl;
            zones = rest;
        }
        if !zones.is_empty() {
            self.zones = arguments::zones(zones)?;
        }
        Ok(())
    }

    fn option(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "success" => self.success.read(line),
            "denial" => self.denial.read(line),
            "prefetch" => {
                self.prefetch = Prefetch::read(line)?;
                Ok(())
            }
            "serve_stale" => {
                self.stale = Some(ServeStale::read(line)?);
                Ok(())
            }
            "servfail" => self.read_servfail(line),
            "disable" => self.disable(line),
            "keepttl" => {
                arguments::none(line)?;
                self.keep_ttl = true;
                Ok(())
            }
            _ => Err(unknown_option(
                line,
                "success, denial, prefetch, serve_stale, serve_stale_policy, servfail, disable and keepttl",
            )),
        }
    }

    fn read_servfail(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let token = arguments::single(line)?;
        self.servfail = arguments::duration(token)?;
        if self.servfail > MAX_SERVFAIL {
            return Err(token.error(
                "caching SERVFAIL responses over 5 minutes is not permitted; write a duration up to 5m",
            ));
        }
        Ok(())
    }

    fn disable(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let (kind, zones) = arguments::some(line)?.split_at(1);
        let zones = if zones.is_empty() { self.zones.clone() } else { arguments::zones(zones)? };
        match kind[0].text.as_str() {
            "success" => self.success.disabled = zones,
            "denial" => self.denial.disabled = zones,
            other => {
                let text = format!("cannot disable '{other}'; write success or denial");
                return Err(kind[0].error(text));
            }
        }
        Ok(())
    }

    fn stale_policy(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let token = arguments::single(line)?;
        if token.text != "prefer_positive" {
            let text = &token.text;
            return Err(token.error(format!("unknown policy '{text}'; write prefer_positive")));
        }
        let Some(stale) = &mut self.stale else {
            return Err(line.error("serve_stale_policy needs serve_stale; add it"));
        };
        stale.prefer_positive = true;
        Ok(())
    }
}

impl Keep {
    fn read(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let arguments = arguments::some(line)?;
        at_most(line, 3)?;
        self.capacity = arguments::number(&arguments[0])?.max(MIN_CAPACITY);
        if let Some(token) = arguments.get(1) {
            self.max_ttl = arguments::number_in(token, 1..=u32::MAX, "seconds")?;
        }
        if let Some(token) = arguments.get(2) {
            self.min_ttl = arguments::number(token)?;
        }
        Ok(())
    }
}

impl Prefetch {
    /// Reads the option; an amount of 0 turns it off.
    fn read(line: &Directive) -> Result<Option<Self>, CorefileError> {
        let arguments = arguments::some(line)?;
        at_most(line, 3)?;
        let amount = arguments::number(&arguments[0])?;
        let pause = match arguments.get(1) {
            Some(token) => arguments::duration(token)?,
            None => Duration::from_secs(60),
        };
        let percentage = arguments.get(2).map_or(Ok(10), percentage)?;
        Ok((amount > 0).then_some(Self { amount, pause, percentage }))
    }
}

fn percentage(token: &Token) -> Result<u32, CorefileError> {
    let number = token.text.strip_suffix('%').and_then(|text| text.parse().ok());
    number.filter(|number| (10..=90).contains(number)).ok_or_else(|| {
        token.error(format!("'{}' is no percentage; write one from 10% to 90%", token.text))
    })
}

impl ServeStale {
    fn read(line: &Directive) -> Result<Self, CorefileError> {
        let mut stale = Self {
            duration: Duration::from_secs(3600),
            verify: false,
            timeout: None,
            ttl: 0,
            recheck: Duration::ZERO,
            prefer_positive: false,
        };
        let mut rest = line.args.as_slice();
        if let Some((first, after)) = rest.split_first()
            && !matches!(first.text.to_ascii_lowercase().as_str(), "immediate" | "verify")
        {
            stale.duration = arguments::duration(first)?;
            rest = after;
        }
        let Some((mode, mut rest)) = rest.split_first() else { return Ok(stale) };
        match mode.text.to_ascii_lowercase().as_str() {
            "immediate" => {}
            "verify" => {
                stale.verify = true;
                if let Some((timeout, after)) = rest.split_first() {
                    let timeout = arguments::duration(timeout)?;
                    stale.timeout = (!timeout.is_zero()).then_some(timeout);
                    rest = after;
                }
            }
            other => {
                let text = format!("invalid refresh mode '{other}'; write immediate or verify");
                return Err(mode.error(text));
            }
        }
        if let Some(ttl) = rest.first() {
            stale.ttl = seconds(ttl)?;
        }
        if let Some(recheck) = rest.get(1) {
            stale.recheck = arguments::duration(recheck)?;
        }
        match rest.get(2) {
            Some(extra) => Err(extra.error(format!("too many arguments; remove '{}'", extra.text))),
            None => Ok(stale),
        }
    }
}

/// Reads a TTL: a number of seconds, or a duration.
fn seconds(token: &Token) -> Result<u32, CorefileError> {
    if token.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return arguments::number(token);
    }
    let seconds = arguments::duration(token)?.as_secs();
    u32::try_from(seconds).map_err(|_| token.error("too long; write a TTL in seconds"))
}

fn at_most(line: &Directive, count: usize) -> Result<(), CorefileError> {
    let Some(extra) = line.args.get(count) else { return Ok(()) };
    let name = &line.name.text;
    Err(extra.error(format!("{name} takes at most {count} arguments; remove '{}'", extra.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(directives: &[&Directive]) -> Result<CacheConfig, CorefileError> {
        CacheConfig::parse(directives, &["block.example.".parse().unwrap()])
    }

    fn config(text: &str) -> CacheConfig {
        configure(text, parse).unwrap()
    }

    #[test]
    fn arguments() {
        let expected = CacheConfig::new(vec!["block.example.".parse().unwrap()]);
        assert_eq!(config("cache"), expected);
        let thirty = config("cache 30 example.org 10.0.0.0/8");
        assert_eq!((thirty.success.max_ttl, thirty.denial.max_ttl), (30, 30));
        let zones: Vec<_> = thirty.zones.iter().map(ToString::to_string).collect();
        assert_eq!(zones, ["example.org.", "10.in-addr.arpa."]);
        assert_eq!(config("cache example.org").success.max_ttl, 3600);
    }

    #[test]
    fn options() {
        let config = config(
            "cache 60 {\nsuccess 2000 30 1\ndenial 10\nprefetch 10 1m 20%\nservfail 1m\nkeepttl\n\
             disable success cluster.local\ndisable denial\n}",
        );
        let expected = Keep {
            capacity: 2000,
            max_ttl: 30,
            min_ttl: 1,
            disabled: vec!["cluster.local.".parse().unwrap()],
        };
        assert_eq!(config.success, expected);
        assert_eq!((config.denial.capacity, config.denial.max_ttl), (1024, 60));
        assert_eq!(config.denial.disabled, config.zones);
        let pause = Duration::from_secs(60);
        assert_eq!(config.prefetch, Some(Prefetch { amount: 10, pause, percentage: 20 }));
        assert_eq!((config.servfail, config.keep_ttl), (Duration::from_secs(60), true));
    }

    #[test]
    fn serve_stale_forms() {
        let stale = |text: &str| config(&format!("cache {{\n{text}\n}}")).stale.unwrap();
        let hour = Duration::from_secs(3600);
        let immediate = stale("serve_stale");
        assert_eq!((immediate.duration, immediate.verify, immediate.ttl), (hour, false, 0));
        assert_eq!(stale("serve_stale immediate"), immediate);
        let verify =
            stale("serve_stale 30m verify 200ms 30 10s\nserve_stale_policy prefer_positive");
        assert_eq!(
            verify,
            ServeStale {
                duration: hour / 2,
                verify: true,
                timeout: Some(Duration::from_millis(200)),
                ttl: 30,
                recheck: Duration::from_secs(10),
                prefer_positive: true,
            }
        );
        let immediate = stale("serve_stale 3600s immediate 30s 5s");
        assert_eq!((immediate.ttl, immediate.recheck), (30, Duration::from_secs(5)));
    }

    #[test]
    fn mistakes() {
        assert_refused(
            parse,
            &[
                ("cache\ncache", "only be used once"),
                ("cache 0", "write 1 to"),
                ("cache a..b", "a..b"),
                ("cache {\nsucces 1\n}", "unknown property 'succes'; there is success, denial"),
                ("cache {\nsuccess\n}", "success"),
                ("cache {\nsuccess ten\n}", "'ten' is no whole number"),
                ("cache {\nsuccess 1 0\n}", "write 1 to"),
                ("cache {\ndenial 1 2 3 4\n}", "at most 3 arguments; remove '4'"),
                ("cache {\nprefetch 1 1m 5%\n}", "from 10% to 90%"),
                ("cache {\nprefetch 1 1m 50\n}", "from 10% to 90%"),
                ("cache {\nservfail 6m\n}", "over 5 minutes"),
                ("cache {\ndisable errors\n}", "write success or denial"),
                ("cache {\nserve_stale 1h later\n}", "write immediate or verify"),
                ("cache {\nserve_stale immediate 1 2s 3\n}", "remove '3'"),
                ("cache {\nserve_stale_policy prefer_positive\n}", "needs serve_stale"),
                ("cache {\nserve_stale\nserve_stale_policy newest\n}", "write prefer_positive"),
                ("cache {\nkeepttl 1\n}", "takes no argument"),
            ],
        );
    }
}
