//! `prometheus`: counts and measures queries in the metrics that CoreDNS dashboards and alerts know.

mod config;
mod families;
mod labels;
mod repeated;
mod zone;

pub use config::PrometheusConfig;
pub use families::{BuildInfo, DnsMetrics};

use hickory_proto::rr::{LowerName, Name};

use super::{Handling, Plugin, Sent};
use crate::engine::{Context, ListenerId};
use crate::{Query, Repetition, Reply};
use zone::ZoneMetrics;

/// The `zone` of what no server block saw. It has no final dot, so it is never a zone.
const DROPPED: &str = "dropped";

/// Records the queries of one server block, under the listener where they came in.
///
/// A query counts for the longest of the block's zones that the qname is in, and for `.` if it is in none.
/// A query that is dropped counts as a request; there is no response to count.
#[derive(Debug)]
pub struct Prometheus {
    servers: Vec<(ListenerId, Zones)>,
}

/// The zones of a block on one listener.
#[derive(Debug)]
struct Zones {
    /// Longest first.
    zones: Vec<(LowerName, ZoneMetrics)>,
    /// For a qname in none of the zones.
    root: ZoneMetrics,
}

/// Records the queries that a server answers before any server block sees them.
#[derive(Debug)]
pub struct DroppedQueries(ZoneMetrics);

impl Prometheus {
    /// Returns the plugin of a server block.
    ///
    /// `servers` are the names of its listeners, for example `dns://:53` or `https://10.0.0.10:443`; `view` is the
    /// name of the block's view, empty without one.
    pub fn new(
        metrics: &DnsMetrics,
        servers: &[(ListenerId, String)],
        view: &str,
        zones: &[LowerName],
    ) -> Self {
        let of = |server: &str| Zones::new(metrics, server, view, zones);
        Self { servers: servers.iter().map(|(id, server)| (*id, of(server))).collect() }
    }

    fn zones_at(&self, listener: ListenerId) -> Option<&Zones> {
        let server = self.servers.iter().find(|(id, _)| *id == listener);
        server.map(|(_, zones)| zones)
    }
}

impl Zones {
    fn new(metrics: &DnsMetrics, server: &str, view: &str, zones: &[LowerName]) -> Self {
        let mut zones: Vec<LowerName> = zones.to_vec();
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.num_labels()));
        let of = |zone: &LowerName| ZoneMetrics::new(metrics, server, &zone.to_string(), view);
        let root = of(&Name::root().into());
        let zones = zones.into_iter().map(|zone| (of(&zone), zone));
        Self { zones: zones.map(|(metrics, zone)| (zone, metrics)).collect(), root }
    }

    fn of(&self, name: &LowerName) -> &ZoneMetrics {
        let found = self.zones.iter().find(|(zone, _)| zone.zone_of(name));
        found.map_or(&self.root, |(_, metrics)| metrics)
    }
}

impl Plugin for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn sent(&self, query: &Query, sent: &Sent<'_>) {
        if let Some(zones) = self.zones_at(sent.listener) {
            zones.of(&query.lower).record(query, sent);
        }
    }

    fn treats_alike(&self, zone: &LowerName) -> bool {
        let names = self.servers.iter().flat_map(|(_, zones)| &zones.zones);
        !names.map(|(name, _)| name).any(|name| name != zone && zone.zone_of(name))
    }

    fn repetition(&self, listener: ListenerId, query: &Query, reply: &Reply) -> Repetition {
        match self.zones_at(listener) {
            Some(zones) => Repetition::Count(zones.of(&query.lower).repetition(query, reply)),
            None => Repetition::Nothing,
        }
    }
}

impl DroppedQueries {
    /// Returns the recorder of a listener.
    pub fn new(metrics: &DnsMetrics, server: &str) -> Self {
        Self(ZoneMetrics::new(metrics, server, DROPPED, ""))
    }

    /// Records a query and the response that the server itself gave.
    pub fn record(&self, query: &Query, sent: &Sent<'_>) {
        self.0.record(query, sent);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::prometheus::{Registry, TextEncoder};
    use hickory_proto::op::{Edns, ResponseCode};
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::plugin::testing::query;
    use crate::{Protocol, Reply};

    fn metrics() -> (DnsMetrics, Registry) {
        let registry = Registry::new();
        (DnsMetrics::register(&registry).unwrap(), registry)
    }

    fn text(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[track_caller]
    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
        }
    }

