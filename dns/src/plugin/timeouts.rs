//! `timeouts`: how long connections may take, and how much they may ask.

use std::time::Duration;

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;

/// The `timeouts` directives of a server block; what is not named keeps its default.
///
/// ```text
/// timeouts {
///     read DURATION
///     write DURATION
///     idle DURATION
///     maxtcpqueries N
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TimeoutsConfig {
    /// For the rest of a message, or of a TLS handshake.
    pub read: Option<Duration>,
    /// For a client to read a reply.
    pub write: Option<Duration>,
    /// Between two questions.
    pub idle: Option<Duration>,
    /// How many questions a connection may ask.
    pub max_queries: Option<MaxQueries>,
}

/// How many questions a connection may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaxQueries {
    /// Any number.
    Unlimited,
    /// This many, at least 1.
    Limited(u32),
}

impl TimeoutsConfig {
    /// Reads the `timeouts` directives of a server block; the last value of an option counts.
    ///
    /// # Errors
    /// A block has no option, or an option or its value is none.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        for directive in directives {
            arguments::none(directive)?;
            if directive.lines().is_empty() {
                return Err(directive.error(
                    "timeouts block with no timeouts specified; add read, write, idle or maxtcpqueries, \
                     or remove it",
                ));
            }
            for line in directive.lines() {
                config.read_line(line)?;
            }
        }
        Ok(config)
    }

    fn read_line(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "read" => self.read = Some(timeout(arguments::single(line)?)?),
            "write" => self.write = Some(timeout(arguments::single(line)?)?),
            "idle" => self.idle = Some(timeout(arguments::single(line)?)?),
            "maxtcpqueries" => self.max_queries = Some(max_queries(arguments::single(line)?)?),
            _ => {
                let known = "'read', 'write', 'idle' and 'maxtcpqueries'";
                return Err(unknown_option(line, known));
            }
        }
        Ok(())
    }

    /// Returns what this one and, where that says something, another one say.
    #[must_use]
    pub fn overridden_by(&self, other: &Self) -> Self {
        Self {
            read: other.read.or(self.read),
            write: other.write.or(self.write),
            idle: other.idle.or(self.idle),
            max_queries: other.max_queries.or(self.max_queries),
        }
    }
}

/// Reads a duration; a number without a unit is one of seconds.
fn timeout(token: &Token) -> Result<Duration, CorefileError> {
    let is_number =
        !token.text.is_empty() && token.text.bytes().all(|octet| octet.is_ascii_digit());
    let duration = if is_number {
        Duration::from_secs(arguments::number(token)?.into())
    } else {
        arguments::duration(token)?
    };
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    if !range.contains(&duration) {
        let text = &token.text;
        return Err(token.error(format!(
            "timeout provided '{text}' needs to be between 1 second and 24 hours; write 1s to 24h"
        )));
    }
    Ok(duration)
}

fn max_queries(token: &Token) -> Result<MaxQueries, CorefileError> {
    if token.text == "-1" {
        return Ok(MaxQueries::Unlimited);
    }
    let refused = || {
        let text = &token.text;
        token.error(format!(
            "maxtcpqueries '{text}' is no number of 1 or more; write one, or -1 for any"
        ))
    };
    let number = arguments::number(token).map_err(|_| refused())?;
    if number == 0 { Err(refused()) } else { Ok(MaxQueries::Limited(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn options_add_up_and_the_last_counts() {
        let text = "timeouts {\nread 1s\nwrite 90\n}\ntimeouts {\nread 2s\nmaxtcpqueries 128\n}";
        let config = configure(text, TimeoutsConfig::parse).unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let expected = TimeoutsConfig {
            read: seconds(2),
            write: seconds(90),
            idle: None,
            max_queries: Some(MaxQueries::Limited(128)),
        };
        assert_eq!(config, expected);
        let other = configure("timeouts {\nidle 24h\nmaxtcpqueries -1\n}", TimeoutsConfig::parse);
        let both = TimeoutsConfig {
            idle: seconds(86_400),
            max_queries: Some(MaxQueries::Unlimited),
            ..expected
        };
        assert_eq!(config.overridden_by(&other.unwrap()), both);
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            TimeoutsConfig::parse,
            &[
                ("timeouts", "timeouts block with no timeouts specified"),
                ("timeouts {\n}", "timeouts block with no timeouts specified"),
                ("timeouts 5s {\nread 5s\n}", "takes no argument; remove '5s'"),
                ("timeouts {\nread\n}", "read needs an argument"),
                ("timeouts {\nread 1s 2s\n}", "takes one argument; remove '2s'"),
                ("timeouts {\nidle 500ms\n}", "between 1 second and 24 hours"),
                ("timeouts {\nwrite 25h\n}", "between 1 second and 24 hours"),
                ("timeouts {\nwrite soon\n}", "'soon' is no duration"),
                ("timeouts {\nmaxtcpqueries 0\n}", "no number of 1 or more; write one, or -1"),
                ("timeouts {\nmaxtcpqueries -2\n}", "no number of 1 or more"),
                (
                    "timeouts {\nconnect 1s\n}",
                    "unknown property 'connect'; there is 'read', 'write'",
                ),
            ],
        );
    }
}
