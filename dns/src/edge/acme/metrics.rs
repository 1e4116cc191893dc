//! What is counted of certificates by ACME.

use std::time::SystemTime;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::edge::certificate_metrics::CertificateMetrics;
use crate::plugin::tls::domain::AcmeDomain;
use crate::plugin::tls::renewal::Failure;

const REASONS: [Failure; 2] = [Failure::Unreachable, Failure::Refused];

/// The families; the domains are those of the Corefile.
#[derive(Clone, Debug)]
pub(super) struct AcmeMetrics {
    pub(super) certificates: CertificateMetrics,
    obtained: IntCounterVec,
    failures: IntCounterVec,
}

impl Default for AcmeMetrics {
    fn default() -> Self {
        let obtained =
            Opts::new("portolan_acme_certificates_total", "Certificates that an authority gave.");
        let failures = Opts::new("portolan_acme_failures_total", "Orders without a certificate.");
        let proof = "the names are valid";
        Self {
            certificates: CertificateMetrics::default(),
            obtained: IntCounterVec::new(obtained, &["domain"]).expect(proof),
            failures: IntCounterVec::new(failures, &["domain", "reason"]).expect(proof),
        }
    }
}

impl AcmeMetrics {
    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        self.certificates.register(registry)?;
        let families: [Box<dyn Collector>; 2] =
            [Box::new(self.obtained.clone()), Box::new(self.failures.clone())];
        families.into_iter().try_for_each(|family| registry.register(family))
    }

    /// Makes the counters of a name visible before anything happens.
    pub(super) fn begin(&self, domain: &AcmeDomain) {
        self.obtained.with_label_values(&[domain.as_str()]);
        for reason in REASONS {
            self.failures.with_label_values(&[domain.as_str(), label(reason)]);
        }
    }

    pub(super) fn serves_until(&self, domain: &AcmeDomain, end: SystemTime) {
        self.certificates.serves_until(domain.as_str(), end);
    }

    pub(super) fn obtained(&self, domain: &AcmeDomain) {
        self.obtained.with_label_values(&[domain.as_str()]).inc();
    }

    pub(super) fn failed(&self, domain: &AcmeDomain, reason: Failure) {
        self.failures.with_label_values(&[domain.as_str(), label(reason)]).inc();
    }

    pub(super) fn forget(&self, domain: &AcmeDomain) {
        self.certificates.forget(domain.as_str());
        // Those that have no value have nothing to forget.
        let _ = self.obtained.remove_label_values(&[domain.as_str()]);
        for reason in REASONS {
            let _ = self.failures.remove_label_values(&[domain.as_str(), label(reason)]);
        }
    }
}

fn label(reason: Failure) -> &'static str {
    match reason {
        Failure::Unreachable => "unreachable",
        Failure::Refused => "refused",
    }
}
