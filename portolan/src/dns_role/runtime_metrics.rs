//! What the async runtime is doing: `prometheus { runtime_metrics }`.

use prometheus::core::{Collector, Desc, Describer};
use prometheus::proto::MetricFamily;
use prometheus::{Error, IntGauge, Opts};
use tokio::runtime::{Handle, RuntimeMetrics};

type Read = fn(&RuntimeMetrics) -> usize;

const GAUGES: [(&str, &str, Read); 3] = [
    ("portolan_runtime_workers", "Worker threads of the runtime.", RuntimeMetrics::num_workers),
    ("portolan_runtime_tasks", "Tasks that have not ended.", RuntimeMetrics::num_alive_tasks),
    (
        "portolan_runtime_queued_tasks",
        "Tasks that wait for a worker, in the queue of all.",
        RuntimeMetrics::global_queue_depth,
    ),
];

/// Reads the runtime at each scrape.
#[derive(Debug)]
pub(crate) struct RuntimeCollector {
    descriptions: Vec<Desc>,
    runtime: Handle,
}

impl RuntimeCollector {
    /// Returns the collector of the current runtime, to be registered.
    ///
    /// # Errors
    /// None that can happen: the names of the metrics are valid.
    pub(crate) fn new() -> Result<Self, Error> {
        let describe = |(name, help, _)| Opts::new(name, help).describe();
        let descriptions = GAUGES.into_iter().map(describe).collect::<Result<_, _>>()?;
        Ok(Self { descriptions, runtime: Handle::current() })
    }
}

impl Collector for RuntimeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = self.runtime.metrics();
        let gauges = GAUGES.into_iter().filter_map(|(name, help, read)| {
            let gauge = IntGauge::new(name, help).ok()?;
            gauge.set(i64::try_from(read(&metrics)).unwrap_or(i64::MAX));
            Some(gauge.collect())
        });
        gauges.flatten().collect()
    }
}
