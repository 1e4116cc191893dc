//! The metric families of the server, named and bucketed as CoreDNS 1.14 does.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Error, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};

use crate::plugin::health::HealthMetrics;

/// The buckets of sizes, in octets.
const SIZES: [f64; 14] = [
    0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16e3, 32e3, 48e3, 64e3,
];

const ZONE: [&str; 3] = ["server", "zone", "view"];
const ZONE_AND_PROTOCOL: [&str; 4] = ["server", "zone", "view", "proto"];
const REQUEST: [&str; 6] = ["server", "zone", "view", "proto", "family", "type"];
const RESPONSE: [&str; 5] = ["server", "zone", "view", "rcode", "plugin"];

/// Every family of the server; clones share them.
///
/// | family | labels |
/// |---|---|
/// | `coredns_dns_requests_total` | server, zone, view, proto, family, type |
/// | `coredns_dns_request_duration_seconds` | server, zone, view |
/// | `coredns_dns_request_size_bytes`, `coredns_dns_response_size_bytes` | server, zone, view, proto |
/// | `coredns_dns_do_requests_total` | server, zone, view |
/// | `coredns_dns_responses_total` | server, zone, view, rcode, plugin |
/// | `coredns_panics_total` | – |
/// | `coredns_plugin_enabled` | server, zone, view, name |
/// | `coredns_build_info` | version, revision, goversion |
/// | `coredns_health_request_duration_seconds`, `coredns_health_request_failures_total` | – |
#[derive(Clone, Debug)]
pub struct DnsMetrics {
    pub(super) requests: IntCounterVec,
    pub(super) request_duration: HistogramVec,
    pub(super) request_size: HistogramVec,
    pub(super) dnssec_ok_requests: IntCounterVec,
    pub(super) response_size: HistogramVec,
    pub(super) responses: IntCounterVec,
    panics: IntCounter,
    plugin_enabled: IntGaugeVec,
    build_info: IntGaugeVec,
    health: HealthMetrics,
}

/// What `coredns_build_info` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuildInfo<'a> {
    /// The version of the server.
    pub version: &'a str,
    /// The commit that it is built from.
    pub revision: &'a str,
    /// The compiler, under the label `goversion`, which dashboards join on.
    pub compiler: &'a str,
}

impl DnsMetrics {
    /// Makes the families known to a registry.
    ///
    /// # Errors
    ///
    /// When the registry has one of them already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let new = Families(registry);
        Ok(Self {
            requests: new.counter("coredns_dns_requests_total", "Requests.", &REQUEST)?,
            request_duration: new.durations("coredns_dns_request_duration_seconds")?,
            request_size: new.sizes("coredns_dns_request_size_bytes", "Sizes of requests.")?,
            dnssec_ok_requests: new.counter(
                "coredns_dns_do_requests_total",
                "Requests with the DO bit (RFC 3225).",
                &ZONE,
            )?,
            response_size: new.sizes("coredns_dns_response_size_bytes", "Sizes of responses.")?,
            responses: new.counter("coredns_dns_responses_total", "Responses.", &RESPONSE)?,
            panics: new.register(IntCounter::new(
                "coredns_panics_total",
                "Queries that a panic ended.",
            )?)?,
            plugin_enabled: new.gauge(
                "coredns_plugin_enabled",
                "1 for each plugin of a zone.",
                &["server", "zone", "view", "name"],
            )?,
            build_info: new.gauge(
                "coredns_build_info",
                "1, with what is built in as labels.",
                &["version", "revision", "goversion"],
            )?,
            health: HealthMetrics::register(registry)?,
        })
    }

    /// Returns the counter of queries that a panic ended.
    pub fn panics(&self) -> &IntCounter {
        &self.panics
    }

    /// Tells what is built in.
    pub fn set_build_info(&self, info: BuildInfo<'_>) {
        let labels = [info.version, info.revision, info.compiler];
        self.build_info.with_label_values(&labels).set(1);
    }

    /// Tells that a zone has a plugin.
    pub fn set_plugin_enabled(&self, server: &str, zone: &str, view: &str, name: &str) {
        self.plugin_enabled.with_label_values(&[server, zone, view, name]).set(1);
    }

    /// Forgets which plugins are enabled, before a reload tells anew.
    pub fn reset_plugins(&self) {
        self.plugin_enabled.reset();
    }

    /// Returns what is counted of queries and of their replies: `coredns_dns_requests_total` and
    /// `coredns_dns_responses_total`.
    pub fn queries(&self) -> Vec<MetricFamily> {
        [self.requests.collect(), self.responses.collect()].concat()
    }

    /// Returns the families of the server's probes of its own health.
    pub fn health(&self) -> &HealthMetrics {
        &self.health
    }
}

/// Makes families that a registry knows.
struct Families<'a>(&'a Registry);

impl Families<'_> {
    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn sizes(&self, name: &str, help: &str) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(SIZES.to_vec());
        self.register(HistogramVec::new(options, &ZONE_AND_PROTOCOL)?)
    }

    /// Buckets from 0.25 ms to 8.192 s.
    fn durations(&self, name: &str) -> Result<HistogramVec, Error> {
        let help = "From the arrival of a request until its response is ready.";
        let options = HistogramOpts::new(name, help);
        let options = options.buckets(exponential_buckets(0.000_25, 2.0, 16)?);
        self.register(HistogramVec::new(options, &ZONE)?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn families_without_a_query() {
        let registry = Registry::new();
        let metrics = DnsMetrics::register(&registry).unwrap();
        metrics.panics().inc();
        metrics.set_build_info(BuildInfo { version: "1.2", revision: "abc", compiler: "rustc" });
        metrics.set_plugin_enabled("dns://:53", ".", "", "old");
        metrics.reset_plugins();
        metrics.set_plugin_enabled("dns://:53", ".", "", "cache");
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "# TYPE coredns_panics_total counter",
            "coredns_panics_total 1",
            "# TYPE coredns_build_info gauge",
            "coredns_build_info{goversion=\"rustc\",revision=\"abc\",version=\"1.2\"} 1",
            "# TYPE coredns_plugin_enabled gauge",
            "coredns_plugin_enabled{name=\"cache\",server=\"dns://:53\",view=\"\",zone=\".\"} 1",
            "# TYPE coredns_health_request_duration_seconds histogram",
            "coredns_health_request_duration_seconds_bucket{le=\"2.5\"} 0",
            "# TYPE coredns_health_request_failures_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("old"));
        assert!(DnsMetrics::register(&registry).is_err(), "a registry has each family once");
    }

    #[test]
    fn size_buckets_are_ascending() {
        assert!(SIZES.is_sorted());
    }
}
