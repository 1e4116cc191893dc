//! What the sockets count.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of the listeners.
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    /// Messages that are no query, by `reason`: `silent`, `formerr`, `notimp`, `badvers`.
    pub rejected: IntCounterVec,
    /// Questions that a limit kept from being answered, by `limit`: `udp_waiting`, `tcp_connections`.
    pub refused: IntCounterVec,
    /// Questions over UDP that wait for an upstream.
    pub udp_waiting: IntGauge,
    /// Open TCP connections.
    pub tcp_connections: IntGauge,
    /// Panics while a question was answered; each is a defect.
    pub panics: IntCounter,
}

impl ServerMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry, panics: IntCounter) -> Result<Self, prometheus::Error> {
        let rejected = IntCounterVec::new(
            Opts::new("portolan_dns_rejected_total", "Messages that are no query, by reason."),
            &["reason"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new("portolan_dns_refused_total", "Questions refused by a limit of the server."),
            &["limit"],
        )?;
        let udp_waiting =
            IntGauge::new("portolan_dns_udp_waiting", "UDP questions that wait for an upstream.")?;
        let tcp_connections =
            IntGauge::new("portolan_dns_tcp_connections", "Open TCP connections of clients.")?;
        registry.register(Box::new(rejected.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(udp_waiting.clone()))?;
        registry.register(Box::new(tcp_connections.clone()))?;
        Ok(Self { rejected, refused, udp_waiting, tcp_connections, panics })
    }
}
