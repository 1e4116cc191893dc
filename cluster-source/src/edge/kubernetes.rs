//! Follows a Kubernetes API server: one task a kind.

mod client;
pub(crate) mod direct;
mod exchange;
pub(crate) mod fetch;
mod follow;
mod gate;
mod measure;
mod model;
pub(crate) mod written;

use std::sync::Arc;

use tokio::sync::mpsc;

use self::client::Api;
use super::publisher::Batch;
use crate::{Access, Interest, Observer, RequestLimits, SourceError, Status, Timing};

/// Prepares the access to an API server without contacting it.
pub(super) async fn connect(
    access: Access,
    timing: &Timing,
    limits: RequestLimits,
    observer: Arc<dyn Observer>,
) -> Result<Arc<Api>, SourceError> {
    Api::new(access, timing.connect, limits, observer).await.map(Arc::new)
}

/// Returns the tasks that follow each kind of interest until the receiver of the batches is gone.
pub(super) fn tasks(
    api: &Arc<Api>,
    interest: &Arc<Interest>,
    timing: &Timing,
    status: &Arc<Status>,
    queue: &mpsc::Sender<Batch>,
) -> Vec<impl Future<Output = ()> + Send + 'static> {
    let follow = |kind| {
        let (api, interest, status) = (Arc::clone(api), Arc::clone(interest), Arc::clone(status));
        model::follow(kind, api, interest, timing.clone(), status, queue.clone())
    };
    interest.kinds.iter().map(follow).collect()
}
