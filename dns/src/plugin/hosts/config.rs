//! The configuration of `hosts`.

use std::path::PathBuf;
use std::time::Duration;

use hickory_proto::rr::LowerName;

use super::key::Key;
use super::text::parse_address;
use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::directive::only;
use crate::plugin::root::Root;
use crate::plugin::{Fallthrough, arguments};

/// The TTL of records by default, in seconds.
const TTL: u32 = 3600;

/// How often the file is read again by default.
const RELOAD: Duration = Duration::from_secs(5);

/// The `hosts` directive of a server block.
///
/// ```text
/// hosts [FILE [ZONES...]] {
///     [INLINE]
///     ttl SECONDS
///     no_reverse
///     reload DURATION
///     fallthrough [ZONES...]
///     fallthrough_unsupported
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostsConfig {
    /// The file.
    pub path: PathBuf,
    /// The zones whose names are served.
    pub zones: Vec<LowerName>,
    /// More entries, in the form of a hosts file.
    pub inline: String,
    /// The words of those entries that are no host names, and so not used.
    pub unused: Vec<Token>,
    /// The TTL of records, 1 to 65535 seconds.
    pub ttl: u32,
    /// Whether PTR records are made.
    pub has_reverse: bool,
    /// How often the file is read again; none if never.
    pub reload: Option<Duration>,
    /// For which names that are not there the next plugin is asked.
    pub fallthrough: Fallthrough,
    /// Whether the next plugin is asked for other types of names that are there.
    pub fallthrough_unsupported: bool,
}

impl HostsConfig {
    /// Reads the `hosts` directives of a server block with these zones.
    ///
    /// # Errors
    /// It stands twice, an option is unknown, or a value is wrong.
    pub fn parse(
        directives: &[&Directive],
        block: &[LowerName],
        root: &Root,
    ) -> Result<Self, CorefileError> {
        let mut config = Self {
            path: PathBuf::from("/etc/hosts"),
            zones: block.to_vec(),
            inline: String::new(),
            unused: Vec::new(),
            ttl: TTL,
            has_reverse: true,
            reload: Some(RELOAD),
            fallthrough: Fallthrough::Never,
            fallthrough_unsupported: false,
        };
        let Some(directive) = only(directives)? else { return Ok(config) };
        if let [file, zones @ ..] = directive.args.as_slice() {
            config.path = root.join(&file.text);
            if !zones.is_empty() {
                config.zones = arguments::zones(zones)?;
            }
        }
        for line in directive.lines() {
            config.read(line)?;
        }
        if config.fallthrough_unsupported && config.fallthrough == Fallthrough::Never {
            let text = "fallthrough_unsupported needs 'fallthrough'; add it";
            return Err(directive.error(text));
        }
        Ok(config)
    }

    fn read(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "ttl" => {
                self.ttl = arguments::number_in(arguments::single(line)?, 1..=65_535, "seconds")?
            }
            "no_reverse" => {
                arguments::none(line)?;
                self.has_reverse = false;
            }
            "reload" => {
                let interval = arguments::duration(arguments::single(line)?)?;
                self.reload = (!interval.is_zero()).then_some(interval);
            }
            "fallthrough" => self.fallthrough = Fallthrough::parse(line)?,
            "fallthrough_unsupported" => {
                arguments::none(line)?;
                self.fallthrough_unsupported = true;
            }
            address if parse_address(address.as_bytes()).is_some() => self.add_inline(line)?,
            other => {
                return Err(line.error(format!(
                    "unknown property '{other}'; there is ttl, no_reverse, reload, fallthrough and \
                     fallthrough_unsupported; entries begin with an address"
                )));
            }
        }
        Ok(())
    }

    fn add_inline(&mut self, line: &Directive) -> Result<(), CorefileError> {
        arguments::no_block(line)?;
        // As in the file, and as with CoreDNS, the others count when one is no name.
        let (names, unused): (Vec<&Token>, Vec<&Token>) =
            arguments::some(line)?.iter().partition(|name| is_host_name(&name.text));
        self.unused.extend(unused.into_iter().cloned());
        let names: Vec<&str> = names.into_iter().map(|name| name.text.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        self.inline.push_str(&format!("{} {}\n", line.name.text, names.join(" ")));
        Ok(())
    }
}

