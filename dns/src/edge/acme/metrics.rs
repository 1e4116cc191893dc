//! What is counted of certificates by ACME.

use std::time::SystemTime;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::plugin::tls::domain::AcmeDomain;
use crate::plugin::tls::renewal::Failure;

const REASONS: [Failure; 2] = [Failure::Unreachable, Failure::Refused];

/// The families; the domains are those of the Corefile.
#[derive(Clone, Debug)]
pub(super) struct AcmeMetrics {
    expiry: IntGaugeVec,
    obtained: IntCounterVec,
    failures: IntCounterVec,
}

impl Default for AcmeMetrics {
    fn default() -> Self {
        let expiry = Opts::new(
            "portolan_acme_certificate_expiry_timestamp_seconds",
            "When the certificate that is served ends, in seconds since 1970.",
        );
        let obtained =
            Opts::new("portolan_acme_certificates_total", "Certificates that an authority gave.");
        let failures = Opts::new("portolan_acme_failures_total", "Orders without a certificate.");
        let proof = "the names are valid";
        Self {
            expiry: IntGaugeVec::new(expiry, &["domain"]).expect(proof),
            obtained: IntCounterVec::new(obtained, &["domain"]).expect(proof),
            failures: IntCounterVec::new(failures, &["domain", "reason"]).expect(proof),
        }
    }
}

impl AcmeMetrics {
    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let families: [Box<dyn Collector>; 3] = [
            Box::new(self.expiry.clone()),
            Box::new(self.obtained.clone()),
            Box::new(self.failures.clone()),
        ];
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
        let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.expiry.with_label_values(&[domain.as_str()]).set(seconds);
    }

    pub(super) fn obtained(&self, domain: &AcmeDomain) {
        self.obtained.with_label_values(&[domain.as_str()]).inc();
    }

    pub(super) fn failed(&self, domain: &AcmeDomain, reason: Failure) {
        self.failures.with_label_values(&[domain.as_str(), label(reason)]).inc();
    }

    pub(super) fn forget(&self, domain: &AcmeDomain) {
        // Those that have no value have nothing to forget.
        let _ = self.expiry.remove_label_values(&[domain.as_str()]);
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
