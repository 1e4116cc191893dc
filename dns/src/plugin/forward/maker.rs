//! Makes the upstreams of a directive.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;

use super::config::ForwardConfig;
use super::health::Health;
use super::metrics::ForwardMetrics;
use super::target::{Identity, Scheme, Target};
use crate::edge::upstream::{ALPN, Channel, HttpsClient, LoopProber, TlsClients, Upstream};

/// What the upstreams of one directive have in common.
pub(super) struct Maker {
    config: ForwardConfig,
    metrics: ForwardMetrics,
    /// Made when the first upstream needs them, which reads the CAs of the host.
    tls: OnceLock<TlsClients>,
    https: OnceLock<TlsClients>,
    /// What looks for upstreams that lead back here, in a block with `loop`.
    loops: Option<LoopProber>,
}

impl Maker {
    pub(super) fn new(
        config: &ForwardConfig,
        metrics: &ForwardMetrics,
        loops: Option<LoopProber>,
    ) -> Self {
        Self {
            config: config.clone(),
            metrics: metrics.clone(),
            tls: OnceLock::new(),
            https: OnceLock::new(),
            loops,
        }
    }

    /// Returns the upstream of a TO argument at this address, and has it probed for loops if that is wanted.
    pub(super) fn upstream(&self, target: &Target, address: SocketAddr) -> Arc<Upstream> {
        let config = &self.config;
        let (channel, proto) = match &target.scheme {
            Scheme::Dns => (Channel::Plain, "tcp"),
            Scheme::Tls(identity) => {
                let clients = self.tls.get_or_init(|| TlsClients::new(&config.tls, &[]));
                (Channel::Tls(clients.client(self.verified_as(identity).clone())), "tcp-tls")
            }
            Scheme::Https { identity, path } => {
                let clients = self.https.get_or_init(|| TlsClients::new(&config.tls, &[ALPN]));
                let name = self.verified_as(identity);
                let url = format!("https://{}{path}", authority(name, address.port()));
                let (tls, places) = (clients.client(name.clone()), (address, config.source));
                let client = HttpsClient::new(tls, places, url, config.doh_method, config.idle);
                (Channel::Https(Arc::new(client)), "https")
            }
        };
        let label = target.to_string();
        let metrics = self.metrics.of_upstream(&label, proto);
        let looping = self.loops.as_ref().map(|loops| (loops, self.metrics.looping(&label)));
        let health = Health::new(config.max_fails);
        let (source, idle) = (config.source, config.idle);
        let upstream = Upstream::new(label, address, channel, source, idle, health, metrics);
        let upstream = Arc::new(upstream);
        if let Some((loops, gauge)) = looping {
            upstream.returning.show_in(gauge);
            loops.follow(&upstream, target.file.as_deref());
        }
        upstream
    }

    fn verified_as<'a>(&'a self, identity: &'a Identity) -> &'a ServerName<'static> {
        self.config.tls.server_name.as_ref().unwrap_or(identity.name())
    }
}

/// Returns the part of an URL that names the server; 443 is understood.
fn authority(name: &ServerName<'_>, port: u16) -> String {
    let host = match name.to_str() {
        text if text.contains(':') => format!("[{text}]"),
        text => text.into_owned(),
    };
    if port == 443 { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::super::tls::server_name;
    use super::*;

    #[test]
    fn authorities_are_those_of_urls() {
        for (name, port, expected) in [
            ("dns.example", 443, "dns.example"),
            ("dns.example", 8443, "dns.example:8443"),
            ("192.0.2.1", 443, "192.0.2.1"),
            ("2001:db8::1", 8443, "[2001:db8::1]:8443"),
        ] {
            assert_eq!(authority(&server_name(name).unwrap(), port), expected);
        }
    }
}
