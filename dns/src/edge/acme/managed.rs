//! The certificates of one set of options, and the task that renews them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::server::ResolvesServerCert;
use tokio::task::AbortHandle;

use super::Shared;
use super::certificates::Certificates;
use super::keeper::Keeper;
use super::metrics::AcmeMetrics;
use super::storage::Storage;
use crate::plugin::tls::acme::AcmeConfig;
use crate::plugin::tls::challenge::Challenges;

/// The certificates of one set of options. Dropping it ends what is under way.
#[derive(Debug)]
pub(crate) struct Managed {
    keeper: Keeper,
    shared: Weak<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

impl Managed {
    /// Reads what is stored; what cannot be used is logged and ordered again.
    pub(super) fn load(
        config: &AcmeConfig,
        challenges: &Challenges,
        metrics: &AcmeMetrics,
        shared: Weak<Shared>,
    ) -> Arc<Self> {
        let (storage, certificates) = (Storage::of(config), Arc::new(Certificates::new(config)));
        for domain in &config.domains {
            match storage.certificate(domain) {
                Ok(None) => {}
                Ok(Some(issued)) => certificates.publish(domain, &issued),
                Err(error) => {
                    tracing::warn!(%domain, %error, "the stored certificate is not used; another one is ordered");
                }
            }
        }
        let keeper = Keeper {
            certificates,
            storage,
            challenges: challenges.clone(),
            metrics: metrics.clone(),
        };
        Arc::new(Self { keeper, shared, task: Mutex::default() })
    }

    pub(super) fn config(&self) -> &AcmeConfig {
        self.keeper.certificates.config()
    }

    /// Returns what gives handshakes their certificate.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.keeper.certificates) as Arc<dyn ResolvesServerCert>
    }

    /// Orders what is missing and renews what ends, from here on; once. Within a tokio runtime.
    pub(crate) fn begin(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            *task = Some(tokio::spawn(self.keeper.clone().keep()).abort_handle());
        }
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.forget(self.config());
        }
    }
}
