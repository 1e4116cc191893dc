//! The configuration of `log`.

use hickory_proto::rr::{LowerName, Name};

use super::{Classes, LogFormat};
use crate::corefile::{CorefileError, Directive};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;

/// The `log` directives of a server block.
///
/// ```text
/// log [NAMES...] [FORMAT] {
///     class all|success|denial|error...
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// In textual order; the first whose zone a qname is in decides.
    pub rules: Vec<LogRule>,
}

/// Which queries of a zone are logged, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRule {
    /// The zone; the root by default.
    pub zone: LowerName,
    /// The form of a line; `{common}` by default.
    pub format: LogFormat,
    /// The classes of replies that are logged; all by default.
    pub classes: Classes,
}

impl LogConfig {
    /// Reads the `log` directives of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut rules = Vec::new();
        for directive in directives {
            rules.extend(parse_rules(directive)?);
        }
        Ok(Self { rules })
    }

    /// Returns the rule of a name.
    pub(super) fn rule_for(&self, name: &LowerName) -> Option<&LogRule> {
        self.rules.iter().find(|rule| rule.zone.zone_of(name))
    }
}

fn parse_rules(directive: &Directive) -> Result<Vec<LogRule>, CorefileError> {
    let classes = parse_classes(directive.lines())?;
    // A last argument with a brace is the format: no name has one.
    let (names, format) = match directive.args.split_last() {
        Some((last, names)) if last.text.contains('{') => (names, LogFormat::new(&last.text)),
        _ => (directive.args.as_slice(), LogFormat::common()),
    };
    let mut zones = arguments::zones(names)?;
    if names.is_empty() {
        zones.push(Name::root().into());
    }
    let rule = |zone| LogRule { zone, format: format.clone(), classes };
    Ok(zones.into_iter().map(rule).collect())
}

fn parse_classes(lines: &[Directive]) -> Result<Classes, CorefileError> {
    if lines.is_empty() {
        return Ok(Classes::ALL);
    }
    let mut classes = Classes::default();
    for line in lines {
        if line.name.text != "class" {
            return Err(unknown_option(line, "'class'"));
        }
        for word in arguments::some(line)? {
            classes = classes.with(&word.text).ok_or_else(|| {
                let text = &word.text;
                word.error(format!("invalid Class: {text}; use all, success, denial or error"))
            })?;
        }
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::super::ResponseClass;
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn shown(text: &str) -> Vec<String> {
        let show = |rule: LogRule| {
            let mut classes = String::new();
            for (letter, class) in [
                ('s', ResponseClass::Success),
                ('d', ResponseClass::Denial),
                ('e', ResponseClass::Error),
            ] {
                classes.extend(rule.classes.contains(class).then_some(letter));
            }
            let common = if rule.format == LogFormat::common() { "common" } else { "own" };
            format!("{} {common} {classes}", rule.zone)
        };
        configure(text, LogConfig::parse).unwrap().rules.into_iter().map(show).collect()
    }

    #[test]
    fn names_formats_and_classes() {
        for (text, expected) in [
            ("log", &[". common sde"][..]),
            ("log Example.org", &["example.org. common sde"]),
            ("log a.org b.org", &["a.org. common sde", "b.org. common sde"]),
            ("log a.org {common}", &["a.org. common sde"]),
            ("log {combined}", &[". own sde"]),
            ("log . \"{proto} Request: {name}\"", &[". own sde"]),
            ("log 10.0.0.0/24", &["0.0.10.in-addr.arpa. common sde"]),
            ("log {\nclass denial\n}", &[". common d"]),
            ("log {\nclass denial success\n}", &[". common sd"]),
            ("log {\nclass denial\nclass error\n}", &[". common de"]),
            ("log {\nclass denial all\n}", &[". common sde"]),
            ("log . {combined} {\nclass error\n}", &[". own e"]),
            ("log a.org\nlog b.org {\nclass error\n}", &["a.org. common sde", "b.org. common e"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            LogConfig::parse,
            &[
                ("log {\nclass\n}", "class needs at least one argument"),
                ("log {\nclass abra\n}", "invalid Class: abra; use all"),
                ("log {\nunknown\n}", "unknown property 'unknown'; there is 'class'"),
                ("log a..b", "not a valid domain name"),
            ],
        );
    }
}