    fn sent(reply: Option<&Reply>, size: usize) -> Sent<'_> {
        Sent { reply, size, elapsed: Duration::from_millis(3), ..Sent::default() }
    }

    #[test]
    fn a_query_in_every_family() {
        let (metrics, registry) = metrics();
        let zones = [".", "example.org.", "a.example.org."].map(|zone| zone.parse().unwrap());
        let plugin = Prometheus::new(&metrics, &[(ListenerId(0), "dns://:53".into())], "", &zones);
        let mut question = query("www.example.org.", RecordType::AAAA);
        question.edns = Some(Edns::new());
        question.edns.as_mut().unwrap().set_dnssec_ok(true);
        let reply = Reply { plugin: "kubernetes", ..Reply::new(ResponseCode::NXDomain) };
        plugin.sent(&question, &sent(Some(&reply), 140));
        let labels = r#"server="dns://:53",view="",zone="example.org.""#;
        let with_proto = r#"proto="udp",server="dns://:53",view="",zone="example.org.""#;
        let text = text(&registry);
        assert_lines(
            &text,
            &[
                "# TYPE coredns_dns_requests_total counter",
                "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:53\",\
                 type=\"AAAA\",view=\"\",zone=\"example.org.\"} 1",
                "# TYPE coredns_dns_responses_total counter",
                "coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NXDOMAIN\",\
                 server=\"dns://:53\",view=\"\",zone=\"example.org.\"} 1",
                &format!("coredns_dns_do_requests_total{{{labels}}} 1"),
                "# TYPE coredns_dns_request_duration_seconds histogram",
                &format!("coredns_dns_request_duration_seconds_bucket{{{labels},le=\"0.002\"}} 0"),
                &format!("coredns_dns_request_duration_seconds_bucket{{{labels},le=\"0.004\"}} 1"),
                &format!("coredns_dns_request_duration_seconds_bucket{{{labels},le=\"8.192\"}} 1"),
                &format!("coredns_dns_request_size_bytes_sum{{{with_proto}}} 41"),
                &format!("coredns_dns_response_size_bytes_bucket{{{with_proto},le=\"100\"}} 0"),
                &format!("coredns_dns_response_size_bytes_bucket{{{with_proto},le=\"200\"}} 1"),
            ],
        );
    }

    #[test]
    fn the_longest_zone_counts_and_the_root_otherwise() {
        let (metrics, registry) = metrics();
        let zones = ["org.", "a.example.org.", "example.org."].map(|zone| zone.parse().unwrap());
        let plugin = Prometheus::new(&metrics, &[(ListenerId(0), "s".into())], "v", &zones);
        for name in ["x.A.example.org.", "a.example.org.", "b.example.org.", "org.", "com."] {
            let mut question = query(name, RecordType::from(4711));
            question.client = "[2001:db8::1]:1".parse().unwrap();
            question.protocol = Protocol::Tcp;
            plugin.sent(&question, &sent(None, 0));
        }
        let text = text(&registry);
        for (zone, count) in [("a.example.org.", 2), ("example.org.", 1), ("org.", 1), (".", 1)] {
            let line = format!(
                "coredns_dns_requests_total{{family=\"2\",proto=\"tcp\",server=\"s\",type=\"other\",\
                 view=\"v\",zone=\"{zone}\"}} {count}"
            );
            assert_lines(&text, &[&line]);
        }
        assert!(!text.contains("responses_total"), "nothing was sent:\n{text}");
    }

    #[test]
    fn queries_outside_every_block_are_dropped() {
        let (metrics, registry) = metrics();
        let dropped = DroppedQueries::new(&metrics, "dns://:53");
        let question = query("example.org.", RecordType::A);
        dropped.record(&question, &sent(Some(&Reply::new(ResponseCode::Refused)), 29));
        assert_lines(
            &text(&registry),
            &[
                "coredns_dns_responses_total{plugin=\"\",rcode=\"REFUSED\",server=\"dns://:53\",\
                 view=\"\",zone=\"dropped\"} 1",
                "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:53\",\
                 type=\"A\",view=\"\",zone=\"dropped\"} 1",
            ],
        );
    }
}
