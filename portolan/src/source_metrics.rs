//! What is known of the clusters behind the server, as metrics.

use cluster_source::Source;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Gauges that are read from the sources when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct SourceMetrics {
    age: GaugeVec,
    synced: IntGaugeVec,
    live: IntGaugeVec,
    objects: IntGaugeVec,
    lists: IntCounterVec,
    watch_restarts: IntCounterVec,
    events: IntCounterVec,
    bad_objects: IntCounterVec,
    skipped_documents: IntGaugeVec,
    bad_documents: IntGaugeVec,
    broken_files: IntGaugeVec,
}

impl SourceMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The registry has metrics of these names already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by_kind = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["source", "kind"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["source", "kind"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let age = GaugeVec::new(
            Opts::new(
                "portolan_snapshot_age_seconds",
                "Time since the last sign of life of the origin of the view; 0 for readable manifests.",
            ),
            &["source"],
        )?;
        registry.register(Box::new(age.clone()))?;
        let by_source = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["source"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            age,
            skipped_documents: by_source(
                "portolan_source_skipped_documents",
                "Manifests of kinds that are not used.",
            )?,
            bad_documents: by_source(
                "portolan_source_bad_documents",
                "Documents and objects in manifests that cannot be used as they are now.",
            )?,
            broken_files: by_source(
                "portolan_source_broken_files",
                "Manifest files and directories that cannot be read or parsed now.",
            )?,
            synced: by_kind(
                "portolan_source_synced",
                "Whether the kind has been listed completely.",
            )?,
            live: by_kind("portolan_source_live", "Whether changes of the kind are followed.")?,
            objects: by_kind("portolan_cluster_objects", "Objects in the snapshot.")?,
            lists: counter("portolan_source_lists_total", "Complete lists.")?,
            watch_restarts: counter(
                "portolan_source_watch_restarts_total",
                "How often a watch was opened again.",
            )?,
            events: counter("portolan_source_events_total", "Changes applied.")?,
            bad_objects: counter(
                "portolan_source_bad_objects_total",
                "Objects that could not be used.",
            )?,
        })
    }

    /// Reads the sources.
    pub(crate) fn refresh<'a>(&self, sources: impl Iterator<Item = (String, &'a Source)>) {
        for (name, source) in sources {
            let (status, snapshot) = (source.status(), source.snapshot());
            self.age.with_label_values(&[&name]).set(status.age().as_secs_f64());
            set(&self.skipped_documents, &[&name], status.skipped_documents());
            set(&self.bad_documents, &[&name], status.bad_documents());
            set(&self.broken_files, &[&name], status.broken_files());
            for kind in status.kinds().iter() {
                let labels = [name.as_str(), kind.name()];
                let of = status.kind(kind);
                set(&self.synced, &labels, u64::from(of.is_synced()));
                set(&self.live, &labels, u64::from(of.is_live()));
                set(&self.objects, &labels, snapshot.count(kind) as u64);
                count(&self.lists, &labels, of.lists());
                count(&self.watch_restarts, &labels, of.watch_restarts());
                count(&self.events, &labels, of.events());
                count(&self.bad_objects, &labels, of.bad_objects());
            }
        }
    }
}

/// Brings a counter up to what the source has counted.
fn count(counter: &IntCounterVec, labels: &[&str], value: u64) {
    let counter = counter.with_label_values(labels);
    counter.inc_by(value.saturating_sub(counter.get()));
}

fn set(gauge: &IntGaugeVec, labels: &[&str], value: u64) {
    gauge.with_label_values(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}
