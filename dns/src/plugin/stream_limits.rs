//! `https`, `https3` and `quic`: how much clients of encrypted transports may do at once.

use crate::corefile::{CorefileError, Directive, Token, Transport};
use crate::plugin::arguments;
use crate::plugin::directive::{only, unknown_option};

/// Connections to a listener when nothing else is said, as CoreDNS's.
const CONNECTIONS: usize = 200;

/// Streams of a connection when nothing else is said, as CoreDNS's.
const STREAMS: u32 = 256;

/// What `https3 { max_streams 0 }` asks for: the default of the QUIC library that CoreDNS uses.
const TRANSPORT_STREAMS: u32 = 100;

/// Questions under way at a listener when nothing else is said, as CoreDNS's `worker_pool_size`.
const WORKERS: usize = 1024;

/// The most that semaphores and QUIC can count.
const MOST: u32 = 1 << 20;

/// How much the clients of a listener for HTTPS, QUIC or HTTP/3 may do at once.
///
/// ```text
/// https  { max_connections N }
/// https3 { max_connections N
///          max_streams N }
/// quic   { max_connections N
///          max_streams N
///          worker_pool_size N }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamLimits {
    /// Open connections; none for any number.
    pub connections: Option<usize>,
    /// Streams, which are questions, of a connection at a time.
    pub streams: u32,
    /// Questions of all connections that are read, answered or written at a time.
    pub workers: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { connections: Some(CONNECTIONS), streams: STREAMS, workers: WORKERS }
    }
}

impl StreamLimits {
    /// Reads the directive `https`, `https3` or `quic` of a server block.
    ///
    /// # Errors
    /// It stands twice, or an option stands twice, is none of the plugin or has no number that it takes.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut limits = Self::default();
        let Some(directive) = only(directives)? else { return Ok(limits) };
        arguments::none(directive)?;
        let plugin = directive.name.text.as_str();
        let mut seen: Vec<&str> = Vec::new();
        for line in directive.lines() {
            let option = line.name.text.as_str();
            match (plugin, option) {
                (_, "max_connections") => {
                    let number = count(arguments::single(line)?, 0)?;
                    limits.connections = (number > 0).then_some(number);
                }
                ("https3", "max_streams") => {
                    let number =
                        arguments::number_in(arguments::single(line)?, 0..=MOST, "streams")?;
                    limits.streams = if number == 0 { TRANSPORT_STREAMS } else { number };
                }
                ("quic", "max_streams") => {
                    limits.streams =
                        arguments::number_in(arguments::single(line)?, 1..=MOST, "streams")?;
                }
                ("quic", "worker_pool_size") => {
                    limits.workers = count(arguments::single(line)?, 1)?;
                }
                _ => return Err(unknown_option(line, options(plugin))),
            }
            if seen.contains(&option) {
                return Err(line.error(format!(
                    "{option} already defined for this server block; remove one of them"
                )));
            }
            seen.push(option);
        }
        Ok(limits)
    }

    /// Returns the plugin that sets the limits of a transport; none for one without.
    pub fn plugin_of(transport: Transport) -> Option<&'static str> {
        match transport {
            Transport::Https => Some("https"),
            Transport::Https3 => Some("https3"),
            Transport::Quic => Some("quic"),
            Transport::Dns | Transport::Tls | Transport::Grpc => None,
        }
    }
}

fn options(plugin: &str) -> &'static str {
    match plugin {
        "https" => "'max_connections'",
        "https3" => "'max_connections' and 'max_streams'",
        _ => "'max_connections', 'max_streams' and 'worker_pool_size'",
    }
}

fn count(token: &Token, least: u32) -> Result<usize, CorefileError> {
    let number = arguments::number_in(token, least..=MOST, "")?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn limits(text: &str) -> (Option<usize>, u32, usize) {
        let limits = configure(text, StreamLimits::parse).unwrap();
        (limits.connections, limits.streams, limits.workers)
    }

    #[test]
    fn defaults_and_options() {
        for plugin in ["https", "https3", "quic"] {
            assert_eq!(limits(plugin), (Some(200), 256, 1024), "{plugin}");
            let text = format!("{plugin} {{\nmax_connections 7\n}}");
            assert_eq!(limits(&text), (Some(7), 256, 1024), "{plugin}");
            let text = format!("{plugin} {{\nmax_connections 0\n}}");
            assert_eq!(limits(&text).0, None, "{plugin}");
        }
        assert_eq!(limits("https3 {\nmax_streams 0\n}").1, 100);
        assert_eq!(limits("https3 {\nmax_streams 50\n}").1, 50);
        let all = "quic {\nmax_streams 3\nworker_pool_size 5\nmax_connections 2\n}";
        assert_eq!(limits(all), (Some(2), 3, 5));
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            StreamLimits::parse,
            &[
                ("https 5", "takes no argument; remove '5'"),
                ("https\nhttps", "can only be used once per Server Block"),
                ("https {\nmax_streams 5\n}", "unknown property 'max_streams'; there is 'max_conn"),
                ("https {\nmax_connections -1\n}", "'-1' is no whole number"),
                ("https {\nmax_connections\n}", "max_connections needs an argument"),
                ("https {\nmax_connections 1\nmax_connections 2\n}", "already defined"),
                ("https3 {\nworker_pool_size 5\n}", "there is 'max_connections' and 'max_streams'"),
                ("quic {\nmax_streams 0\n}", "0 is out of range; write 1 to 1048576 streams"),
                ("quic {\nworker_pool_size 0\n}", "0 is out of range"),
                ("quic {\nidle 5s\n}", "and 'worker_pool_size'"),
            ],
        );
    }
}
