//! The metrics of the plugins that have some of their own.

use super::hosts::HostsMetrics;
use super::local::LocalMetrics;
use prometheus::core::Collector;
use prometheus::{Error, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The families of every plugin; clones share them. A reload goes on with the same.
#[derive(Clone, Debug)]
pub struct PluginMetrics {
    /// `hosts`.
    pub hosts: HostsMetrics,
    /// `local`.
    pub local: LocalMetrics,
}

/// Makes families that a registry knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Families<'a>(pub(crate) &'a Registry);

impl PluginMetrics {
    /// Makes the families known to a registry.
    ///
    /// # Errors
    /// The registry has one of them already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let families = Families(registry);
        Ok(Self {
            hosts: HostsMetrics::register(families)?,
            local: LocalMetrics::register(families)?,
        })
    }
}

#[allow(dead_code, reason = "the plugins that use it are being added")]
impl Families<'_> {
    pub(crate) fn counter(
        self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(crate) fn gauge(
        self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub(crate) fn register<C: Collector + Clone + 'static>(self, collector: C) -> Result<C, Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}
