//! The metrics of `template`, with CoreDNS's names and labels.

use prometheus::{Error, IntCounterVec};

use super::go::Data;
use crate::plugin::plugin_metrics::Families;

/// The families of all templates.
#[derive(Clone, Debug)]
pub(crate) struct TemplateMetrics {
    /// Queries that a template answered.
    pub(super) matches: IntCounterVec,
    /// Templates that could not be evaluated.
    pub(super) template_failures: IntCounterVec,
    /// Texts that templates made and that are no records.
    pub(super) record_failures: IntCounterVec,
}

impl TemplateMetrics {
    pub(crate) fn register(families: Families<'_>) -> Result<Self, Error> {
        let matched = ["server", "zone", "view", "class", "type"];
        let failed = ["server", "zone", "view", "class", "type", "section", "template"];
        Ok(Self {
            matches: families.counter(
                "coredns_template_matches_total",
                "Queries that a template answered.",
                &matched,
            )?,
            template_failures: families.counter(
                "coredns_template_template_failures_total",
                "Templates that could not be evaluated.",
                &failed,
            )?,
            record_failures: families.counter(
                "coredns_template_rr_failures_total",
                "Texts of templates that are no resource records.",
                &failed,
            )?,
        })
    }
}

/// Where a template stands, and what it counts with.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) metrics: TemplateMetrics,
    pub(super) server: String,
    pub(super) view: String,
}

impl Counters {
    pub(super) fn count_match(&self, data: &Data<'_>) {
        let [class, record_type] = labels(data);
        let labels = [&self.server, &data.zone, &self.view, class, record_type];
        self.metrics.matches.with_label_values(&labels).inc();
    }

    pub(super) fn count_failure(
        &self,
        family: &IntCounterVec,
        data: &Data<'_>,
        section: &str,
        source: &str,
    ) {
        let [class, record_type] = labels(data);
        let labels = [&self.server, &data.zone, &self.view, class, record_type, section, source];
        family.with_label_values(&labels).inc();
    }
}

/// Returns class and type as labels: those without a mnemonic share one, so that clients cannot invent any.
fn labels<'d>(data: &'d Data<'_>) -> [&'d str; 2] {
    let known = |text: &'d str, prefix| if text.starts_with(prefix) { "other" } else { text };
    [known(&data.class, "CLASS"), known(&data.record_type, "TYPE")]
}
