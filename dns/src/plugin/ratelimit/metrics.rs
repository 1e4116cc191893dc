//! The metrics of `ratelimit`.

use hickory_proto::rr::LowerName;
use prometheus::{Error, IntCounter, IntCounterVec};

use crate::plugin::Site;
use crate::plugin::plugin_metrics::Families;

/// What `ratelimit` counts.
#[derive(Clone, Debug)]
pub struct RatelimitMetrics {
    limited: IntCounterVec,
    evicted: IntCounterVec,
}

/// The counters of one server block, at hand: a flood counts with every query.
#[derive(Debug)]
pub(super) struct Counters {
    /// By zone, the longest first.
    limited: Vec<(LowerName, [IntCounter; 3])>,
    pub(super) evicted: IntCounter,
}

/// What a query above the limit got; the number is the place among the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Limited {
    Refused = 0,
    Truncated = 1,
    Dropped = 2,
}

/// The labels of [`Limited`].
const ACTIONS: [&str; 3] = ["refuse", "truncate", "drop"];

impl RatelimitMetrics {
    /// Makes the families known to a registry.
    pub(crate) fn register(families: Families<'_>) -> Result<Self, Error> {
        Ok(Self {
            limited: families.counter(
                "portolan_ratelimit_limited_total",
                "Queries above the rate of their client, by what they got.",
                &["server", "zone", "view", "action"],
            )?,
            evicted: families.counter(
                "portolan_ratelimit_evicted_total",
                "Clients forgotten for others before they had all queries of their burst back.",
                &["server", "view"],
            )?,
        })
    }

    #[cfg(test)]
    pub(super) fn count_of(&self, labels: &[&str]) -> u64 {
        self.limited.with_label_values(labels).get()
    }

    pub(super) fn of(&self, site: &Site<'_>) -> Counters {
        let of_zone = |zone: &LowerName| {
            let name = zone.to_string();
            let of_action =
                |action| self.limited.with_label_values(&[site.server, &name, site.view, action]);
            (zone.clone(), ACTIONS.map(of_action))
        };
        let mut limited: Vec<_> = site.zones.iter().map(of_zone).collect();
        limited.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.num_labels()));
        Counters { limited, evicted: self.evicted.with_label_values(&[site.server, site.view]) }
    }
}

impl Counters {
    pub(super) fn count(&self, name: &LowerName, limited: Limited) {
        let found = self.limited.iter().find(|(zone, _)| zone.zone_of(name));
        if let Some((_, counters)) = found {
            counters[limited as usize].inc();
        }
    }
}
