//! What CoreDNS's `kubernetes` tells of its clusters: how fast changes are answered, and what its client
//! met at the API server. All API servers of a process count together, by `host`.

use std::time::Duration;

use cluster_source::{Observer, ServiceKind};
use prometheus::{
    Error, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, exponential_buckets,
};

/// The method of every request, and its verb: client-go labels both alike.
const GET: &str = "GET";

/// What client-go puts in the place of a status when there was no response.
const NO_RESPONSE: &str = "<error>";

/// Metrics that outlive sources: a source that a reload leaves behind has counted all the same.
#[derive(Clone, Debug)]
pub(crate) struct KubernetesMetrics {
    programming: HistogramVec,
    request: HistogramVec,
    rate_limiter: HistogramVec,
    requests: IntCounterVec,
}

impl KubernetesMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, Error> {
        let histogram = |options: HistogramOpts, labels: &[&str]| {
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, Error>(histogram)
        };
        let programming = HistogramOpts::new(
            "coredns_kubernetes_dns_programming_duration_seconds",
            "Time from what triggered a change of endpoints until the change can be answered.",
        );
        // Buckets from 1 ms to 9 min, as CoreDNS has them.
        let programming = programming.buckets(exponential_buckets(0.001, 2.0, 20)?);
        let request = HistogramOpts::new(
            "coredns_kubernetes_rest_client_request_duration_seconds",
            "Time of requests to the API server, with their wait for the rate limiter.",
        );
        let rate_limiter = HistogramOpts::new(
            "coredns_kubernetes_rest_client_rate_limiter_duration_seconds",
            "Time that requests to the API server waited for limits of the client.",
        );
        let requests = IntCounterVec::new(
            Opts::new(
                "coredns_kubernetes_rest_client_requests_total",
                "Requests to the API server by the status of their response.",
            ),
            &["code", "method", "host"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            programming: histogram(programming, &["service_kind"])?,
            request: histogram(request, &["verb", "host"])?,
            rate_limiter: histogram(rate_limiter, &["verb", "host"])?,
            requests,
        })
    }
}

impl Observer for KubernetesMetrics {
    fn programmed(&self, service: ServiceKind, took: Duration) {
        let kind = match service {
            ServiceKind::ClusterIp => "cluster_ip",
            ServiceKind::HeadlessWithSelector => "headless_with_selector",
        };
        self.programming.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    fn admitted(&self, host: &str, wait: Duration) {
        self.rate_limiter.with_label_values(&[GET, host]).observe(wait.as_secs_f64());
    }

    fn answered(&self, host: &str, status: Option<u16>) {
        let code = status.map(|status| status.to_string());
        let code = code.as_deref().unwrap_or(NO_RESPONSE);
        self.requests.with_label_values(&[code, GET, host]).inc();
    }

    fn requested(&self, host: &str, took: Duration) {
        self.request.with_label_values(&[GET, host]).observe(took.as_secs_f64());
    }
}
