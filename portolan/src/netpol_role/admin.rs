//! The admin endpoints of the role.

use std::sync::Arc;

use anyhow::Result;
use cluster_source::Source;
use cluster_writer::EventRecorder;
use dns::edge::http::{
    Handler, HttpRequest, Routes, Turns, health, metrics, only_own_hosts, ready,
};
use netpol::Options;
use prometheus::Registry;
use tokio::sync::watch;

use super::drops::Drops;
use super::metrics::Metrics;
use super::recent::Recent;
use super::status::{self, SOURCE};
use crate::admin::objects;
use crate::source_metrics::SourceMetrics;
use crate::status::Process;

/// What the endpoints tell of.
#[derive(Clone)]
pub(super) struct Told {
    /// All metrics.
    pub registry: Registry,
    /// Those of the role.
    pub metrics: Arc<Metrics>,
    /// Those of denied packets.
    pub drops: Arc<Drops>,
    /// What writes Events; none writes none.
    pub events: Option<EventRecorder>,
    /// The cluster.
    pub source: Source,
    /// The denied packets that had a line last.
    pub recent: Arc<Recent>,
    /// How policies are enforced.
    pub options: Options,
    /// What the process says of itself.
    pub process: Process,
    /// What keeps the role from being ready; none when the kernel has had what the cluster says.
    pub unready: watch::Receiver<Option<String>>,
}

/// Returns the handler of all endpoints.
///
/// # Errors
/// The registry has the metrics of the source already.
pub(super) fn handler(told: &Told, name: Option<String>) -> Result<Handler> {
    let of_source = SourceMetrics::register(&told.registry)?;
    let source = told.source.clone();
    let routes = Routes::new()
        .route("/healthz", health())
        .route("/readyz", readiness(told))
        .route("/metrics", fresh_metrics(told, of_source))
        .route("/debug/cluster", Turns::default().handler(move |_| objects(&source)));
    let told = told.clone();
    let view = move |request: &HttpRequest| {
        told.refresh();
        status::view(&told, request)
    };
    let routes = crate::status::add(routes, view);
    Ok(only_own_hosts(name, routes.into_handler()))
}

fn readiness(told: &Told) -> Handler {
    let (source, unready) = (told.source.clone(), told.unready.clone());
    ready(move || {
        let missing = source.status().missing();
        if missing.is_empty() { unready.borrow().clone().into_iter().collect() } else { missing }
    })
}

fn fresh_metrics(told: &Told, of_source: SourceMetrics) -> Handler {
    let (told, handler) = (told.clone(), metrics(told.registry.clone()));
    Arc::new(move |request| {
        // Listing chains and rules takes the kernel milliseconds.
        tokio::task::block_in_place(|| told.refresh());
        of_source.refresh([(SOURCE.to_owned(), &told.source)].into_iter());
        handler(request)
    })
}

impl Told {
    /// Brings the metrics of the role up to date that nothing counts along the way.
    fn refresh(&self) {
        self.metrics.refresh(self.source.status());
        if let Some(events) = &self.events {
            self.metrics.set_events(events.counts());
        }
        self.drops.refresh();
    }
}
