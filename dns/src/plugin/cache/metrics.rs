//! What caches count, under CoreDNS's names.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::Store;
use super::worth::Kind;
use crate::plugin::Site;
use crate::plugin::plugin_metrics::Families;
use crate::{Again, Count};
use hickory_proto::rr::LowerName;

const OF_CACHE: [&str; 3] = ["server", "zones", "view"];
const OF_TYPE: [&str; 4] = ["server", "type", "zones", "view"];

/// The families of all caches.
#[derive(Clone, Debug)]
pub(crate) struct CacheFamilies {
    entries: IntGaugeVec,
    octets: IntGaugeVec,
    hits: IntCounterVec,
    evictions: IntCounterVec,
    requests: IntCounterVec,
    misses: IntCounterVec,
    prefetches: IntCounterVec,
    drops: IntCounterVec,
    served_stale: IntCounterVec,
}

/// The series of one cache.
#[derive(Debug)]
pub(super) struct CacheMetrics {
    pub(super) requests: IntCounter,
    pub(super) misses: IntCounter,
    pub(super) prefetches: IntCounter,
    pub(super) drops: IntCounter,
    pub(super) served_stale: IntCounter,
    /// Counts a miss of an answer that is not kept here.
    pub(super) repeated_miss: Arc<dyn Count>,
    success: OfType,
    denial: OfType,
}

#[derive(Debug)]
struct RepeatedMiss {
    requests: IntCounter,
    misses: IntCounter,
}

impl Count for RepeatedMiss {
    fn count(&self, again: Again<'_>) {
        self.requests.inc_by(again.number());
        self.misses.inc_by(again.number());
    }
}

#[derive(Debug)]
struct RepeatedHit {
    requests: IntCounter,
    hits: IntCounter,
}

impl Count for RepeatedHit {
    fn count(&self, again: Again<'_>) {
        self.requests.inc_by(again.number());
        self.hits.inc_by(again.number());
    }
}

#[derive(Debug)]
struct OfType {
    entries: IntGauge,
    octets: IntGauge,
    hits: IntCounter,
    evictions: IntCounter,
    repeated: Arc<dyn Count>,
}

impl CacheFamilies {
    pub(crate) fn register(new: Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            entries: new.gauge("coredns_cache_entries", "Answers that are kept.", &OF_TYPE)?,
            octets: new.gauge(
                "portolan_cache_bytes",
                "Roughly the memory of the answers that are kept.",
                &OF_TYPE,
            )?,
            hits: new.counter(
                "coredns_cache_hits_total",
                "Questions with a kept answer.",
                &OF_TYPE,
            )?,
            evictions: new.counter(
                "coredns_cache_evictions_total",
                "Answers put out for others.",
                &OF_TYPE,
            )?,
            requests: new.counter("coredns_cache_requests_total", "Questions.", &OF_CACHE)?,
            misses: new.counter(
                "coredns_cache_misses_total",
                "Questions without a kept answer.",
                &OF_CACHE,
            )?,
            prefetches: new.counter(
                "coredns_cache_prefetch_total",
                "Answers fetched again before or after they expired.",
                &OF_CACHE,
            )?,
            drops: new.counter(
                "coredns_cache_drops_total",
                "Answers not kept because they are about another name.",
                &OF_CACHE,
            )?,
            served_stale: new.counter(
                "coredns_cache_served_stale_total",
                "Expired answers given.",
                &OF_CACHE,
            )?,
        })
    }
}

impl CacheMetrics {
    pub(super) fn new(families: &CacheFamilies, site: &Site<'_>, zones: &[LowerName]) -> Self {
        let zones: Vec<String> = zones.iter().map(ToString::to_string).collect();
        let zones = zones.join(",");
        let of_cache = [site.server, &zones, site.view];
        let requests = families.requests.with_label_values(&of_cache);
        let misses = families.misses.with_label_values(&of_cache);
        let of_type =
            |kind| OfType::new(families, &requests, [site.server, kind, &zones, site.view]);
        let (success, denial) = (of_type("success"), of_type("denial"));
        let repeated_miss = RepeatedMiss { requests: requests.clone(), misses: misses.clone() };
        Self {
            requests,
            misses,
            repeated_miss: Arc::new(repeated_miss),
            prefetches: families.prefetches.with_label_values(&of_cache),
            drops: families.drops.with_label_values(&of_cache),
            served_stale: families.served_stale.with_label_values(&of_cache),
            success,
            denial,
        }
    }

    pub(super) fn hit(&self, kind: Kind) {
        self.of(kind).hits.inc();
    }

    /// Returns what counts an answer of this kind that is given again.
    pub(super) fn repeated_hit(&self, kind: Kind) -> Arc<dyn Count> {
        Arc::clone(&self.of(kind).repeated)
    }

    pub(super) fn stored(&self, kind: Kind, evicted: u64, store: &Store) {
        self.of(kind).evictions.inc_by(evicted);
        for (series, table) in [(&self.success, &store.success), (&self.denial, &store.denial)] {
            series.entries.set(i64::try_from(table.len()).unwrap_or(i64::MAX));
            series.octets.set(i64::try_from(table.octets()).unwrap_or(i64::MAX));
        }
    }

    fn of(&self, kind: Kind) -> &OfType {
        match kind {
            Kind::Success => &self.success,
            Kind::Denial | Kind::Failure => &self.denial,
        }
    }
}

impl OfType {
    fn new(families: &CacheFamilies, requests: &IntCounter, labels: [&str; 4]) -> Self {
        let hits = families.hits.with_label_values(&labels);
        let repeated = RepeatedHit { requests: requests.clone(), hits: hits.clone() };
        Self {
            entries: families.entries.with_label_values(&labels),
            octets: families.octets.with_label_values(&labels),
            hits,
            repeated: Arc::new(repeated),
            evictions: families.evictions.with_label_values(&labels),
        }
    }
}
