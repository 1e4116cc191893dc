//! What the role measures.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use cluster_source::Status;
use cluster_writer::EventCounts;
use netpol::Family;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, exponential_buckets,
};

/// Metrics of the role.
#[derive(Debug)]
pub(super) struct Metrics {
    /// From the snapshot with a change to the kernel's word that it holds.
    pub latency: Histogram,
    /// Transactions that the kernel took.
    pub transactions: IntCounter,
    /// Transactions that the kernel refused.
    pub failures: IntCounter,
    /// Elements of sets and maps.
    pub elements: IntGauge,
    /// Chains of the table.
    pub chains: IntGauge,
    /// Connections that were cut.
    pub revoked: IntCounter,
    /// Repairs after somebody else changed the table.
    pub repairs: IntCounter,
    /// Denied packets without a log line.
    skipped: IntCounterVec,
    /// Events about policies.
    events: IntCounterVec,
    /// Pods whose packets pass the rules by.
    bypassing: IntGaugeVec,
    unsynced: Gauge,
    behind_since: Mutex<Option<Instant>>,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, Error>(gauge)
        };
        let latency = Histogram::with_opts(
            HistogramOpts::new(
                "portolan_netpol_enforcement_seconds",
                "Time from a change of the cluster that is seen until the kernel enforces it.",
            )
            .buckets(exponential_buckets(0.0005, 2.0, 15)?),
        )?;
        registry.register(Box::new(latency.clone()))?;
        let unsynced = Gauge::with_opts(Opts::new(
            "portolan_netpol_unsynced_seconds",
            "How long the kernel has not had what the cluster says, or the cluster has not been followed; 0 when all is well.",
        ))?;
        registry.register(Box::new(unsynced.clone()))?;
        let skipped = IntCounterVec::new(
            Opts::new(
                "portolan_netpol_denied_log_skipped_total",
                "Denied packets that rules logged and that have no line.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(skipped.clone()))?;
        for reason in ["repeated", "too_many", "lost"] {
            skipped.with_label_values(&[reason]).inc_by(0);
        }
        let events = IntCounterVec::new(
            Opts::new("portolan_netpol_events_total", "Events about policies that cannot be used."),
            &["outcome"],
        )?;
        registry.register(Box::new(events.clone()))?;
        let bypassing = IntGaugeVec::new(
            Opts::new(
                "portolan_netpol_bypassing_pods",
                "Pods of the node behind bridges whose packets pass the rules by.",
            ),
            &["family"],
        )?;
        registry.register(Box::new(bypassing.clone()))?;
        Ok(Self {
            latency,
            events,
            bypassing,
            skipped,
            transactions: counter(
                "portolan_netpol_transactions_total",
                "Transactions that the kernel took.",
            )?,
            failures: counter(
                "portolan_netpol_transaction_failures_total",
                "Transactions that the kernel refused.",
            )?,
            elements: gauge(
                "portolan_netpol_elements",
                "Elements of sets and maps in the kernel.",
            )?,
            chains: gauge("portolan_netpol_chains", "Chains in the kernel.")?,
            revoked: counter(
                "portolan_netpol_revoked_flows_total",
                "Live connections that were cut because they are no longer allowed.",
            )?,
            repairs: counter(
                "portolan_netpol_drift_repairs_total",
                "Repairs after another program changed the table.",
            )?,
            unsynced,
            behind_since: Mutex::new(Some(Instant::now())),
        })
    }

    /// Notes how many Events there have been.
    pub(super) fn set_events(&self, counts: EventCounts) {
        let EventCounts { written, failed, dropped } = counts;
        for (outcome, count) in [("written", written), ("failed", failed), ("dropped", dropped)] {
            let counter = self.events.with_label_values(&[outcome]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Notes how many pods of the node are behind bridges whose packets pass the rules by.
    pub(super) fn set_bypassing(&self, family: Family, pods: usize) {
        let family = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        self.bypassing.with_label_values(&[family]).set(to_gauge(pods));
    }

    /// Notes that denied packets have no log line, for a reason.
    pub(super) fn skipped(&self, reason: &str, packets: u64) {
        self.skipped.with_label_values(&[reason]).inc_by(packets);
    }

    /// Notes that the kernel does not have what the cluster says, from now on if it did.
    pub(super) fn is_behind(&self) {
        if let Ok(mut since) = self.behind_since.lock() {
            since.get_or_insert_with(Instant::now);
        }
    }

    /// Notes that the kernel has what the cluster says.
    pub(super) fn is_up_to_date(&self) {
        if let Ok(mut since) = self.behind_since.lock() {
            *since = None;
        }
    }

    /// Brings the gauges up to date that tell time. What a cluster says that is not followed, nobody knows.
    pub(super) fn refresh(&self, status: &Status) {
        let since = self.behind_since.lock().ok().and_then(|since| *since);
        let kernel = since.map_or(Duration::ZERO, |since| since.elapsed());
        let lost = status.kinds().iter().filter(|kind| !status.kind(*kind).is_live());
        let cluster = lost.map(|kind| status.age_of(kind)).max().unwrap_or_default();
        self.unsynced.set(kernel.max(cluster).as_secs_f64());
    }
}

/// Returns a number as gauges have it.
pub(super) fn to_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
