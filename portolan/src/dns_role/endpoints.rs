//! The HTTP endpoints: `health`, `ready` and `prometheus` of the Corefile, and the admin ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use dns::config::{Config, PluginConfig};
use dns::corefile::Token;
use dns::edge::health_probe::probe_health;
use dns::edge::http::{
    Handler, HttpListener, HttpMetrics, HttpReply, Routes, WebFile, health, metrics,
    only_own_hosts, ready,
};
use dns::plugin::ready::{Monitor, Readiness};
use dns::plugin::{ListenAddress, ListenHost};
use hyper::StatusCode;
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

/// What is not ready while the sources are being opened and manifests are read for the first time.
const LOADING: [&str; 2] = ["kubernetes", "loading"];

/// Bound addresses and what each will serve.
#[derive(Debug)]
pub(crate) struct Endpoints {
    listeners: Vec<(HttpListener, Vec<Page>)>,
    /// The name in the address of the admin endpoints, if it is one.
    admin_name: Option<String>,
    metrics: HttpMetrics,
}

/// Whether a taken address ends the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insistence {
    /// The addresses are what somebody wrote.
    Required,
    /// The addresses are the built-in Corefile's: a laptop often has something on 8080.
    Optional,
}

/// What an address is wanted for.
#[derive(Debug)]
struct Wanted {
    address: ListenAddress,
    pages: Vec<Page>,
    /// The web configuration of `prometheus`.
    tls: Option<Token>,
}

/// The endpoints at work.
#[derive(Debug)]
pub(crate) struct Serving {
    unready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    built: watch::Sender<Option<Arc<Built>>>,
    health: Vec<SocketAddr>,
    metrics: HttpMetrics,
    tasks: JoinSet<()>,
}

/// What the pages are about; none while it is being built.
type Current = watch::Receiver<Option<Arc<Built>>>;

/// Binds every address once, however many server blocks name it.
///
/// # Errors
/// An address cannot be had, or the web configuration of one cannot be used.
pub(crate) async fn bind(
    config: &Config,
    insistence: Insistence,
    admin: Option<&str>,
) -> Result<Endpoints> {
    let metrics = HttpMetrics::new()?;
    let mut listeners = Vec::new();
    for (text, wanted) in wanted(config)? {
        let listener = match HttpListener::bind(&wanted.address).await {
            Ok(listener) => listener.with_metrics(metrics.clone()),
            Err(error) if insistence == Insistence::Optional => {
                let pages: Vec<&str> = wanted.pages.iter().map(|page| page.name()).collect();
                tracing::warn!("{error}; going on without {}", pages.join(" and "));
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("the endpoint at {text}")),
        };
        let listener = match &wanted.tls {
            Some(file) => listener.with_web(load_web(file).await?),
            None => listener,
        };
        listeners.push((listener, wanted.pages));
    }
    let admin = bind_admin(admin).await?;
    let mut admin_name = None;
    if let Some((address, listener)) = admin {
        if let ListenHost::Name(name) = address.host {
            admin_name = Some(name);
        }
        listeners.push((listener.with_metrics(metrics.clone()), vec![Page::Admin]));
    }
    Ok(Endpoints { listeners, admin_name, metrics })
}

/// Reads a web configuration, away from the tasks of the runtime: it reads files.
async fn load_web(file: &Token) -> Result<WebFile> {
    let path = file.text.clone();
    let loaded = tokio::task::spawn_blocking(move || WebFile::load(path)).await?;
    Ok(loaded.map_err(|error| file.error(error.to_string()))?)
}

