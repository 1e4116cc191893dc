//! The configuration of `file`.

use std::path::PathBuf;
use std::time::Duration;

use hickory_proto::rr::LowerName;

use crate::corefile::{CorefileError, Directive};
use crate::plugin::directive::unknown_option;
use crate::plugin::root::Root;
use crate::plugin::{Fallthrough, arguments};

/// How often a zone file is read again by default.
const RELOAD: Duration = Duration::from_secs(60);

/// The `file` directives of a server block.
///
/// ```text
/// file DBFILE [ZONES...] {
///     reload DURATION
///     reload_by_mtime
///     fallthrough [ZONES...]
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileConfig {
    /// One for each directive.
    pub files: Vec<ZoneFileConfig>,
}

/// A zone file and the zones that it is read for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneFileConfig {
    /// The file.
    pub path: PathBuf,
    /// The zones; the relative names of the file are in each of them.
    pub zones: Vec<LowerName>,
    /// How often the file is read again, 1 min by default; none if never.
    pub reload: Option<Duration>,
    /// Whether any change counts, and not only one of the SOA serial.
    pub reload_by_mtime: bool,
    /// For which names without a record the next plugin is asked.
    pub fallthrough: Fallthrough,
}

impl FileConfig {
    /// Reads the `file` directives of a server block with these zones.
    ///
    /// # Errors
    /// There is no file, an option is unknown, or a value is wrong.
    pub fn parse(
        directives: &[&Directive],
        block: &[LowerName],
        root: &Root,
    ) -> Result<Self, CorefileError> {
        let files =
            directives.iter().map(|directive| ZoneFileConfig::parse(directive, block, root));
        Ok(Self { files: files.collect::<Result<_, _>>()? })
    }
}

impl ZoneFileConfig {
    fn parse(
        directive: &Directive,
        block: &[LowerName],
        root: &Root,
    ) -> Result<Self, CorefileError> {
        let [file, zones @ ..] = directive.args.as_slice() else {
            return Err(directive.error("file needs a zone file; write 'file DBFILE [ZONES...]'"));
        };
        let mut config = Self {
            path: root.join(&file.text),
            zones: if zones.is_empty() { block.to_vec() } else { arguments::zones(zones)? },
            reload: Some(RELOAD),
            reload_by_mtime: false,
            fallthrough: Fallthrough::Never,
        };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "reload" => {
                    let interval = arguments::duration(arguments::single(line)?)?;
                    config.reload = (!interval.is_zero()).then_some(interval);
                }
                "reload_by_mtime" => {
                    arguments::none(line)?;
                    config.reload_by_mtime = true;
                }
                "fallthrough" => config.fallthrough = Fallthrough::parse(line)?,
                // CoreDNS ignores it, too: aliases are looked up through the server itself.
                "upstream" => {}
                _ => {
                    let known = "reload, reload_by_mtime and fallthrough";
                    return Err(unknown_option(line, known));
                }
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(directives: &[&Directive]) -> Result<FileConfig, CorefileError> {
        let root = configure("root /srv", Root::parse).unwrap();
        FileConfig::parse(directives, &["block.example.".parse().unwrap()], &root)
    }

    fn zones(names: &[&str]) -> Vec<LowerName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn files_zones_and_options() {
        let text = "file db.a Example.org example.net {\nreload 30s\nreload_by_mtime\n\
                    fallthrough example.org\nupstream 8.8.8.8\n}\nfile /db.b\n\
                    file db.c {\nreload 0\nfallthrough\n}";
        let first = ZoneFileConfig {
            path: "/srv/db.a".into(),
            zones: zones(&["example.org.", "example.net."]),
            reload: Some(Duration::from_secs(30)),
            reload_by_mtime: true,
            fallthrough: Fallthrough::Zones(zones(&["example.org."])),
        };
        let second = ZoneFileConfig {
            path: "/db.b".into(),
            zones: zones(&["block.example."]),
            reload: Some(Duration::from_secs(60)),
            reload_by_mtime: false,
            fallthrough: Fallthrough::Never,
        };
        let third = ZoneFileConfig {
            path: "/srv/db.c".into(),
            reload: None,
            fallthrough: Fallthrough::Zones(zones(&["."])),
            ..second.clone()
        };
        assert_eq!(configure(text, parse).unwrap().files, [first, second, third]);
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            parse,
            &[
                ("file", "file needs a zone file"),
                ("file db a..b", "a..b"),
                ("file db {\nreload\n}", "reload needs an argument"),
                ("file db {\nreload 5\n}", "'5' is no duration"),
                ("file db {\nreload_by_mtime yes\n}", "takes no argument"),
                ("file db {\nfallthrough a..b\n}", "a..b"),
                ("file db {\ntransfer to *\n}", "unknown property 'transfer'"),
            ],
        );
    }
}
