//! Takes a changed Corefile over while the server runs: `reload` and SIGUSR1.
//!
//! ```text
//! read, parse ─ same text ─▶ nothing
//!      │
//!      ▼ another
//! check ─▶ bind what is added ─▶ put the engine together, wait for its clusters ─▶ swap ─▶ close what is gone
//!      └──────────── any of these fails: said once, counted; the old goes on ────────────┘
//! ```
//!
//! Sockets, caches and clusters that both Corefiles have stay as they are; no question is lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dns::config::{ListenerChanges, ListenerConfig, ListenerIds};
use dns::corefile::Corefile;
use dns::edge::server::{BoundListener, Server, Settings};
use dns::plugin::Level;
use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};
use sha2::{Digest, Sha512};

use super::Built;
use super::build::Assembly;
use super::corefile::{self, Choice, Loaded};
use super::endpoints::{EndpointChanges, Serving};
use crate::logging::{Verbosity, in_words};
use crate::output::Output;

/// How often a server looks for a change that no Corefile asks it to look for: never. SIGUSR1 still works.
const NEVER: Duration = Duration::MAX;

/// What a reload can change, and what it compares with.
#[derive(Debug)]
pub(crate) struct Reloader {
    choice: Choice,
    loaded: Arc<Loaded>,
    /// The text of a Corefile that could not be used; it is not tried again.
    refused: Option<String>,
    listener_ids: ListenerIds,
    built: Arc<Built>,
    /// The DNS sockets.
    pub server: Server,
    /// The HTTP endpoints.
    pub http: Serving,
    metrics: ReloadMetrics,
    verbosity: Verbosity,
    output: Output,
}

/// What the start hands over.
#[derive(Debug)]
pub(crate) struct Started {
    pub choice: Choice,
    pub loaded: Arc<Loaded>,
    pub listener_ids: ListenerIds,
    pub built: Arc<Built>,
    pub server: Server,
    pub http: Serving,
    pub verbosity: Verbosity,
}

/// A changed Corefile with everything that it needs: only the swap is left.
#[derive(Debug)]
pub(crate) struct Prepared {
    loaded: Loaded,
    changes: ListenerChanges,
    bound: Vec<BoundListener>,
    settings: Vec<Settings>,
    endpoints: EndpointChanges,
    assembly: Assembly,
}

#[derive(Debug)]
struct ReloadMetrics {
    failed: IntCounter,
    version: IntGaugeVec,
}

impl ReloadMetrics {
    fn register(registry: &Registry) -> Result<Self> {
        let help = "Corefiles that could not be taken over.";
        let failed = IntCounter::new("coredns_reload_failed_total", help)?;
        let help = "1, with the hash of the Corefile that is served.";
        let options = Opts::new("coredns_reload_version_info", help);
        let version = IntGaugeVec::new(options, &["hash", "value"])?;
        registry.register(Box::new(failed.clone()))?;
        registry.register(Box::new(version.clone()))?;
        Ok(Self { failed, version })
    }

    fn set_version(&self, text: &str) {
        use std::fmt::Write;
        let mut value = String::with_capacity(128);
        for octet in Sha512::digest(text) {
            // Writing to a String cannot fail.
            let _ = write!(value, "{octet:02x}");
        }
        self.version.reset();
        self.version.with_label_values(&["sha512", &value]).set(1);
    }
}

impl Reloader {
    /// Returns the reloader of a server that has started.
    ///
    /// # Errors
    /// The registry has the metrics of reloads already.
    pub(crate) fn new(started: Started, output: &Output) -> Result<Self> {
        let Started { choice, loaded, listener_ids, built, server, http, verbosity } = started;
        let metrics = ReloadMetrics::register(&built.registry)?;
        metrics.set_version(&loaded.text);
        let (refused, output) = (None, output.clone());
        Ok(Self {
            choice,
            loaded,
            refused,
            listener_ids,
            built,
            server,
            http,
            metrics,
            verbosity,
            output,
        })
    }

