//! What the sockets count.

use crate::cookie::{Cookie, ServerCookie};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of the listeners.
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    /// Messages that are no query, by `reason`: `silent`, `formerr`, `notimp`, `badvers`, `badcookie`, `cookie`.
    pub rejected: IntCounterVec,
    /// Queries with a cookie, by `result`: see [`Self::count_cookie`].
    cookies: [IntCounter; 3],
    /// Questions and connections that a limit kept out, by `limit`: `udp_waiting`, `tcp_connections`,
    /// `tcp_per_client`, `quic_connections`, `quic_per_client`, `workers`, `stream_octets`.
    pub refused: IntCounterVec,
    /// How often a connection was not read because of a limit, by `limit`: `tcp_pipelined`, `tcp_unread`,
    /// `tcp_unread_all`; and how often its question waited for others: `tcp_turns`.
    pub held: IntCounterVec,
    /// Connections that the server closed, by `reason`: `idle`, `read`, `write`, `evicted`, `queries`, `handshake`,
    /// `protocol`.
    pub closed: IntCounterVec,
    /// Octets of replies that clients of connections have not read.
    pub unread: IntGauge,
    /// Questions over UDP that wait for an upstream.
    pub udp_waiting: IntGauge,
    /// Datagrams that the kernel dropped because they were not received in time.
    pub udp_dropped: IntCounter,
    /// Answers that a limit has cut short, by `limit`: `lookups`, `cluster_aliases`, `zone_aliases`.
    pub cut: IntCounterVec,
    /// Answers to ANY over UDP without their records: see [`crate::minimal_any`].
    pub any_truncated: IntCounter,
    /// Open TCP connections.
    pub tcp_connections: IntGauge,
    /// Responses over HTTP/1.1 and HTTP/2, by `server` and `status`.
    pub https_responses: IntCounterVec,
    /// Responses over HTTP/3, by `server` and `status`.
    pub https3_responses: IntCounterVec,
    /// Replies and errors over QUIC, by `server` and `status`: the error code of RFC 9250 §4.3.
    pub quic_responses: IntCounterVec,
    /// Open QUIC connections.
    pub quic_connections: IntGauge,
    /// Attempts that had to show that their address is their own.
    pub quic_retries: IntCounter,
    /// Panics while a question was answered or a stream of QUIC or HTTP/3 served; each is a defect.
    pub panics: IntCounter,
}

/// The label of each of [`ServerMetrics::cookies`].
const COOKIE_RESULTS: [&str; 3] = ["valid", "invalid", "absent"];

impl ServerMetrics {
    /// Counts a query with a cookie that has been checked: one of this server is `valid`, none of any server
    /// `absent`, another one `invalid`.
    pub(super) fn count_cookie(&self, cookie: &Cookie) {
        let Some(checked) = cookie.checked else { return };
        let [valid, invalid, absent] = &self.cookies;
        let counter = match cookie.server {
            _ if checked.is_valid => valid,
            ServerCookie::Absent => absent,
            ServerCookie::Given(_) | ServerCookie::Foreign => invalid,
        };
        counter.inc();
    }

    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry, panics: IntCounter) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name, help| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let udp_dropped = IntCounter::new(
            "portolan_dns_udp_dropped_total",
            "UDP datagrams that the kernel dropped because they were not received in time.",
        )?;
        registry.register(Box::new(udp_dropped.clone()))?;
        let quic_retries = IntCounter::new(
            "portolan_dns_quic_retries_total",
            "QUIC clients that had to show that their address is their own.",
        )?;
        registry.register(Box::new(quic_retries.clone()))?;
        let any_truncated = IntCounter::new(
            "portolan_dns_any_truncated_total",
            "Answers to ANY over UDP that were replaced by a hint at TCP.",
        )?;
        registry.register(Box::new(any_truncated.clone()))?;
        let cookies = counters(
            "portolan_dns_cookies_total",
            "Queries with a DNS Cookie, by what the server makes of it.",
            &["result"],
        )?;
        Ok(Self {
            udp_dropped,
            any_truncated,
            cookies: COOKIE_RESULTS.map(|result| cookies.with_label_values(&[result])),
            cut: counters(
                "portolan_dns_cut_total",
                "Answers that a limit has cut short.",
                &["limit"],
            )?,
            rejected: counters(
                "portolan_dns_rejected_total",
                "Messages that are no query, by reason.",
                &["reason"],
            )?,
            refused: counters(
                "portolan_dns_refused_total",
                "Questions and connections refused by a limit of the server.",
                &["limit"],
            )?,
            held: counters(
                "portolan_dns_held_total",
                "How often a connection was not read because of a limit.",
                &["limit"],
            )?,
            closed: counters(
                "portolan_dns_closed_total",
                "Connections that the server closed, by reason.",
                &["reason"],
            )?,
            unread: gauge(
                "portolan_dns_tcp_unread_bytes",
                "Octets of replies that TCP clients have not read.",
            )?,
            udp_waiting: gauge(
                "portolan_dns_udp_waiting",
                "UDP questions that wait for an upstream.",
            )?,
            tcp_connections: gauge(
                "portolan_dns_tcp_connections",
                "Open TCP connections of clients.",
            )?,
            quic_connections: gauge(
                "portolan_dns_quic_connections",
                "Open QUIC connections of clients.",
            )?,
            quic_retries,
            https_responses: counters(
                "coredns_dns_https_responses_total",
                "Counter of DoH responses per server and http status code.",
                &["server", "status"],
            )?,
            https3_responses: counters(
                "coredns_dns_https3_responses_total",
                "Counter of DoH3 responses per server and http status code.",
                &["server", "status"],
            )?,
            quic_responses: counters(
                "coredns_dns_quic_responses_total",
                "Counter of DoQ responses per server and QUIC application code.",
                &["server", "status"],
            )?,
            panics,
        })
    }
}
