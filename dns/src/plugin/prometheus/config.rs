//! The configuration of `prometheus`.

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::directive::{only, optional_argument, unknown_option};
use crate::plugin::{ListenAddress, ListenHost, arguments};

/// The `prometheus` directive of a server block.
///
/// ```text
/// prometheus [ADDRESS] {
///     runtime_metrics
///     tls FILE
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrometheusConfig {
    /// Where `/metrics` is served; `localhost:9153` by default.
    pub address: ListenAddress,
    /// Whether metrics of the Go runtime were asked for; this server has none to give.
    pub runtime_metrics: bool,
    /// The web configuration of `/metrics` over HTTPS, not read yet; relative to the working directory.
    pub tls: Option<Token>,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        let host = ListenHost::Name("localhost".to_owned());
        Self { address: ListenAddress { host, port: 9153 }, runtime_metrics: false, tls: None }
    }
}

impl PrometheusConfig {
    /// Reads the `prometheus` directive of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        let Some(directive) = only(directives)? else { return Ok(config) };
        if let Some(address) = optional_argument(directive)? {
            config.address = ListenAddress::from_token(address)?;
        }
        for line in directive.lines() {
            match line.name.text.as_str() {
                "runtime_metrics" => {
                    arguments::none(line)?;
                    config.runtime_metrics = true;
                }
                "tls" if config.tls.is_some() => {
                    return Err(line.error("tls is there already; remove this line"));
                }
                "tls" => config.tls = Some(arguments::single(line)?.clone()),
                _ => return Err(unknown_option(line, "'runtime_metrics' and 'tls'")),
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
    fn addresses() {
        for (text, address) in [
            ("prometheus", "localhost:9153"),
            ("prometheus :9153", ":9153"),
            ("prometheus 0.0.0.0:9153", "0.0.0.0:9153"),
            ("prometheus localhost:9253 {\n}", "localhost:9253"),
        ] {
            let config = configure(text, PrometheusConfig::parse).unwrap();
            assert_eq!(config.address.to_string(), address);
            assert!(!config.runtime_metrics);
        }
        let text = "prometheus {\nruntime_metrics\n}";
        assert!(configure(text, PrometheusConfig::parse).unwrap().runtime_metrics);
        let tls = configure("prometheus {\ntls web.yml\n}", PrometheusConfig::parse).unwrap().tls;
        assert_eq!(tls.unwrap().text, "web.yml");
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            PrometheusConfig::parse,
            &[
                ("prometheus\nprometheus", "can only be used once per Server Block"),
                ("prometheus a b", "takes at most one argument; remove 'b'"),
                ("prometheus 9153", "it has no port"),
                ("prometheus {\ntls\n}", "tls needs an argument"),
                ("prometheus {\ntls cert.pem key.pem\n}", "takes one argument; remove 'key.pem'"),
                ("prometheus {\ntls a\ntls b\n}", "tls is there already"),
                ("prometheus {\nx\n}", "unknown property 'x'"),
                ("prometheus {\nruntime_metrics x\n}", "takes no argument; remove 'x'"),
            ],
        );
    }
}
