//! What is measured of the certificates that are served, those of files and those by ACME.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// The families, by `certificate`: its file, or its name in `acme`. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct CertificateMetrics {
    expiry: IntGaugeVec,
    failures: IntCounterVec,
    /// How many listeners follow each file.
    followers: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// The metrics of a file, which are there until the last listener that follows it has gone.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    metrics: CertificateMetrics,
    certificate: String,
}

impl Default for CertificateMetrics {
    fn default() -> Self {
        let expiry = Opts::new(
            "portolan_certificate_expiry_timestamp_seconds",
            "When the certificate that is served ends, in seconds since 1970.",
        );
        let failures = Opts::new(
            "portolan_certificate_read_failures_total",
            "Changed files of a certificate that could not be used.",
        );
        let proof = "the names are valid";
        Self {
            expiry: IntGaugeVec::new(expiry, &["certificate"]).expect(proof),
            failures: IntCounterVec::new(failures, &["certificate"]).expect(proof),
            followers: Arc::default(),
        }
    }
}

impl CertificateMetrics {
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let families: [Box<dyn Collector>; 2] =
            [Box::new(self.expiry.clone()), Box::new(self.failures.clone())];
        families.into_iter().try_for_each(|family| registry.register(family))
    }

    /// Tells when the certificate that is served ends.
    pub(crate) fn serves_until(&self, certificate: &str, end: SystemTime) {
        let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.expiry.with_label_values(&[certificate]).set(seconds);
    }

    /// Removes what is told of a certificate.
    pub(crate) fn forget(&self, certificate: &str) {
        // Those that have no value have nothing to forget.
        let _ = self.expiry.remove_label_values(&[certificate]);
        let _ = self.failures.remove_label_values(&[certificate]);
    }

    /// Measures a file from here on.
    pub(crate) fn follow(&self, file: &Path) -> FollowedFile {
        let certificate = file.display().to_string();
        *self.followers().entry(certificate.clone()).or_default() += 1;
        self.failures.with_label_values(&[&certificate]);
        FollowedFile { metrics: self.clone(), certificate }
    }

    fn followers(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // No change can be left half done.
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FollowedFile {
    /// Tells when the certificate of the file ends.
    pub(crate) fn serves_until(&self, end: SystemTime) {
        self.metrics.serves_until(&self.certificate, end);
    }

    /// Counts a change that could not be used.
    pub(crate) fn failed(&self) {
        self.metrics.failures.with_label_values(&[&self.certificate]).inc();
    }
}

impl Drop for FollowedFile {
    fn drop(&mut self) {
        let mut followers = self.metrics.followers();
        let Some(count) = followers.get_mut(&self.certificate) else { return };
        *count -= 1;
        if *count == 0 {
            followers.remove(&self.certificate);
            self.metrics.forget(&self.certificate);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn a_file_is_measured_until_its_last_listener_goes() {
        let (metrics, registry) = (CertificateMetrics::default(), Registry::new());
        metrics.register(&registry).unwrap();
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let [first, second] = [(); 2].map(|()| metrics.follow(Path::new("/cert.pem")));
        first.serves_until(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        first.failed();
        drop(first);
        for line in [
            "portolan_certificate_expiry_timestamp_seconds{certificate=\"/cert.pem\"} 7",
            "portolan_certificate_read_failures_total{certificate=\"/cert.pem\"} 1",
        ] {
            assert!(text().lines().any(|found| found == line), "no {line} in\n{}", text());
        }
        drop(second);
        assert_eq!(text(), "");
    }
}
