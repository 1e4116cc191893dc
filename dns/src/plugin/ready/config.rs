//! The configuration of `ready`.

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::directive::{only, optional_argument, unknown_option};
use crate::plugin::{ListenAddress, arguments};

/// The `ready` directive of a server block.
///
/// ```text
/// ready [ADDRESS] {
///     monitor until-ready|continuously
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadyConfig {
    /// Where `/ready` is served; `:8181` by default.
    pub address: ListenAddress,
    /// How long plugins are asked.
    pub monitor: Monitor,
}

/// How long plugins are asked whether they are ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Monitor {
    /// Until each has been ready once.
    #[default]
    UntilReady,
    /// Always.
    Continuously,
}

impl Default for ReadyConfig {
    fn default() -> Self {
        Self { address: ListenAddress::any(8181), monitor: Monitor::default() }
    }
}

impl ReadyConfig {
    /// Reads the `ready` directive of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        let Some(directive) = only(directives)? else { return Ok(config) };
        if let Some(address) = optional_argument(directive)? {
            config.address = ListenAddress::from_token(address)?;
        }
        for line in directive.lines() {
            if line.name.text != "monitor" {
                return Err(unknown_option(line, "'monitor'"));
            }
            config.monitor = parse_monitor(arguments::single(line)?)?;
        }
        Ok(config)
    }
}

fn parse_monitor(token: &Token) -> Result<Monitor, CorefileError> {
    match token.text.as_str() {
        "until-ready" => Ok(Monitor::UntilReady),
        "continuously" => Ok(Monitor::Continuously),
        text => Err(token.error(format!(
            "monitor type '{text}' not supported; use until-ready or continuously"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn addresses_and_monitors() {
        for (text, address, monitor) in [
            ("ready", ":8181", Monitor::UntilReady),
            ("ready localhost:1234", "localhost:1234", Monitor::UntilReady),
            ("ready {\nmonitor until-ready\n}", ":8181", Monitor::UntilReady),
            ("ready :1 {\nmonitor continuously\n}", ":1", Monitor::Continuously),
        ] {
            let config = configure(text, ReadyConfig::parse).unwrap();
            assert_eq!((config.address.to_string().as_str(), config.monitor), (address, monitor));
        }
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            ReadyConfig::parse,
            &[
                ("ready\nready", "can only be used once per Server Block"),
                ("ready bla", "it has no port"),
                ("ready :1 b", "takes at most one argument; remove 'b'"),
                ("ready {\nmonitor 404\n}", "monitor type '404' not supported"),
                ("ready {\nmonitor\n}", "monitor needs an argument"),
                ("ready {\nmonitor continuously extra\n}", "takes one argument; remove 'extra'"),
                ("ready {\nmonitro continuously\n}", "unknown property 'monitro'"),
            ],
        );
    }
}
