//! Counts the queries that no server block serves, under the listener where they came.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dns::Query;
use dns::config::ListenerConfig;
use dns::engine::ListenerId;
use dns::plugin::Sent;
use dns::plugin::prometheus::{DnsMetrics, DroppedQueries};

/// The recorder of each listener of the Corefile that is served; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unserved(Arc<ArcSwap<Recorders>>);

/// The recorders of the listeners of one Corefile.
pub(crate) type Recorders = BTreeMap<ListenerId, DroppedQueries>;

/// Returns the recorders of a Corefile; `ids` are the numbers of its listeners.
pub(crate) fn recorders(
    metrics: &DnsMetrics,
    listeners: &[ListenerConfig],
    ids: &[ListenerId],
) -> Recorders {
    let recorder = |listener: &ListenerConfig| DroppedQueries::new(metrics, &listener.label());
    ids.iter().copied().zip(listeners.iter().map(recorder)).collect()
}

impl Unserved {
    /// Counts for these listeners from here on. A listener that is not among them has been closed before.
    pub(crate) fn replace(&self, recorders: Recorders) {
        self.0.store(Arc::new(recorders));
    }

    /// Counts a query and the response that the server itself gave.
    pub(crate) fn record(&self, listener: ListenerId, query: &Query, sent: &Sent<'_>) {
        if let Some(recorder) = self.0.load().get(&listener) {
            recorder.record(query, sent);
        }
    }
}
