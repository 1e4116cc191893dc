//! The configuration of `errors`.

use std::time::Duration;

use regex::Regex;

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::Level;
use crate::plugin::arguments;
use crate::plugin::directive::{only, optional_argument, unknown_option};
use crate::plugin::regular_expression::regular_expression;

const CONSOLIDATE: &str = "consolidate DURATION REGEXP [LEVEL] [show_first]";

/// The `errors` directive of a server block.
///
/// ```text
/// errors {
///     stacktrace
///     consolidate DURATION REGEXP [LEVEL] [show_first]
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ErrorsConfig {
    /// Whether a recovered panic is logged with its stack.
    pub stacktrace: bool,
    /// Which errors are counted instead of written; the first that matches counts.
    pub consolidate: Vec<Consolidate>,
}

/// Errors that are counted and reported once a period.
#[derive(Clone, Debug)]
pub struct Consolidate {
    /// From the first error to the report.
    pub period: Duration,
    /// What the text of such an error matches; the question is not part of it.
    pub pattern: Regex,
    /// The level of the report; error by default.
    pub level: Level,
    /// Whether the first error of a period is written at once.
    pub show_first: bool,
}

impl ErrorsConfig {
    /// Reads the `errors` directive of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        let Some(directive) = only(directives)? else { return Ok(config) };
        // The one output that CoreDNS ever had is still accepted by name.
        if let Some(file) = optional_argument(directive)?
            && file.text != "stdout"
        {
            let text = &file.text;
            return Err(file.error(format!("invalid log file: {text}; only stdout is left")));
        }
        for line in directive.lines() {
            match line.name.text.as_str() {
                "stacktrace" => {
                    arguments::none(line)?;
                    config.stacktrace = true;
                }
                "consolidate" => config.consolidate.push(parse_consolidate(line)?),
                _ => return Err(unknown_option(line, "'stacktrace' and 'consolidate'")),
            }
        }
        Ok(config)
    }
}

fn parse_consolidate(line: &Directive) -> Result<Consolidate, CorefileError> {
    let [period, pattern, options @ ..] = line.args.as_slice() else {
        return Err(line.error(format!("'consolidate' lacks an argument; write '{CONSOLIDATE}'")));
    };
    let (options, show_first) = match options {
        [rest @ .., last] if last.text == "show_first" => (rest, true),
        all => (all, false),
    };
    let level = match options {
        [] => Level::Error,
        [level] => parse_level(level)?,
        [_, second, ..] => {
            return Err(second.error(format!(
                "wrong argument count: 'consolidate' does not take '{}'; write '{CONSOLIDATE}'",
                second.text
            )));
        }
    };
    let (period, pattern) = (arguments::duration(period)?, regular_expression(pattern)?);
    Ok(Consolidate { period, pattern, level, show_first })
}

fn parse_level(token: &Token) -> Result<Level, CorefileError> {
    match token.text.as_str() {
        "debug" => Ok(Level::Debug),
        "info" => Ok(Level::Info),
        "warning" => Ok(Level::Warning),
        "error" => Ok(Level::Error),
        text => Err(token.error(format!(
            "unknown log level argument in consolidate: {text}; use warning, error, info or debug"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn options() {
        let config = |text: &str| configure(text, ErrorsConfig::parse).unwrap();
        assert!(config("errors").consolidate.is_empty());
        assert!(!config("errors stdout").stacktrace);
        assert!(config("errors {\nstacktrace\n}").stacktrace);
        for (options, level, show_first) in [
            ("", Level::Error, false),
            ("warning", Level::Warning, false),
            ("debug show_first", Level::Debug, true),
            ("info", Level::Info, false),
            ("show_first", Level::Error, true),
        ] {
            let text = format!("errors {{\nconsolidate 1m30s \".* timeout$\" {options}\n}}");
            let rule = &config(&text).consolidate[0];
            assert_eq!(rule.period, Duration::from_secs(90));
            assert_eq!((rule.level, rule.show_first), (level, show_first), "{options}");
        }
        let two = "errors {\nconsolidate 1s a\nconsolidate 2s b error\n}";
        assert_eq!(config(two).consolidate.len(), 2);
    }

    #[test]
    fn what_is_refused() {
        let long = format!("errors {{\nconsolidate 1s {}\n}}", "a".repeat(10_001));
        assert_refused(
            ErrorsConfig::parse,
            &[
                ("errors\nerrors", "can only be used once per Server Block"),
                ("errors file.log", "invalid log file: file.log"),
                ("errors stdout x", "takes at most one argument"),
                ("errors {\nunknown\n}", "there is 'stacktrace' and 'consolidate'"),
                ("errors {\nstacktrace x\n}", "takes no argument; remove 'x'"),
                ("errors {\nconsolidate 1s\n}", "write 'consolidate DURATION"),
                ("errors {\nconsolidate 1 a\n}", "'1' is no duration"),
                ("errors {\nconsolidate 1s (\n}", "is no regular expression"),
                ("errors {\nconsolidate 1s a verbose\n}", "argument in consolidate: verbose"),
                ("errors {\nconsolidate 1s a info x\n}", "does not take 'x'"),
                ("errors {\nconsolidate 1s a show_first info\n}", "does not take 'info'"),
                (&long, "has 10001 octets"),
            ],
        );
    }
}
