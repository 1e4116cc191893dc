//! How long the server takes to answer itself.

use std::time::Duration;

use prometheus::{Error, Histogram, HistogramOpts, IntCounter, Registry, exponential_buckets};

/// The families of the server's probes of its own `/health`: as they cost next to nothing, a slow one says that
/// the process does not keep up.
#[derive(Clone, Debug)]
pub struct HealthMetrics {
    duration: Histogram,
    failures: IntCounter,
}

impl HealthMetrics {
    /// Makes the families known to a registry.
    pub(crate) fn register(registry: &Registry) -> Result<Self, Error> {
        let options = HistogramOpts::new(
            "coredns_health_request_duration_seconds",
            "How long the server took to answer its own health probe.",
        );
        // 0.25 ms to 2.5 s.
        let options = options.buckets(exponential_buckets(0.000_25, 10.0, 5)?);
        let metrics = Self {
            duration: Histogram::with_opts(options)?,
            failures: IntCounter::new(
                "coredns_health_request_failures_total",
                "Health probes of the server itself that failed.",
            )?,
        };
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        Ok(metrics)
    }

    /// Records a probe.
    pub fn observe(&self, elapsed: Duration, is_healthy: bool) {
        self.duration.observe(elapsed.as_secs_f64());
        if !is_healthy {
            self.failures.inc();
        }
    }
}
