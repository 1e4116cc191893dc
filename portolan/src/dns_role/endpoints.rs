//! The HTTP endpoints: `health`, `ready` and `prometheus` of the Corefile, and the admin ones.

mod page;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use dns::config::{Config, PluginConfig};
use dns::corefile::Token;
use dns::edge::health_probe::probe_health;
use dns::edge::http::{
    Handler, HttpBindError, HttpListener, HttpMetrics, Routes, WebFile, is_shared, only_own_hosts,
};
use dns::plugin::ready::Monitor;
use dns::plugin::{ListenAddress, ListenHost};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::page::Page;
use super::Built;
use crate::cli::DEFAULT_ADMIN;

/// Stands for the address of the admin endpoints, which no Corefile names.
const ADMIN: &str = "--admin";

/// Bound addresses and what each will serve.
#[derive(Debug)]
pub(crate) struct Endpoints {
    bound: Vec<Bound>,
    insistence: Insistence,
    /// The name in the address of the admin endpoints, if it is one.
    admin_name: Option<String>,
    metrics: HttpMetrics,
}

/// A bound address that is not served yet.
#[derive(Debug)]
struct Bound {
    listener: HttpListener,
    text: String,
    pages: Vec<Page>,
    /// The web configuration file.
    tls: Option<String>,
}

/// Whether a taken address ends the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insistence {
    /// The addresses are what somebody wrote.
    Required,
    /// The addresses are the built-in Corefile's: a laptop often has something on 8080.
    Optional,
}

/// Whether the addresses may be another server's, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Neighbour {
    /// A taken address is a mistake.
    Refused,
    /// Another process of this user has them, which is to end.
    Expected,
}

/// What an address is wanted for.
#[derive(Clone, Debug)]
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
    built: watch::Sender<Option<Arc<Built>>>,
    insistence: Insistence,
    admin_name: Option<String>,
    metrics: HttpMetrics,
    open: Vec<Open>,
}