/// Says whether a word can be a host name of an entry.
pub(crate) fn is_host_name(word: &str) -> bool {
    Key::parse(word.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(directives: &[&Directive]) -> Result<HostsConfig, CorefileError> {
        let root = configure("root /srv", Root::parse).unwrap();
        HostsConfig::parse(directives, &["block.example.".parse().unwrap()], &root)
    }

    fn zones(names: &[&str]) -> Vec<LowerName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn defaults_and_every_option() {
        let default = configure("hosts", parse).unwrap();
        let expected = HostsConfig {
            path: "/etc/hosts".into(),
            zones: zones(&["block.example."]),
            inline: String::new(),
            unused: Vec::new(),
            ttl: 3600,
            has_reverse: true,
            reload: Some(Duration::from_secs(5)),
            fallthrough: Fallthrough::Never,
            fallthrough_unsupported: false,
        };
        assert_eq!(default, expected);
        let text = "hosts my.hosts Example.org 10.0.0.0/8 {\n10.0.0.1 a.example.org a\nttl 60\n\
                    no_reverse\nreload 500ms\nfallthrough example.org\nfallthrough_unsupported\n\
                    ::1 b\n}";
        let expected = HostsConfig {
            path: "/srv/my.hosts".into(),
            zones: zones(&["example.org.", "10.in-addr.arpa."]),
            inline: "10.0.0.1 a.example.org a\n::1 b\n".into(),
            unused: Vec::new(),
            ttl: 60,
            has_reverse: false,
            reload: Some(Duration::from_millis(500)),
            fallthrough: Fallthrough::Zones(zones(&["example.org."])),
            fallthrough_unsupported: true,
        };
        assert_eq!(configure(text, parse).unwrap(), expected);
        let never = configure("hosts /a {\nreload 0s\nfallthrough\n}", parse).unwrap();
        assert_eq!((never.path, never.reload), ("/a".into(), None));
        assert_eq!(never.fallthrough, Fallthrough::Zones(zones(&["."])));
    }

    #[test]
    fn a_word_that_is_no_name_leaves_the_others() {
        let text = "hosts {\n10.0.0.1 a..b good\n10.0.0.2 c..d\n}";
        let config = configure(text, parse).unwrap();
        assert_eq!(config.inline, "10.0.0.1 good\n");
        let unused: Vec<_> =
            config.unused.iter().map(|word| (word.position.line, word.text.as_str())).collect();
        assert_eq!(unused.len(), 2);
        assert_eq!((unused[0].1, unused[1].1), ("a..b", "c..d"));
        assert_eq!(unused[1].0, unused[0].0 + 1);
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            parse,
            &[
                ("hosts\nhosts", "only be used once"),
                ("hosts f a..b", "a..b"),
                ("hosts {\nttl\n}", "ttl needs an argument"),
                ("hosts {\nttl 0\n}", "0 is out of range; write 1 to 65535 seconds"),
                ("hosts {\nttl 65536\n}", "out of range"),
                ("hosts {\nttl x\n}", "no whole number"),
                ("hosts {\nreload 5\n}", "'5' is no duration"),
                ("hosts {\nno_reverse yes\n}", "takes no argument"),
                ("hosts {\nfallthrough a..b\n}", "a..b"),
                ("hosts {\nfallthrough_unsupported\n}", "needs 'fallthrough'"),
                ("hosts {\nno-reverse\n}", "unknown property 'no-reverse'"),
                ("hosts {\n10.0.0.256 a\n}", "unknown property '10.0.0.256'"),
                ("hosts {\n10.0.0.1\n}", "needs at least one argument"),
            ],
        );
    }
}
