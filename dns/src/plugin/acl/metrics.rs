//! The metrics of `acl`.

use prometheus::{Error, IntCounterVec};

use crate::plugin::plugin_metrics::Families;

/// How many queries each action met.
#[derive(Clone, Debug)]
pub struct AclMetrics {
    pub(super) allowed: IntCounterVec,
    pub(super) blocked: IntCounterVec,
    pub(super) filtered: IntCounterVec,
    pub(super) dropped: IntCounterVec,
}

impl AclMetrics {
    /// Makes the families known to a registry.
    pub(crate) fn register(families: Families<'_>) -> Result<Self, Error> {
        let of_zone = ["server", "zone", "view"];
        Ok(Self {
            allowed: families.counter(
                "coredns_acl_allowed_requests_total",
                "Counter of DNS requests being allowed.",
                &["server", "view"],
            )?,
            blocked: families.counter(
                "coredns_acl_blocked_requests_total",
                "Counter of DNS requests being blocked.",
                &of_zone,
            )?,
            filtered: families.counter(
                "coredns_acl_filtered_requests_total",
                "Counter of DNS requests being filtered.",
                &of_zone,
            )?,
            dropped: families.counter(
                "coredns_acl_dropped_requests_total",
                "Counter of DNS requests being dropped.",
                &of_zone,
            )?,
        })
    }
}
