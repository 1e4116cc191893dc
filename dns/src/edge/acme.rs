//! Certificates that the server gets and renews itself, by ACME with the challenge DNS-01 (RFC 8555).
//!
//! ```text
//! Acme ── one of the process: challenges, metrics, what is managed
//!   └─ Managed ── one of each set of options; ends with the last listener that uses it
//!        ├─ Certificates ── what handshakes read
//!        ├─ Storage ─────── accounts, certificates and keys on disk
//!        └─ a task ──────── waits, orders, stores, publishes, one name after the other
//! ```

mod account;
mod certificates;
mod http;
mod keeper;
mod managed;
mod metrics;
mod order;
mod storage;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus::Registry;

pub(crate) use self::certificates::validity;
pub(crate) use self::managed::Managed;
use self::metrics::AcmeMetrics;
use crate::edge::certificate_metrics::CertificateMetrics;
use crate::plugin::tls::acme::AcmeConfig;
use crate::plugin::tls::challenge::Challenges;

/// What a process does by ACME; clones share it. A reload goes on with the same.
#[derive(Clone, Debug, Default)]
pub struct Acme(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    challenges: Challenges,
    metrics: AcmeMetrics,
    /// What listeners use; those that nobody uses any more are forgotten with the next.
    managed: Mutex<Vec<Weak<Managed>>>,
}

impl Acme {
    /// Makes the metrics known to a registry.
    ///
    /// # Errors
    /// The registry has one of them already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        self.0.metrics.register(registry)
    }

    /// Returns the records that authorities ask for.
    pub fn challenges(&self) -> &Challenges {
        &self.0.challenges
    }

    /// Returns what is measured of certificates, those of files too.
    pub(crate) fn certificate_metrics(&self) -> &CertificateMetrics {
        &self.0.metrics.certificates
    }

    /// Returns the certificates of these options: those that are managed already, or else what is stored. What is
    /// missing is ordered after [`Managed::begin`].
    pub(crate) fn manage(&self, config: &AcmeConfig) -> Arc<Managed> {
        let mut known = self.0.managed();
        known.retain(|managed| managed.strong_count() > 0);
        let same =
            known.iter().filter_map(Weak::upgrade).find(|managed| managed.config().is_same(config));
        if let Some(managed) = same {
            return managed;
        }
        let managed =
            Managed::load(config, self.challenges(), &self.0.metrics, Arc::downgrade(&self.0));
        known.push(Arc::downgrade(&managed));
        managed
    }
}

impl Shared {
    fn managed(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Managed>>> {
        // No change can be left half done.
        self.managed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the metrics of names that nobody manages any more.
    fn forget(&self, config: &AcmeConfig) {
        let living: Vec<Arc<Managed>> = self.managed().iter().filter_map(Weak::upgrade).collect();
        for domain in &config.domains {
            if !living.iter().any(|managed| managed.config().domains.contains(domain)) {
                self.metrics.forget(domain);
            }
        }
    }
}
