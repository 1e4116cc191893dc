//! Looks at the files of a certificate again and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Fingerprint, Tls, fingerprints, read};
use crate::edge::certificate_metrics::FollowedFile;
use crate::plugin::tls::CertificateSource;
use crate::plugin::tls::renewal::{Untimely, Validity};

/// What is known of the files.
#[derive(Debug)]
pub(super) struct Following {
    certificate: PathBuf,
    last: Vec<Fingerprint>,
    metrics: FollowedFile,
    validity: Option<Validity>,
    /// What has been said of the certificate of the moment.
    said: Option<Untimely>,
}

impl Following {
    /// Goes on from what was read at the start.
    pub(super) fn begin(tls: &Tls) -> Self {
        let certificate = match &tls.config.source {
            CertificateSource::Files { certificate, .. } => certificate.clone(),
            CertificateSource::Acme(_) => PathBuf::new(),
        };
        let metrics = tls.metrics.follow(&certificate);
        let mut following =
            Self { certificate, last: tls.loaded.clone(), metrics, validity: None, said: None };
        following.measure(tls);
        following
    }

    /// Reads the files if they have changed, and says when clients refuse the certificate: at once, and each day.
    pub(super) fn look(&mut self, tls: &Tls, now: SystemTime) {
        let files = fingerprints(&tls.config);
        if files != self.last {
            self.last = files;
            self.read_again(tls);
        }
        let untimely = self.validity.and_then(|validity| validity.untimely(now));
        if let Some(why) = untimely.filter(|_| untimely != self.said) {
            tracing::warn!(path = %self.certificate.display(), %why, "clients refuse the certificate");
        }
        self.said = untimely;
    }

    fn read_again(&mut self, tls: &Tls) {
        match read(&tls.config, tls.transport, &tls.shown) {
            Ok(current) => {
                tls.current.store(Arc::new(current));
                tracing::info!(path = %self.certificate.display(), "certificate read again");
                self.said = None;
                self.measure(tls);
            }
            Err(error) => {
                self.metrics.failed();
                tracing::warn!(%error, "certificate not read again; the last good one stays");
            }
        }
    }

    fn measure(&mut self, tls: &Tls) {
        self.validity = tls.validity();
        if let Some(validity) = self.validity {
            self.metrics.serves_until(validity.not_after);
        }
    }
}
