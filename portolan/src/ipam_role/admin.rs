//! The admin endpoints of the role.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_writer::EventRecorder;
use dns::edge::http::{Handler, HttpRequest, Routes, health, metrics, only_own_hosts, ready};
use prometheus::Registry;
use tokio::sync::watch;

use super::metrics::Metrics;
use super::status;
use crate::status::Process;
use crate::status::metrics::Families;

/// Returns the handler of all endpoints. The role is ready when what it follows is listed, or another leads.
pub(super) fn handler(
    registry: Registry,
    own: Arc<Metrics>,
    events: EventRecorder,
    unready: watch::Receiver<BTreeMap<&'static str, String>>,
    name: Option<String>,
) -> Handler {
    let process = Process::start("ipam-controller");
    let of_registry = metrics(registry.clone());
    let (counted, recorded, told) = (Arc::clone(&own), events.clone(), unready.clone());
    let view = move |_: &HttpRequest| {
        counted.refresh(&recorded);
        let families = Families::new(registry.gather());
        process.view(status::problems(&told.borrow(), &families), status::sections(&families))
    };
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
    let routes = crate::status::add(routes, view);
    only_own_hosts(name, routes.into_handler())
}