    /// Returns how long the server goes on after it was told to stop.
    pub(crate) fn lameduck(&self) -> Duration {
        self.loaded.lameduck()
    }

    /// Waits until it is time to look at the Corefile again.
    pub(crate) async fn pause(&self) {
        // The standard input has been read and is gone.
        let config = self.loaded.config.reload().filter(|_| self.choice.can_be_read_again());
        let pause = config.and_then(|config| config.pause(rand::random()));
        tokio::time::sleep(pause.unwrap_or(NEVER)).await;
    }

    /// Forgets which Corefile could not be used: somebody wants it tried again.
    pub(crate) fn insist(&mut self) {
        self.refused = None;
    }

    /// Looks at the Corefile, and prepares what it needs if it has changed. A failure is logged and counted, and
    /// the old one goes on. May be given up on the way.
    pub(crate) async fn look(&mut self) -> Option<Prepared> {
        let parsed = match corefile::read(&self.choice) {
            Ok(parsed) => parsed,
            // Without a text to compare, the words of the failure tell it from the next one.
            Err(error) => {
                self.refuse(in_words(&error), &error);
                return None;
            }
        };
        let text = parsed.to_string();
        if text == self.loaded.text || self.refused.as_ref() == Some(&text) {
            return None;
        }
        self.output.say(Level::Info, "Reloading");
        match self.prepare(&parsed).await {
            Ok(prepared) => Some(prepared),
            Err(error) => {
                self.refuse(text, &error);
                None
            }
        }
    }

    /// Says what could not be used, once.
    fn refuse(&mut self, what: String, error: &anyhow::Error) {
        if self.refused.as_ref() == Some(&what) {
            return;
        }
        self.refused = Some(what);
        self.metrics.failed.inc();
        for line in in_words(error).lines() {
            tracing::error!(error = %line, "the changed Corefile is not used");
        }
    }

    /// Does everything that can fail or take long.
    async fn prepare(&mut self, parsed: &Corefile) -> Result<Prepared> {
        let loaded = corefile::check(&self.choice, parsed)?;
        let changes =
            ListenerChanges::between(&self.loaded.config.listeners, &loaded.config.listeners);
        let bound = self.server.bind(&changes.open, self.built.acme())?;
        let settings =
            changes.keep.iter().map(|listener| Settings::of(listener, self.built.acme()));
        let settings = settings.collect::<std::result::Result<Vec<_>, _>>()?;
        let endpoints = self.http.prepare(&loaded.config).await?;
        let ids = self.listener_ids.of(&loaded.config.listeners);
        let assembly = self.built.assemble(&loaded.config, &ids).await?;
        let limit = assembly.served.startup_timeout;
        if !assembly.served.sources.wait_until_synced(limit).await {
            tracing::warn!(
                "reloading before the cluster is listed: unknown names are answered with SERVFAIL"
            );
        }
        Ok(Prepared { loaded, changes, bound, settings, endpoints, assembly })
    }

    /// Takes over what was prepared. Not to be given up on the way: questions under way would be, too.
    pub(crate) async fn take_over(&mut self, prepared: Prepared) {
        let Prepared { loaded, changes, bound, settings, endpoints, assembly } = prepared;
        self.stop(&changes.close).await;
        for (listener, settings) in changes.keep.iter().zip(&settings) {
            self.server.configure(self.listener_ids.id(listener), settings);
        }
        self.built.adopt(assembly);
        for (listener, sockets) in changes.open.iter().zip(bound) {
            let id = self.listener_ids.id(listener);
            self.server.serve(id, sockets);
        }
        self.built.begin();
        self.http.apply(endpoints).await;
        crate::logging::log_panics(loaded.wants_stacktraces());
        self.verbosity.set(loaded.wants_every_decision());
        self.refused = None;
        self.metrics.set_version(&loaded.text);
        self.loaded = Arc::new(loaded);
        self.output.say(Level::Info, "Reloading complete");
    }

    async fn stop(&mut self, listeners: &[ListenerConfig]) {
        for listener in listeners {
            let id = self.listener_ids.id(listener);
            self.server.stop(id).await;
        }
    }
}
