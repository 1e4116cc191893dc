//! `reload`: takes a changed Corefile over without a restart.

use std::time::Duration;

use super::arguments;
use super::directive::only;
use crate::corefile::{CorefileError, Directive};

/// How often the Corefile is read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReloadConfig {
    /// From one time to the next; zero for never.
    pub interval: Duration,
    /// How much longer or shorter it is, at random, so that the servers of a cluster do not all reload at once.
    pub jitter: Duration,
}

/// The shortest interval.
const MIN_INTERVAL: Duration = Duration::from_secs(2);

/// The shortest jitter.
const MIN_JITTER: Duration = Duration::from_secs(1);

impl Default for ReloadConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), jitter: Duration::from_secs(15) }
    }
}

impl ReloadConfig {
    /// Reads the `reload` directive of a server block: `reload [INTERVAL] [JITTER]`.
    ///
    /// A jitter of more than half of the interval is cut to it, as CoreDNS does.
    ///
    /// # Errors
    /// It stands twice, or a time is none or too short.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        let Some(directive) = only(directives)? else { return Ok(config) };
        arguments::no_block(directive)?;
        if let Some(token) = directive.args.first() {
            config.interval = arguments::duration(token)?;
            if !config.interval.is_zero() && config.interval < MIN_INTERVAL {
                return Err(token.error("interval is too short; write at least 2s, or 0 for never"));
            }
        }
        if let Some(token) = directive.args.get(1) {
            config.jitter = arguments::duration(token)?;
            if config.jitter < MIN_JITTER {
                return Err(token.error("jitter is too short; write at least 1s"));
            }
        }
        if let Some(extra) = directive.args.get(2) {
            let text = &extra.text;
            return Err(extra.error(format!("reload takes at most two arguments; remove '{text}'")));
        }
        config.jitter = config.jitter.min(config.interval / 2);
        Ok(config)
    }

    /// Returns the time until the Corefile is read again, for a number from 0 to 1; none for never.
    pub fn pause(&self, random: f64) -> Option<Duration> {
        if self.interval.is_zero() {
            return None;
        }
        Some(self.interval - self.jitter + (2 * self.jitter).mul_f64(random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Surroundings};
    use crate::corefile::{DiskFiles, parse};
    use crate::plugin::testing::{assert_refused, configure};

    fn times(text: &str) -> (u64, u64) {
        let config = configure(text, ReloadConfig::parse).unwrap();
        (config.interval.as_secs(), config.jitter.as_secs())
    }

    #[test]
    fn interval_and_jitter() {
        assert_eq!(times("reload"), (30, 15));
        assert_eq!(times("reload 10s"), (10, 5));
        assert_eq!(times("reload 10s 2s"), (10, 2));
        assert_eq!(times("reload 10s 8s"), (10, 5), "at most half of the interval");
        assert_eq!(times("reload 0s"), (0, 0));
        assert_refused(
            ReloadConfig::parse,
            &[
                ("reload\nreload", "only be used once"),
                ("reload 1s", "at least 2s"),
                ("reload 5s 500ms", "at least 1s"),
                ("reload 5", "is no duration"),
                ("reload 5s 1s 1s", "remove '1s'"),
                ("reload {\n}", "remove the braces"),
            ],
        );
    }

    #[test]
    fn the_jitter_spreads_the_pause_around_the_interval() {
        let config = configure("reload 10s 4s", ReloadConfig::parse).unwrap();
        let pause = |random| config.pause(random).unwrap().as_secs();
        assert_eq!((pause(0.0), pause(0.5), pause(1.0), pause(7.0)), (6, 10, 14, 14));
        assert_eq!(configure("reload 0s", ReloadConfig::parse).unwrap().pause(0.5), None);
    }

    #[test]
    fn the_last_line_of_a_corefile_sets_the_pauses() {
        let pauses = |lines: [&str; 2]| {
            let [first, second] = lines;
            let text = format!("a {{\n{first}\nwhoami\n}}\nb {{\n{second}\nwhoami\n}}\n");
            let corefile = parse(Path::new("Corefile"), text.as_bytes(), &DiskFiles, &|_| None);
            let around = Surroundings { files: &DiskFiles, interfaces: &[], default_port: 53 };
            let config = Config::of(&corefile.unwrap(), around).unwrap();
            [0.0, 1.0].map(|random| {
                config.reload().and_then(|reload| reload.pause(random)).map(|pause| pause.as_secs())
            })
        };
        assert_eq!(pauses(["", ""]), [None, None]);
        assert_eq!(pauses(["reload", ""]), [Some(15), Some(45)]);
        assert_eq!(pauses(["reload", "reload 20s 1s"]), [Some(19), Some(21)]);
        assert_eq!(pauses(["reload", "reload 20s 5s"]), [Some(15), Some(25)]);
        assert_eq!(pauses(["reload 20s", "reload 0s"]), [None, None]);
    }
}
