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

/// A metric as it is shown.
struct Shown {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

impl Shown {
    fn counters(&self, registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(self.name, self.help), self.labels)?;
        registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn counter(&self, registry: &Registry) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::new(self.name, self.help)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn gauge(&self, registry: &Registry) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::new(self.name, self.help)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

const REJECTED: Shown = Shown {
    name: "portolan_dns_rejected_total",
    help: "Messages that are no query, by reason.",
    labels: &["reason"],
};
const COOKIES: Shown = Shown {
    name: "portolan_dns_cookies_total",
    help: "Queries with a DNS Cookie, by what the server makes of it.",
    labels: &["result"],
};
const REFUSED: Shown = Shown {
    name: "portolan_dns_refused_total",
    help: "Questions and connections refused by a limit of the server.",
    labels: &["limit"],
};
const HELD: Shown = Shown {
    name: "portolan_dns_held_total",
    help: "How often a connection was not read because of a limit.",
    labels: &["limit"],
};
const CLOSED: Shown = Shown {
    name: "portolan_dns_closed_total",
    help: "Connections that the server closed, by reason.",
    labels: &["reason"],
};
const UNREAD: Shown = Shown {
    name: "portolan_dns_tcp_unread_bytes",
    help: "Octets of replies that TCP clients have not read.",
    labels: &[],
};
const UDP_WAITING: Shown = Shown {
    name: "portolan_dns_udp_waiting",
    help: "UDP questions that wait for an upstream.",
    labels: &[],
};
const UDP_DROPPED: Shown = Shown {
    name: "portolan_dns_udp_dropped_total",
    help: "UDP datagrams that the kernel dropped because they were not received in time.",
    labels: &[],
};
const CUT: Shown = Shown {
    name: "portolan_dns_cut_total",
    help: "Answers that a limit has cut short.",
    labels: &["limit"],
};
const ANY_TRUNCATED: Shown = Shown {
    name: "portolan_dns_any_truncated_total",
    help: "Answers to ANY over UDP that were replaced by a hint at TCP.",
    labels: &[],
};
const TCP_CONNECTIONS: Shown = Shown {
    name: "portolan_dns_tcp_connections",
    help: "Open TCP connections of clients.",
    labels: &[],
};
const HTTPS_RESPONSES: Shown = Shown {
    name: "coredns_dns_https_responses_total",
    help: "Counter of DoH responses per server and http status code.",
    labels: &["server", "status"],
};
const HTTPS3_RESPONSES: Shown = Shown {
    name: "coredns_dns_https3_responses_total",
    help: "Counter of DoH3 responses per server and http status code.",
    labels: &["server", "status"],
};
const QUIC_RESPONSES: Shown = Shown {
    name: "coredns_dns_quic_responses_total",
    help: "Counter of DoQ responses per server and QUIC application code.",
    labels: &["server", "status"],
};
const QUIC_CONNECTIONS: Shown = Shown {
    name: "portolan_dns_quic_connections",
    help: "Open QUIC connections of clients.",
    labels: &[],
};
const QUIC_RETRIES: Shown = Shown {
    name: "portolan_dns_quic_retries_total",
    help: "QUIC clients that had to show that their address is their own.",
    labels: &[],
};

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
        let cookies = COOKIES.counters(registry)?;
        Ok(Self {
            rejected: REJECTED.counters(registry)?,
            cookies: COOKIE_RESULTS.map(|result| cookies.with_label_values(&[result])),
            refused: REFUSED.counters(registry)?,
            held: HELD.counters(registry)?,
            closed: CLOSED.counters(registry)?,
            unread: UNREAD.gauge(registry)?,
            udp_waiting: UDP_WAITING.gauge(registry)?,
            udp_dropped: UDP_DROPPED.counter(registry)?,
            cut: CUT.counters(registry)?,
            any_truncated: ANY_TRUNCATED.counter(registry)?,
            tcp_connections: TCP_CONNECTIONS.gauge(registry)?,
            https_responses: HTTPS_RESPONSES.counters(registry)?,
            https3_responses: HTTPS3_RESPONSES.counters(registry)?,
            quic_responses: QUIC_RESPONSES.counters(registry)?,
            quic_connections: QUIC_CONNECTIONS.gauge(registry)?,
            quic_retries: QUIC_RETRIES.counter(registry)?,
            panics,
        })
    }
}