/// An address that is served.
struct Open {
    text: String,
    address: SocketAddr,
    pages: Vec<Page>,
    tls: Option<String>,
    handler: Arc<ArcSwap<Handler>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What another Corefile does to the endpoints, as far as it can fail.
#[derive(Debug)]
pub(crate) struct EndpointChanges {
    wanted: BTreeMap<String, Wanted>,
    bound: Vec<Bound>,
}

/// Binds every address once, however many server blocks name it.
///
/// # Errors
/// An address cannot be had, or the web configuration of one cannot be used.
pub(crate) async fn bind(
    config: &Config,
    insistence: Insistence,
    neighbour: Neighbour,
    admin: Option<&str>,
) -> Result<Endpoints> {
    let metrics = HttpMetrics::new()?;
    let mut bound = Vec::new();
    for (text, wanted) in wanted(config)? {
        bound.extend(bind_one(text, wanted, insistence, neighbour, &metrics).await?);
    }
    let mut admin_name = None;
    if let Some((address, listener)) = bind_admin(admin, neighbour).await? {
        if let ListenHost::Name(name) = &address.host {
            admin_name = Some(name.clone());
        }
        let listener = listener.with_metrics(metrics.clone());
        let pages = vec![Page::Admin];
        bound.push(Bound { listener, text: ADMIN.to_owned(), pages, tls: None });
    }
    Ok(Endpoints { bound, insistence, admin_name, metrics })
}

async fn bind_one(
    text: String,
    wanted: Wanted,
    insistence: Insistence,
    neighbour: Neighbour,
    metrics: &HttpMetrics,
) -> Result<Option<Bound>> {
    let Wanted { address, pages, tls } = wanted;
    let listener = match neighbour.bind(&address).await {
        Ok(listener) => listener.with_metrics(metrics.clone()),
        Err(error) if insistence == Insistence::Optional => {
            let pages: Vec<&str> = pages.iter().map(|page| page.name()).collect();
            let pages = pages.join(" and ");
            tracing::warn!(%error, pages, "going on without an HTTP endpoint");
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("the endpoint at {text}")),
    };
    let listener = match &tls {
        Some(file) => listener.with_web(load_web(file).await?),
        None => listener,
    };
    Ok(Some(Bound { listener, text, pages, tls: tls.map(|file| file.text) }))
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
async fn bind_admin(
    admin: Option<&str>,
    neighbour: Neighbour,
) -> Result<Option<(ListenAddress, HttpListener)>> {
    let text = match admin {
        Some("off") => return Ok(None),
        other => other.unwrap_or(DEFAULT_ADMIN),
    };
    let Ok(address) = text.parse::<ListenAddress>() else {
        bail!("--admin {text}: write an address such as {DEFAULT_ADMIN}, or off");
    };
    match neighbour.bind(&address).await {
        Ok(listener) => Ok(Some((address, listener))),
        Err(error) if admin.is_none() => {
            tracing::warn!(
                %error,
                "going on without the admin endpoints; --admin chooses another address"
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl Neighbour {
    async fn bind(self, address: &ListenAddress) -> Result<HttpListener, HttpBindError> {
        match self {
            Self::Refused => HttpListener::bind(address).await,
            Self::Expected => HttpListener::bind_shared(address).await,
        }
    }
}

impl Endpoints {
    /// Starts serving: until [`Serving::show`], `/health` says 200 and everything else that it is starting.
    pub(crate) fn serve(self) -> Serving {
        let (mut serving, bound) = self.into_serving();
        bound.into_iter().for_each(|bound| serving.open(bound));
        serving
    }

    /// Starts serving what has been built.
    ///
    /// # Errors
    /// Its registry has the metrics of the endpoints already.
    pub(crate) fn serve_built(self, built: &Arc<Built>) -> Result<Serving> {
        let (mut serving, bound) = self.into_serving();
        serving.show(built)?;
        bound.into_iter().for_each(|bound| serving.open(bound));
        Ok(serving)
    }

    fn into_serving(self) -> (Serving, Vec<Bound>) {
        let Self { bound, insistence, admin_name, metrics } = self;
        let (unready, built) = (watch::Sender::new(false), watch::Sender::new(None));
        let open = Vec::new();
        (Serving { unready, built, insistence, admin_name, metrics, open }, bound)
    }
}

impl Serving {
    fn open(&mut self, bound: Bound) {
        let Bound { listener, text, pages, tls } = bound;
        let address = listener.local_address();
        for page in &pages {
            tracing::info!(%address, page = page.name(), "HTTP endpoint");
        }
        let handler = Arc::new(ArcSwap::from_pointee(self.handler(&pages)));
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let current = Arc::clone(&handler);
        let indirect: Handler = Arc::new(move |request| (current.load())(request));
        tasks.spawn(listener.serve(indirect, stop.subscribe()));
        let mut open = Open { text, address, pages, tls, handler, stop, tasks };
        if let Some(built) = self.built.borrow().as_ref() {
            open.probe(built);
        }
        self.open.push(open);
    }

    fn handler(&self, pages: &[Page]) -> Handler {
        let (current, going_away) = (self.built.subscribe(), self.unready.subscribe());
        let routes = pages
            .iter()
            .fold(Routes::new(), |routes, page| page.route(routes, &current, &going_away));
        let handler = routes.into_handler();
        if pages.contains(&Page::Admin) {
            only_own_hosts(self.admin_name.clone(), handler)
        } else {
            handler
        }
    }

    /// Shows what has been built.
    ///
    /// # Errors
    /// Its registry has the metrics of the endpoints already.
    pub(crate) fn show(&mut self, built: &Arc<Built>) -> Result<()> {
        self.metrics.register(&built.registry)?;
        for open in &mut self.open {
            open.probe(built);
        }
        self.built.send_replace(Some(Arc::clone(built)));
        Ok(())
    }

    /// Binds what another Corefile needs beyond the present one. Nothing changes yet.
    ///
    /// # Errors
    /// An address cannot be had, or the web configuration of one cannot be used.
    pub(crate) async fn prepare(&self, config: &Config) -> Result<EndpointChanges> {
        let wanted = wanted(config)?;
        let mut bound = Vec::new();
        for (text, wanted) in &wanted {
            if let Some(open) = self.open.iter().find(|open| open.text == *text) {
                let tls = wanted.tls.as_ref().map(|file| file.text.clone());
                if open.tls != tls {
                    bail!("the endpoint at {text} cannot change its `tls` in a reload; restart");
                }
                continue;
            }
            let (text, wanted) = (text.clone(), wanted.clone());
            let new = bind_one(text, wanted, self.insistence, Neighbour::Refused, &self.metrics);
            bound.extend(new.await?);
        }
        Ok(EndpointChanges { wanted, bound })
    }

    /// Serves what was prepared, and closes what is no longer wanted.
    pub(crate) async fn apply(&mut self, changes: EndpointChanges) {
        let EndpointChanges { wanted, bound } = changes;
        let mut kept = Vec::new();
        for mut open in std::mem::take(&mut self.open) {
            let pages = match wanted.get(&open.text) {
                Some(wanted) => wanted.pages.clone(),
                None if open.text == ADMIN => open.pages.clone(),
                None => {
                    open.close().await;
                    continue;
                }
            };
            if pages != open.pages {
                open.handler.store(Arc::new(self.handler(&pages)));
                open.pages = pages;
            }
            kept.push(open);
        }
        self.open = kept;
        for bound in bound {
            self.open(bound);
        }
    }

    /// Closes the endpoints at whose addresses another server listens, too: it has taken over, and answers probes.
    pub(crate) async fn leave_shared(&mut self) {
        let open = std::mem::take(&mut self.open);
        let (mut shared, alone): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|open| is_shared(open.address));
        self.open = alone;
        for open in &shared {
            open.stop.send_replace(true);
        }
        for open in &mut shared {
            open.close().await;
        }
    }

    /// Answers `/ready` with 503 from now on.
    pub(crate) fn go_unready(&self) {
        self.unready.send_replace(true);
    }

    /// Closes every endpoint.
    pub(crate) async fn stop(self) {
        for open in &self.open {
            open.stop.send_replace(true);
        }
        for mut open in self.open {
            open.close().await;
        }
    }
}

impl Open {
    /// Measures the server's health through this address, if that is what it serves.
    fn probe(&mut self, built: &Built) {
        if self.pages.contains(&Page::Health) {
            let metrics = built.dns_metrics.health().clone();
            self.tasks.spawn(probe_health(self.address, metrics, self.stop.subscribe()));
        }
    }

    async fn close(&mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { text, address, pages, .. } = self;
        f.debug_struct("Open")
            .field("text", text)
            .field("address", address)
            .field("pages", pages)
            .finish_non_exhaustive()
    }
}
