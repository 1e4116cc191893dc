//! What the tasks of a listener share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::connections::Connections;
use super::frames::Unread;
use super::listener::BindError;
use super::tls::Tls;
use super::waiting::Waiting;
use super::workers::Workers;
use super::{Limits, Responder};
use crate::config::ListenerConfig;
use crate::corefile::Transport;
use crate::edge::acme::Acme;
use crate::engine::ListenerId;
use crate::plugin::stream_limits::StreamLimits;
use crate::plugin::timeouts::MaxQueries;

/// A listener, as its tasks see it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) id: ListenerId,
    pub(super) responder: Arc<Responder>,
    pub(super) limits: Limits,
    pub(super) connections: Arc<Connections>,
    pub(super) shared: Shared,
    pub(super) waiting: Arc<Waiting>,
    settings: ArcSwap<Settings>,
    workers: ArcSwap<Workers>,
}

/// What all listeners share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// What clients of connections have not read.
    pub(super) unread: Arc<Unread>,
    /// Taken while the question of a connection is answered. Tasks take turns, so that without it a datagram would
    /// wait for an answer of each connection that asks much.
    pub(super) turns: Arc<Semaphore>,
}

/// What a configuration sets for the connections of a listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How questions arrive.
    pub transport: Transport,
    /// The listener as metrics label it.
    pub server: Arc<str>,
    /// How long a connection may be idle (RFC 7766 §6.2.3).
    pub idle: Duration,
    /// How long the rest of a message, or of a TLS handshake, may take.
    pub read: Duration,
    /// How long a client may take to read a reply.
    pub write: Duration,
    /// How many questions a connection may ask; none for any number.
    pub max_queries: Option<u64>,
    /// How much clients of HTTPS, QUIC and HTTP/3 may do at once.
    pub streams: StreamLimits,
    /// The certificate, where TLS is spoken.
    pub tls: Option<Arc<Tls>>,
}

impl Settings {
    /// Returns what a configuration says, and reads the files that it names.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub fn of(listener: &ListenerConfig, acme: &Acme) -> Result<Self, BindError> {
        let (timeouts, default) = (&listener.timeouts, Self::default());
        let unusable = |source| {
            let place = listener.tls_position.as_ref().map(|position| format!("{position} - "));
            let place = place.unwrap_or_default();
            BindError::Tls { listener: format!("{place}the listener {}", listener.label()), source }
        };
        let transport = listener.transport;
        let tls = listener.tls.as_ref().map(|tls| Tls::load(tls, transport, acme));
        let tls = tls.transpose().map_err(unusable)?;
        Ok(Self {
            transport,
            server: listener.label().into(),
            streams: listener.stream_limits,
            idle: timeouts.idle.unwrap_or(default.idle),
            read: timeouts.read.unwrap_or(default.read),
            write: timeouts.write.unwrap_or(default.write),
            max_queries: match timeouts.max_queries {
                Some(MaxQueries::Limited(number)) => Some(number.into()),
                Some(MaxQueries::Unlimited) | None => None,
            },
            tls,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: Transport::Dns,
            server: "".into(),
            streams: StreamLimits::default(),
            idle: Duration::from_secs(10),
            read: Duration::from_secs(3),
            write: Duration::from_secs(5),
            max_queries: None,
            tls: None,
        }
    }
}

impl Service {
    /// Returns a listener without connections.
    pub(super) fn new(
        id: ListenerId,
        responder: &Arc<Responder>,
        limits: Limits,
        shared: &Shared,
        settings: Settings,
    ) -> Arc<Self> {
        let (all, per_client) = connections(&settings, limits);
        let waiting = Waiting::new(limits.udp_waiting, responder.metrics().udp_waiting.clone());
        Arc::new(Self {
            id,
            responder: Arc::clone(responder),
            limits,
            connections: Connections::new(all, per_client),
            workers: ArcSwap::from_pointee(Workers::new(settings.streams.workers)),
            shared: shared.clone(),
            waiting,
            settings: ArcSwap::from_pointee(settings),
        })
    }

    /// Follows the files of the certificate, until another configuration or the end.
    pub(super) fn follow_files(&self) {
        if let Some(tls) = &self.settings().tls {
            tokio::spawn(Tls::follow(Arc::downgrade(tls)));
        }
    }

    /// Returns what the configuration sets.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Returns the places for questions of streams.
    pub(super) fn workers(&self) -> Arc<Workers> {
        self.workers.load_full()
    }

    /// Sets something else.
    pub(super) fn configure(&self, settings: Settings) {
        let (all, per_client) = connections(&settings, self.limits);
        self.connections.limit(all, per_client);
        if settings.streams.workers != self.workers().number() {
            // Questions under way keep their places among the others.
            self.workers.store(Arc::new(Workers::new(settings.streams.workers)));
        }
        self.settings.store(Arc::new(settings));
        self.follow_files();
    }
}

/// Returns how many connections there may be, and how many of one client: half of them, where the Corefile says it.
fn connections(settings: &Settings, limits: Limits) -> (usize, usize) {
    match (StreamLimits::plugin_of(settings.transport), settings.streams.connections) {
        (None, _) => (limits.tcp_connections, limits.tcp_per_client),
        (Some(_), Some(number)) => (number, number.div_ceil(2)),
        (Some(_), None) => (usize::MAX, usize::MAX),
    }
}
