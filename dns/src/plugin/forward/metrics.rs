//! What forwarding counts.
//!
//! `to` is an upstream as TO names it, with its port, `rcode` a mnemonic or `other`, so that label values are bounded by the
//! configuration.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};

use super::bailiwick::Dropped;
use crate::plugin::arguments::rcode_name;

/// The value of `proxy_name`, by which CoreDNS tells `forward` and `grpc` apart.
const PROXY_NAME: &str = "forward";

/// The metrics of every `forward` of the process; a clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct ForwardMetrics {
    proxy: ProxyMetrics,
    old: OldMetrics,
    /// Queries for which every upstream was unhealthy and one was asked nevertheless.
    pub(super) healthcheck_broken: IntCounter,
    /// Queries refused because of `max_concurrent`.
    pub(super) max_concurrent_rejects: IntCounter,
    /// Queries under way, those that wait for another's answer included.
    pub(super) in_flight: IntGauge,
    refused: IntCounterVec,
    lookups: IntCounterVec,
    looping: IntGaugeVec,
    dropped: IntCounterVec,
}

/// What CoreDNS counts for each upstream.
#[derive(Clone, Debug)]
struct ProxyMetrics {
    request_duration: HistogramVec,
    probe_failures: IntCounterVec,
    connection_hits: IntCounterVec,
    connection_misses: IntCounterVec,
}

/// What CoreDNS counted until 1.11 and many dashboards still show.
#[derive(Clone, Debug)]
struct OldMetrics {
    requests: IntCounterVec,
    responses: IntCounterVec,
    request_duration: HistogramVec,
    probe_failures: IntCounterVec,
}

/// The counters of one upstream's connections and probes.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamMetrics {
    /// Queries that found an unused connection.
    pub(crate) connection_hits: IntCounter,
    /// Queries for which a connection was made.
    pub(crate) connection_misses: IntCounter,
    probe_failures: [IntCounter; 2],
}

/// The counters of one upstream that is a host name.
#[derive(Clone, Debug)]
pub(crate) struct NameMetrics {
    /// Lookups that brought an address.
    pub(crate) successful: IntCounter,
    /// Lookups that brought none.
    pub(crate) failed: IntCounter,
}

impl ForwardMetrics {
    /// Makes the metrics and adds them to a registry; once in a process, because names are unique there.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let healthcheck_broken = IntCounter::new(
            "coredns_forward_healthcheck_broken_total",
            "Queries for which every upstream was unhealthy.",
        )?;
        let max_concurrent_rejects = IntCounter::new(
            "coredns_forward_max_concurrent_rejects_total",
            "Queries refused because max_concurrent was reached.",
        )?;
        let in_flight = IntGauge::new("portolan_forward_in_flight", "Queries being forwarded.")?;
        registry.register(Box::new(healthcheck_broken.clone()))?;
        registry.register(Box::new(max_concurrent_rejects.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        let refused =
            Opts::new("portolan_forward_refused_total", "Queries not forwarded, by reason.");
        let refused = counters(registry, refused, &["reason"])?;
        let lookups = Opts::new(
            "portolan_forward_name_lookups_total",
            "Lookups of upstreams that are host names.",
        );
        let lookups = counters(registry, lookups, &["to", "result"])?;
        let looping = Opts::new(
            "portolan_forward_looping",
            "In how many forwards the upstream leads back to this server and is not asked.",
        );
        let looping = IntGaugeVec::new(looping, &["to"])?;
        registry.register(Box::new(looping.clone()))?;
        let dropped = Opts::new(
            "portolan_forward_dropped_records_total",
            "Records of upstream replies that the question does not lead to, by section.",
        );
        let dropped = counters(registry, dropped, &["section"])?;
        Ok(Self {
            proxy: ProxyMetrics::register(registry)?,
            old: OldMetrics::register(registry)?,
            healthcheck_broken,
            max_concurrent_rejects,
            in_flight,
            refused,
            lookups,
            looping,
            dropped,
        })
    }

    /// Returns the counters of one upstream, whose connections are `tcp`, `tcp-tls` or `https`.
    pub(super) fn of_upstream(&self, to: &str, proto: &str) -> UpstreamMetrics {
        let labels = [PROXY_NAME, to, proto];
        UpstreamMetrics {
            connection_hits: self.proxy.connection_hits.with_label_values(&labels),
            connection_misses: self.proxy.connection_misses.with_label_values(&labels),
            probe_failures: [
                self.proxy.probe_failures.with_label_values(&[PROXY_NAME, to]),
                self.old.probe_failures.with_label_values(&[to]),
            ],
        }
    }

    /// Returns the counters of one upstream that is a host name.
    pub(super) fn of_name(&self, to: &str) -> NameMetrics {
        NameMetrics {
            successful: self.lookups.with_label_values(&[to, "success"]),
            failed: self.lookups.with_label_values(&[to, "failure"]),
        }
    }

    /// Returns the gauge of an upstream that is probed for loops.
    pub(super) fn looping(&self, to: &str) -> IntGauge {
        self.looping.with_label_values(&[to])
    }

    /// Counts a query sent to an upstream.
    pub(super) fn asked(&self, to: &str) {
        self.old.requests.with_label_values(&[to]).inc();
    }

    /// Counts a reply of an upstream.
    pub(super) fn answered(&self, to: &str, rcode: ResponseCode, elapsed: Duration) {
        let (rcode, seconds) = (rcode_name(rcode), elapsed.as_secs_f64());
        self.proxy.request_duration.with_label_values(&[PROXY_NAME, to, rcode]).observe(seconds);
        self.old.request_duration.with_label_values(&[to, rcode]).observe(seconds);
        self.old.responses.with_label_values(&[to, rcode]).inc();
    }

    /// Counts records that were not passed on.
    pub(super) fn dropped(&self, dropped: Dropped) {
        for (section, records) in dropped.sections() {
            self.dropped.with_label_values(&[section]).inc_by(records as u64);
        }
    }

    /// Counts a query that was not forwarded: `looping`, `max_concurrent`, `sockets`, `transfer`, `trials`,
    /// `unhealthy` or `unresolved`.
    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}

