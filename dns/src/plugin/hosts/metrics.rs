//! The metrics of `hosts`.

use prometheus::{Error, Gauge, IntGaugeVec};

use crate::plugin::plugin_metrics::Families;

/// The metrics of `hosts`.
#[derive(Clone, Debug)]
pub struct HostsMetrics {
    /// Entries in the file and in the Corefile, by file.
    pub(super) entries: IntGaugeVec,
    /// When the file that was last read was written, in Unix time.
    pub(super) reload_timestamp: Gauge,
}

impl HostsMetrics {
    pub(in crate::plugin) fn register(families: Families<'_>) -> Result<Self, Error> {
        let timestamp = Gauge::new(
            "coredns_hosts_reload_timestamp_seconds",
            "The timestamp of the last reload of hosts file.",
        )?;
        Ok(Self {
            entries: families.gauge(
                "coredns_hosts_entries",
                "The combined number of entries in hosts and Corefile.",
                &["hostsfile"],
            )?,
            reload_timestamp: families.register(timestamp)?,
        })
    }
}
