//! The configuration of `health`.

use std::time::Duration;

use crate::corefile::{CorefileError, Directive};
use crate::plugin::directive::{optional_argument, unknown_option};
use crate::plugin::{ListenAddress, arguments};

/// The `health` directive of a server block; the last of several counts.
///
/// ```text
/// health [ADDRESS] {
///     lameduck DURATION
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthConfig {
    /// Where `/health` is served; `:8080` by default.
    pub address: ListenAddress,
    /// How long the server still answers after it is told to end; 0 by default.
    pub lameduck: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { address: ListenAddress::any(8080), lameduck: Duration::ZERO }
    }
}

impl HealthConfig {
    /// Reads the `health` directives of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        for directive in directives {
            if let Some(address) = optional_argument(directive)? {
                config.address = ListenAddress::from_token(address)?;
            }
            for line in directive.lines() {
                if line.name.text != "lameduck" {
                    return Err(unknown_option(line, "'lameduck'"));
                }
                config.lameduck = arguments::duration(arguments::single(line)?)?;
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn addresses_and_lameduck() {
        for (text, address, seconds) in [
            ("health", ":8080", 0),
            ("health localhost:8091", "localhost:8091", 0),
            ("health {\nlameduck 5s\n}", ":8080", 5),
            ("health 169.254.20.10:8080 {\nlameduck 1m\n}", "169.254.20.10:8080", 60),
            ("health :1\nhealth :2", ":2", 0),
        ] {
            let config = configure(text, HealthConfig::parse).unwrap();
            assert_eq!(config.address.to_string(), address, "{text}");
            assert_eq!(config.lameduck, Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            HealthConfig::parse,
            &[
                ("health bla", "it has no port"),
                ("health :1 :2", "takes at most one argument; remove ':2'"),
                ("health {\nlameduck\n}", "lameduck needs an argument"),
                ("health {\nlameduck 5\n}", "'5' is no duration"),
                ("health {\nlameduck 5s 6s\n}", "takes one argument; remove '6s'"),
                ("health {\nbla\n}", "unknown property 'bla'; there is 'lameduck'"),
            ],
        );
    }
}
