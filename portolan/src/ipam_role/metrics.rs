//! What the role measures.

use cluster_writer::{EventRecorder, Resource, WriteObserver};
use ipam_controller::blocks::PoolUsage;
use ipam_controller::services::RangeUsage;
use prometheus::{
    Error, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, exponential_buckets,
};

use super::{nodes, services};

/// Metrics of the role.
#[derive(Debug)]
pub(super) struct Metrics {
    /// Whether this process leads.
    pub(super) leader: IntGauge,
    /// From the sight of a node without blocks until it has them.
    pub(super) time_to_assign: Histogram,
    /// Problems that were found, by the reason of their Event.
    pub(super) problems: IntCounterVec,
    /// Nodes that no block can be given to.
    pub(super) nodes_without_blocks: IntGauge,
    /// Nodes that lack further blocks.
    pub(super) nodes_short_of_blocks: IntGauge,
    /// Further blocks that were given.
    pub(super) further_blocks: IntCounter,
    /// Nodes that are gone and still hold blocks.
    pub(super) quarantined: IntGauge,
    /// Services that nothing can be given to.
    pub(super) services_without_addresses: IntGauge,
    range_used: GaugeVec,
    range_capacity: GaugeVec,
    node_ports_used: IntGauge,
    node_ports: IntGauge,
    used: GaugeVec,
    capacity: GaugeVec,
    writes: IntCounterVec,
    bad: IntGaugeVec,
    events: IntGaugeVec,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, Error>(gauge)
        };
        let gauges = |name: &str, help: &str, label: &str| {
            let gauges = GaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, Error>(gauges)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, Error>(counters)
        };
        let counts = |name: &str, help: &str, label: &str| {
            let counts = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counts.clone()))?;
            Ok::<_, Error>(counts)
        };
        let time_to_assign = Histogram::with_opts(
            HistogramOpts::new(
                "portolan_ipam_assignment_seconds",
                "Time from the sight of a node without blocks until it has them.",
            )
            .buckets(exponential_buckets(0.005, 2.0, 16)?),
        )?;
        registry.register(Box::new(time_to_assign.clone()))?;
        let further_blocks = IntCounter::with_opts(Opts::new(
            "portolan_ipam_further_blocks_total",
            "Further blocks that nodes were given.",
        ))?;
        registry.register(Box::new(further_blocks.clone()))?;
        let problems = counters(
            "portolan_ipam_problems_total",
            "Problems that were found, by the reason of their Event.",
            &["reason"],
        )?;
        for reason in nodes::reasons().chain(services::reasons()) {
            problems.with_label_values(&[reason]);
        }
        Ok(Self {
            leader: gauge("portolan_ipam_leader", "1 while this process leads.")?,
            time_to_assign,
            problems,
            nodes_without_blocks: gauge(
                "portolan_ipam_nodes_without_blocks",
                "Nodes without a block that none can be given to.",
            )?,
            nodes_short_of_blocks: gauge(
                "portolan_ipam_nodes_short_of_blocks",
                "Nodes that are to have further blocks, or ask for them, and do not have them.",
            )?,
            further_blocks,
            quarantined: gauge(
                "portolan_ipam_quarantined_nodes",
                "Nodes that are gone and whose blocks go to nobody yet.",
            )?,
            services_without_addresses: gauge(
                "portolan_ipam_services_without_addresses",
                "Services that nothing can be given to.",
            )?,
            range_used: gauges(
                "portolan_ipam_service_addresses_used",
                "Addresses of a network for Services that are taken.",
                "network",
            )?,
            range_capacity: gauges(
                "portolan_ipam_service_addresses_capacity",
                "Addresses that a network for Services has.",
                "network",
            )?,
            node_ports_used: gauge("portolan_ipam_node_ports_used", "Node ports that are taken.")?,
            node_ports: gauge("portolan_ipam_node_ports_capacity", "Node ports that there are.")?,
            used: gauges(
                "portolan_ipam_pool_used_blocks",
                "Blocks of a pool that are held.",
                "pool",
            )?,
            capacity: gauges(
                "portolan_ipam_pool_capacity_blocks",
                "Blocks that a pool has room for.",
                "pool",
            )?,
            writes: counters(
                "portolan_ipam_writes_total",
                "Writes to the API server, by what came of them.",
                &["resource", "verb", "result"],
            )?,
            bad: counts("portolan_ipam_bad_objects", "Objects that cannot be used.", "resource")?,
            events: counts("portolan_ipam_events", "Events of this process.", "result")?,
        })
    }

    /// Notes how full the pools are.
    pub(super) fn set_usage(&self, usage: &[PoolUsage]) {
        // Pools that are gone have no usage.
        self.used.reset();
        self.capacity.reset();
        for pool in usage {
            self.used.with_label_values(&[&*pool.pool]).set(to_float(pool.used));
            self.capacity.with_label_values(&[&*pool.pool]).set(to_float(pool.capacity));
        }
    }

    /// Notes how full the networks of Services are, and how many node ports are taken and are there.
    pub(super) fn set_ranges(&self, usage: &[RangeUsage], (ports_used, ports): (u64, u64)) {
        self.range_used.reset();
        self.range_capacity.reset();
        for range in usage {
            let network = range.network.to_string();
            self.range_used.with_label_values(&[&network]).set(to_float(range.used.into()));
            self.range_capacity.with_label_values(&[&network]).set(to_float(range.capacity.into()));
        }
        for (gauge, count) in [(&self.node_ports_used, ports_used), (&self.node_ports, ports)] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Notes how many objects of a kind cannot be used.
    pub(super) fn bad(&self, resource: &str, count: usize) {
        self.bad.with_label_values(&[resource]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Brings the metrics up to date that are counted elsewhere.
    pub(super) fn refresh(&self, events: &EventRecorder) {
        let counts = events.counts();
        for (result, count) in
            [("written", counts.written), ("failed", counts.failed), ("dropped", counts.dropped)]
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.events.with_label_values(&[result]).set(count);
        }
    }
}

impl WriteObserver for Metrics {
    fn written(&self, resource: Resource, verb: &'static str, result: &'static str) {
        self.writes.with_label_values(&[resource.plural, verb, result]).inc();
    }
}

/// Metrics are numbers of this kind; large ones lose what nobody reads.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
fn to_float(count: u128) -> f64 {
    count as f64
}
