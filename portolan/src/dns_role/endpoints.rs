//! The HTTP endpoints: `health`, `ready` and `prometheus` of the Corefile, and the admin ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use dns::config::{Config, PluginConfig};
use dns::edge::health_probe::probe_health;
use dns::edge::http::{Handler, HttpListener, Routes, health, metrics, ready};
use dns::plugin::ListenAddress;
use dns::plugin::ready::{Monitor, Readiness};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Built, admin};
use crate::cli::DEFAULT_ADMIN;

/// What a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Page {
    Health,
    Ready(Continuously),
    Metrics,
    Admin,
}

type Continuously = bool;

/// Bound addresses and what each will serve.
#[derive(Debug)]
pub(crate) struct Endpoints {
    listeners: Vec<(HttpListener, Vec<Page>)>,
}

/// The endpoints at work.
#[derive(Debug)]
pub(crate) struct Serving {
    unready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Binds every address once, however many server blocks name it.
///
/// # Errors
/// An address cannot be had.
pub(crate) async fn bind(config: &Config, admin: Option<&str>) -> Result<Endpoints> {
    let mut listeners = Vec::new();
    for (text, (address, pages)) in wanted(config) {
        let listener = HttpListener::bind(&address).await;
        listeners.push((listener.with_context(|| format!("the endpoint at {text}"))?, pages));
    }
    if let Some(listener) = bind_admin(admin).await? {
        listeners.push((listener, vec![Page::Admin]));
    }
    Ok(Endpoints { listeners })
}

fn wanted(config: &Config) -> BTreeMap<String, (ListenAddress, Vec<Page>)> {
    let mut wanted = BTreeMap::<String, (ListenAddress, Vec<Page>)>::new();
    let mut want = |address: &ListenAddress, page| {
        let entry = wanted.entry(address.to_string());
        let (_, pages) = entry.or_insert_with(|| (address.clone(), Vec::new()));
        if !pages.contains(&page) {
            pages.push(page);
        }
    };
    for block in &config.blocks {
        if let Some(health) = &block.health {
            want(&health.address, Page::Health);
        }
        if let Some(ready) = &block.ready {
            want(&ready.address, Page::Ready(ready.monitor == Monitor::Continuously));
        }
        for plugin in &block.plugins {
            if let PluginConfig::Prometheus(prometheus) = plugin {
                want(&prometheus.address, Page::Metrics);
            }
        }
    }
    wanted
}

/// Binds the admin address. CoreDNS has none, so that a taken default must not keep a drop-in from
/// starting.
async fn bind_admin(admin: Option<&str>) -> Result<Option<HttpListener>> {
    let text = match admin {
        Some("off") => return Ok(None),
        other => other.unwrap_or(DEFAULT_ADMIN),
    };
    let Ok(address) = text.parse::<ListenAddress>() else {
        bail!("--admin {text}: write an address such as {DEFAULT_ADMIN}, or off");
    };
    match HttpListener::bind(&address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if admin.is_none() => {
            tracing::warn!(
                "{error}; going on without the admin endpoints, --admin chooses another address"
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl Endpoints {
    /// Starts serving.
    pub(crate) fn serve(self, built: &Arc<Built>) -> Serving {
        let (unready, going_away) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (listener, pages) in self.listeners {
            let address = listener.local_address();
            let mut routes = Routes::new();
            for page in pages {
                routes = page.route(routes, built, &going_away);
                tracing::info!(%address, page = page.name(), "HTTP endpoint");
                if page == Page::Health {
                    let metrics = built.dns_metrics.health().clone();
                    tasks.spawn(probe_health(address, metrics, stopped.clone()));
                }
            }
            tasks.spawn(listener.serve(routes.into_handler(), stopped.clone()));
        }
        Serving { unready, stop, tasks }
    }
}

impl Page {
    const fn name(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready(_) => "/ready",
            Self::Metrics => "/metrics",
            Self::Admin => "admin",
        }
    }

    fn route(
        self,
        routes: Routes,
        built: &Arc<Built>,
        going_away: &watch::Receiver<bool>,
    ) -> Routes {
        match self {
            Self::Health => routes.route("/health", health()),
            Self::Ready(monitor) => routes.route("/ready", readiness(monitor, built, going_away)),
            Self::Metrics => routes.route("/metrics", fresh_metrics(built)),
            Self::Admin => routes
                .route("/healthz", health())
                .route("/readyz", readiness(true, built, going_away))
                .route("/metrics", fresh_metrics(built))
                .route("/debug/cluster", admin::cluster(built))
                .route("/debug/explain", admin::explain(built)),
        }
    }
}

/// Says whether the server is ready; from the stop signal on it is not, so that nobody new is sent here.
fn readiness(
    monitor: Continuously,
    built: &Arc<Built>,
    going_away: &watch::Receiver<bool>,
) -> Handler {
    let monitor = if monitor { Monitor::Continuously } else { Monitor::UntilReady };
    let state = Mutex::new(Readiness::new(monitor));
    let (built, going_away) = (Arc::clone(built), going_away.clone());
    ready(move || {
        if *going_away.borrow() {
            return vec!["shutting down".to_owned()];
        }
        let unready = built.unready();
        // A poisoned lock means that a report panicked: believe the sources themselves.
        let Ok(mut state) = state.lock() else { return unready };
        // The plugin's name is what is remembered: the reasons behind it change all the time.
        let still_waiting = state.report(unready.first().cloned());
        if still_waiting.is_empty() { still_waiting } else { unready }
    })
}

fn fresh_metrics(built: &Arc<Built>) -> Handler {
    let (built, render) = (Arc::clone(built), metrics(built.registry.clone()));
    Arc::new(move |request| {
        built.refresh_metrics();
        render(request)
    })
}

impl Serving {
    /// Answers `/ready` with 503 from now on.
    pub(crate) fn go_unready(&self) {
        self.unready.send_replace(true);
    }

    /// Closes every endpoint.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}