fn wanted(config: &Config) -> Result<BTreeMap<String, Wanted>> {
    let mut wanted = BTreeMap::<String, Wanted>::new();
    let mut want = |address: &ListenAddress, page, tls: Option<&Token>| {
        let entry = wanted.entry(address.to_string()).or_insert_with(|| Wanted {
            address: address.clone(),
            pages: Vec::new(),
            tls: tls.cloned(),
        });
        let file = |token: &Token| token.text.clone();
        if let Some(token) = tls.or(entry.tls.as_ref())
            && entry.tls.as_ref().map(file) != tls.map(file)
        {
            return Err(token.error(format!(
                "{address} is also used without this file; give the endpoints other addresses, or \
                 the same file to every prometheus"
            )));
        }
        if !entry.pages.contains(&page) {
            entry.pages.push(page);
        }
        Ok(())
    };
    for block in &config.blocks {
        if let Some(health) = &block.health {
            want(&health.address, Page::Health, None)?;
        }
        if let Some(ready) = &block.ready {
            let page = Page::Ready(ready.monitor == Monitor::Continuously);
            want(&ready.address, page, None)?;
        }
        for plugin in &block.plugins {
            if let PluginConfig::Prometheus(prometheus) = plugin {
                want(&prometheus.address, Page::Metrics, prometheus.tls.as_ref())?;
            }
        }
    }
    Ok(wanted)
}

/// Binds the admin address. CoreDNS has none, so that a taken default must not keep a drop-in from
/// starting.
async fn bind_admin(admin: Option<&str>) -> Result<Option<(ListenAddress, HttpListener)>> {
    let text = match admin {
        Some("off") => return Ok(None),
        other => other.unwrap_or(DEFAULT_ADMIN),
    };
    let Ok(address) = text.parse::<ListenAddress>() else {
        bail!("--admin {text}: write an address such as {DEFAULT_ADMIN}, or off");
    };
    match HttpListener::bind(&address).await {
        Ok(listener) => Ok(Some((address, listener))),
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
    /// Starts serving: until [`Serving::show`], `/health` says 200 and everything else that it is starting.
    pub(crate) fn serve(self) -> Serving {
        let (unready, going_away) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let (built, current) = watch::channel(None);
        let (mut tasks, mut health) = (JoinSet::new(), Vec::new());
        for (listener, pages) in self.listeners {
            let address = listener.local_address();
            let mut routes = Routes::new();
            for page in &pages {
                routes = page.route(routes, &current, &going_away);
                tracing::info!(%address, page = page.name(), "HTTP endpoint");
                if *page == Page::Health {
                    health.push(address);
                }
            }
            let mut handler = routes.into_handler();
            if pages.contains(&Page::Admin) {
                handler = only_own_hosts(self.admin_name.clone(), handler);
            }
            tasks.spawn(listener.serve(handler, stopped.clone()));
        }
        Serving { unready, stop, built, health, metrics: self.metrics, tasks }
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
        current: &Current,
        going_away: &watch::Receiver<bool>,
    ) -> Routes {
        match self {
            Self::Health => routes.route("/health", health()),
            Self::Ready(monitor) => routes.route("/ready", readiness(monitor, current, going_away)),
            Self::Metrics => routes.route("/metrics", of_built(current, fresh_metrics)),
            Self::Admin => routes
                .route("/healthz", health())
                .route("/readyz", readiness(true, current, going_away))
                .route("/metrics", of_built(current, fresh_metrics))
                .route("/debug/cluster", of_built(current, admin::cluster))
                .route("/debug/explain", of_built(current, admin::explain)),
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

fn fresh_metrics(built: &Arc<Built>) -> Handler {
    let (built, render) = (Arc::clone(built), metrics(built.registry.clone()));
    Arc::new(move |request| {
        built.refresh_metrics();
        render(request)
    })
}

impl Serving {
    /// Shows what has been built.
    ///
    /// # Errors
    /// Its registry has the metrics of the endpoints already.
    pub(crate) fn show(&mut self, built: &Arc<Built>) -> Result<()> {
        self.metrics.register(&built.registry)?;
        for address in self.health.drain(..) {
            let metrics = built.dns_metrics.health().clone();
            self.tasks.spawn(probe_health(address, metrics, self.stop.subscribe()));
        }
        self.built.send_replace(Some(Arc::clone(built)));
        Ok(())
    }

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
