//! The metrics of `template`, with CoreDNS's names and labels.

use prometheus::{Error, IntCounterVec};

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
