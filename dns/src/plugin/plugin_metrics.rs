//! The metrics of the plugins that have some of their own.

use super::acl::AclMetrics;
use super::hosts::HostsMetrics;
use super::local::LocalMetrics;
use super::ratelimit::RatelimitMetrics;
use prometheus::core::Collector;
use prometheus::{Error, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::cache::CacheFamilies;
use super::template::TemplateMetrics;

/// The families of every plugin; clones share them. A reload goes on with the same.
#[derive(Clone, Debug)]
pub struct PluginMetrics {
    pub(crate) cache: CacheFamilies,
    /// `acl`.
    pub acl: AclMetrics,
    /// `coredns_autopath_success_total`, by server.
    pub(crate) autopath_success: IntCounterVec,
    /// `coredns_dns64_requests_translated_total`, by server.
    pub(crate) dns64_translated: IntCounterVec,
    /// `portolan_dnstap_dropped_total`, by server and endpoint.
    pub(crate) dnstap_dropped: IntCounterVec,
    /// `portolan_errors_dropped_total`.
    pub errors_dropped: IntCounter,
    pub(crate) template: TemplateMetrics,
    /// `hosts`.
    pub hosts: HostsMetrics,
    /// `local`.
    pub local: LocalMetrics,
    /// `ratelimit`.
    pub ratelimit: RatelimitMetrics,
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
            acl: AclMetrics::register(families)?,
            cache: CacheFamilies::register(families)?,
            template: TemplateMetrics::register(families)?,
            autopath_success: families.counter(
                "coredns_autopath_success_total",
                "Counter of requests that autopath found a name for.",
                &["server"],
            )?,
            dns64_translated: families.counter(
                "coredns_dns64_requests_translated_total",
                "Counter of DNS requests translated by dns64.",
                &["server"],
            )?,
            dnstap_dropped: families.counter(
                "portolan_dnstap_dropped_total",
                "Counter of dnstap messages that a receiver did not get.",
                &["server", "endpoint"],
            )?,
            errors_dropped: families.register(IntCounter::new(
                "portolan_errors_dropped_total",
                "Lines of the errors plugin that were too many in one second.",
            )?)?,
            hosts: HostsMetrics::register(families)?,
            local: LocalMetrics::register(families)?,
            ratelimit: RatelimitMetrics::register(families)?,
        })
    }
}

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