impl ProxyMetrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let request_duration = HistogramOpts::new(
            "coredns_proxy_request_duration_seconds",
            "Time that each upstream took to answer.",
        );
        let probe_failures =
            Opts::new("coredns_proxy_healthcheck_failures_total", "Failed health checks.");
        let connection_hits = Opts::new(
            "coredns_proxy_conn_cache_hits_total",
            "Queries that used a kept connection.",
        );
        let connection_misses = Opts::new(
            "coredns_proxy_conn_cache_misses_total",
            "Queries that needed a new connection.",
        );
        let connection = ["proxy_name", "to", "proto"];
        Ok(Self {
            request_duration: durations(
                registry,
                request_duration,
                &["proxy_name", "to", "rcode"],
            )?,
            probe_failures: counters(registry, probe_failures, &["proxy_name", "to"])?,
            connection_hits: counters(registry, connection_hits, &connection)?,
            connection_misses: counters(registry, connection_misses, &connection)?,
        })
    }
}

impl OldMetrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests =
            Opts::new("coredns_forward_requests_total", "Queries sent to each upstream.");
        let responses = Opts::new("coredns_forward_responses_total", "Replies of each upstream.");
        let request_duration = HistogramOpts::new(
            "coredns_forward_request_duration_seconds",
            "Time that each upstream took to answer, as coredns_proxy_request_duration_seconds.",
        );
        let probe_failures = Opts::new(
            "coredns_forward_healthcheck_failures_total",
            "Failed health checks, as coredns_proxy_healthcheck_failures_total.",
        );
        Ok(Self {
            requests: counters(registry, requests, &["to"])?,
            responses: counters(registry, responses, &["to", "rcode"])?,
            request_duration: durations(registry, request_duration, &["to", "rcode"])?,
            probe_failures: counters(registry, probe_failures, &["to"])?,
        })
    }
}

impl UpstreamMetrics {
    /// Counts a failed probe.
    pub(crate) fn probe_failed(&self) {
        self.probe_failures.iter().for_each(IntCounter::inc);
    }
}

fn counters(
    registry: &Registry,
    options: Opts,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(options, labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn durations(
    registry: &Registry,
    options: HistogramOpts,
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    // 0.25 ms to 8.192 s, the buckets of CoreDNS.
    let options = options.buckets(exponential_buckets(0.000_25, 2.0, 16)?);
    let durations = HistogramVec::new(options, labels)?;
    registry.register(Box::new(durations.clone()))?;
    Ok(durations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_coredns() {
        let registry = Registry::new();
        let metrics = ForwardMetrics::register(&registry).unwrap();
        assert!(ForwardMetrics::register(&registry).is_err(), "names are unique");
        metrics.of_upstream("10.0.0.1:53", "tcp").probe_failed();
        metrics.asked("10.0.0.1:53");
        metrics.answered("10.0.0.1:53", ResponseCode::NXDomain, Duration::from_millis(3));
        metrics.refused("sockets");
        metrics.dropped(Dropped { answers: 1, ..Dropped::default() });
        metrics.of_name("dns.example:53").failed.inc();
        metrics.looping("10.0.0.1:53").inc();
        let families = registry.gather();
        let names: Vec<_> = families.iter().map(|family| family.name()).collect();
        assert_eq!(
            names,
            [
                "coredns_forward_healthcheck_broken_total",
                "coredns_forward_healthcheck_failures_total",
                "coredns_forward_max_concurrent_rejects_total",
                "coredns_forward_request_duration_seconds",
                "coredns_forward_requests_total",
                "coredns_forward_responses_total",
                "coredns_proxy_conn_cache_hits_total",
                "coredns_proxy_conn_cache_misses_total",
                "coredns_proxy_healthcheck_failures_total",
                "coredns_proxy_request_duration_seconds",
                "portolan_forward_dropped_records_total",
                "portolan_forward_in_flight",
                "portolan_forward_looping",
                "portolan_forward_name_lookups_total",
                "portolan_forward_refused_total",
            ]
        );
    }
}
