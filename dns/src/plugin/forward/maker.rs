//! Makes the upstreams of a directive.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::config::ForwardConfig;
use super::health::Health;
use super::metrics::ForwardMetrics;
use super::target::{Identity, Scheme, Target};
use crate::edge::upstream::{Channel, TlsClient, TlsClients, Upstream};

/// What the upstreams of one directive have in common.
pub(super) struct Maker {
    config: ForwardConfig,
    metrics: ForwardMetrics,
    /// Made when the first upstream needs it, which reads the CAs of the host.
    tls: OnceLock<TlsClients>,
}

impl Maker {
    pub(super) fn new(config: &ForwardConfig, metrics: &ForwardMetrics) -> Self {
        Self { config: config.clone(), metrics: metrics.clone(), tls: OnceLock::new() }
    }

    /// Returns the upstream of a TO argument at this address.
    pub(super) fn upstream(&self, target: &Target, address: SocketAddr) -> Arc<Upstream> {
        let config = &self.config;
        let (channel, proto) = match &target.scheme {
            Scheme::Dns => (Channel::Plain, "tcp"),
            Scheme::Tls(identity) => (Channel::Tls(self.tls(identity)), "tcp-tls"),
        };
        let label = target.to_string();
        let metrics = self.metrics.of_upstream(&label, proto);
        let health = Health::new(config.max_fails);
        let (source, idle) = (config.source, config.idle);
        Arc::new(Upstream::new(label, address, channel, source, idle, health, metrics))
    }

    fn tls(&self, identity: &Identity) -> TlsClient {
        let clients = self.tls.get_or_init(|| TlsClients::new(&self.config.tls, &[]));
        let name = self.config.tls.server_name.as_ref().unwrap_or(identity.name());
        clients.client(name.clone())
    }
}
