//! The admin endpoints of the role.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_writer::EventRecorder;
use dns::edge::http::{Handler, Routes, health, metrics, only_own_hosts, ready};
use prometheus::Registry;
use tokio::sync::watch;

use super::metrics::Metrics;

/// Returns the handler of all endpoints. The role is ready when what it follows is listed, or another leads.
pub(super) fn handler(
    registry: Registry,
    own: Arc<Metrics>,
    events: EventRecorder,
    unready: watch::Receiver<BTreeMap<&'static str, String>>,
    name: Option<String>,
) -> Handler {
    let of_registry = metrics(registry);
    let fresh: Handler = Arc::new(move |request| {
        own.refresh(&events);
        of_registry(request)
    });
    let readiness = ready(move || {
        let unready = unready.borrow();
        unready.iter().map(|(resource, reason)| format!("{resource}: {reason}")).collect()
    });
    let routes = Routes::new()
        .route("/healthz", health())
        .route("/readyz", readiness)
        .route("/metrics", fresh);
    only_own_hosts(name, routes.into_handler())
}
