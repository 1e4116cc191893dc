//! A source: its handle, and how it is started.

use std::sync::Arc;

use cluster::{Cluster, Stamps};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::publisher::{MOST_BATCHES, Published, Publisher};
use super::{kubernetes, manifests};
use crate::status::Follows;
use crate::{Observer, Origin, SourceConfig, SourceError, Status};

/// Keeps a snapshot of a cluster current. Clones share it; its tasks end when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Source {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    published: Arc<Published>,
    status: Arc<Status>,
    /// Dropping the set aborts the tasks.
    _tasks: JoinSet<()>,
}

impl Source {
    /// Starts a source on the current tokio runtime.
    ///
    /// Manifests are loaded when this returns. An API server is asked in the background: that it cannot be
    /// reached shows in [`Source::status`] and is tried again for as long as the source lives.
    ///
    /// # Errors
    /// The configuration cannot work as it is: the manifests' path cannot be read, or the access to the API
    /// server is incomplete. The error names the file and the remedy.
    pub async fn start(config: SourceConfig) -> Result<Self, SourceError> {
        Self::start_observed(config, Arc::new(())).await
    }

    /// Starts a source as [`Self::start`] does, and tells an observer what is measured.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_observed(
        config: SourceConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SourceError> {
        let SourceConfig { origin, interest, timing, limits } = config;
        let published = Arc::new(Published::new());
        let follows = match origin {
            Origin::Manifests(_) => Follows::Files,
            Origin::Kubernetes(_) => Follows::Server,
        };
        let status = Arc::new(Status::new(interest.kinds, follows));
        let mut publisher = Publisher::new(
            Arc::clone(&published),
            Arc::clone(&status),
            Arc::clone(&observer),
            timing.clone(),
        );
        let (queue, batches) = mpsc::channel(MOST_BATCHES);
        let mut tasks = JoinSet::new();
        match origin {
            Origin::Manifests(path) => {
                let (watching, first) =
                    manifests::start(path, interest, timing, Arc::clone(&status)).await?;
                publisher.start_with(first);
                tasks.spawn(watching.run(queue));
            }
            Origin::Kubernetes(access) => {
                let api = kubernetes::connect(access, &timing, limits, observer).await?;
                for task in kubernetes::tasks(&api, &Arc::new(interest), &timing, &status, &queue) {
                    tasks.spawn(task);
                }
            }
        }
        tasks.spawn(publisher.run(batches));
        Ok(Self { shared: Arc::new(Shared { published, status, _tasks: tasks }) })
    }

    /// Returns the current snapshot, without a lock.
    pub fn snapshot(&self) -> Arc<Cluster> {
        self.shared.published.snapshot()
    }

    /// Returns the stamps that are counted up when a snapshot with changes is there.
    pub fn stamps(&self) -> &Arc<Stamps> {
        self.shared.published.stamps()
    }

    /// Returns a receiver of the revision of the latest snapshot.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.published.changes()
    }

    /// Returns how far the snapshot can be trusted.
    pub fn status(&self) -> &Status {
        &self.shared.status
    }
}
