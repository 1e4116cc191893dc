//! What the HTTP endpoints show.

use std::sync::{Arc, Mutex};

use dns::edge::http::{Handler, HttpReply, Routes, Turns, health, metrics, ready};
use dns::plugin::ready::{Monitor, Readiness};
use hyper::StatusCode;
use tokio::sync::watch;

use super::super::{Built, admin, status};
use crate::status::{Form, page, style};

/// What a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Page {
    Health,
    Ready(Continuously),
    Metrics,
    Admin,
}

/// Whether `/ready` goes on to look at plugins that have been ready.
pub(super) type Continuously = bool;

/// What the pages are about; none while it is being built.
pub(super) type Current = watch::Receiver<Option<Arc<Built>>>;

/// What is not ready while the sources are being opened and manifests are read for the first time.
const LOADING: [&str; 2] = ["kubernetes", "loading"];

impl Page {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready(_) => "/ready",
            Self::Metrics => "/metrics",
            Self::Admin => "admin",
        }
    }

    pub(super) fn route(
        self,
        routes: Routes,
        current: &Current,
        going_away: &watch::Receiver<bool>,
    ) -> Routes {
        match self {
            Self::Health => routes.route("/health", health()),
            Self::Ready(monitor) => routes.route("/ready", readiness(monitor, current, going_away)),
            Self::Metrics => routes.route("/metrics", of_built(current, fresh_metrics)),
            Self::Admin => {
                let (objects, status) = (Turns::default(), Turns::default());
                let status = |form| status_pages(current, &status, form);
                routes
                    .route("/healthz", health())
                    .route("/readyz", readiness(true, current, going_away))
                    .route("/metrics", of_built(current, fresh_metrics))
                    .route(
                        "/debug/cluster",
                        of_built(current, move |built| admin::cluster(built, &objects)),
                    )
                    .route("/debug/explain", of_built(current, admin::explain))
                    .route("/", status(Form::Html))
                    .route("/status", status(Form::Html))
                    .route("/status.json", status(Form::Json))
                    .route("/status.css", style())
            }
        }
    }
}

/// Returns a page about what is built; 503 before.
fn of_built(
    current: &Current,
    page: impl Fn(&Arc<Built>) -> Handler + Send + Sync + 'static,
) -> Handler {
    let current = current.clone();
    Arc::new(move |request| {
        let built = current.borrow().clone();
        match built {
            Some(built) => page(&built)(request),
            None => {
                let reply = HttpReply::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
                Box::pin(std::future::ready(reply))
            }
        }
    })
}

/// Says whether the server is ready; from the stop signal on it is not, so that nobody new is sent here.
fn readiness(
    monitor: Continuously,
    current: &Current,
    going_away: &watch::Receiver<bool>,
) -> Handler {
    let monitor = if monitor { Monitor::Continuously } else { Monitor::UntilReady };
    let state = Mutex::new(Readiness::new(monitor));
    let (current, going_away) = (current.clone(), going_away.clone());
    ready(move || {
        if *going_away.borrow() {
            return vec!["shutting down".to_owned()];
        }
        let built = current.borrow().clone();
        let Some(built) = built else { return LOADING.map(str::to_owned).to_vec() };
        let unready = built.unready();
        // A poisoned lock means that a report panicked: believe the sources themselves.
        let Ok(mut state) = state.lock() else { return unready };
        // The plugin's name is what is remembered: the reasons behind it change all the time.
        let still_waiting = state.report(unready.first().cloned());
        if still_waiting.is_empty() { still_waiting } else { unready }
    })
}

fn status_pages(current: &Current, turns: &Turns, form: Form) -> Handler {
    let turns = turns.clone();
    of_built(current, move |built| {
        let built = Arc::clone(built);
        page(&turns, form, move |_| status::view(&built))
    })
}

fn fresh_metrics(built: &Arc<Built>) -> Handler {
    let (built, render) = (Arc::clone(built), metrics(built.registry.clone()));
    Arc::new(move |request| {
        built.refresh_metrics();
        render(request)
    })
}
