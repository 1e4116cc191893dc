//! Serves DNS on sockets.
//!
//! ```text
//! bind every socket ─▶ Server::serve ─▶ UDP: some threads a socket; what waits goes to a task
//!                                      TCP: a task for each connection at a time; HTTP/2: one a request, too
//!                                      QUIC: a task a connection and one a stream
//! ```
//!
//! Every number of tasks has a limit, named in [`Limits`].
//!
//! # Another configuration
//!
//! A running server takes another configuration without losing a question. What can fail comes first:
//!
//! ```text
//! let changes = ListenerChanges::between(&old.listeners, &new.listeners);
//! let bound = server.bind(&changes.open, &acme)?; // the kernel keeps what comes in there
//! let settings = …;                               // Settings::of, for each of `changes.keep`: reads certificates
//! let ids = listener_ids.of(&new.listeners);      // the ListenerIds of the start
//! let engine = …;                                 // Engine::of_listeners, with a router for each of `ids`
//! for listener in &changes.close {
//!     server.stop(listener_ids.id(listener)).await; // what came in is handed to the engine before
//! }
//! for (listener, settings) in changes.keep.iter().zip(&settings) {
//!     server.configure(listener_ids.id(listener), settings);
//! }
//! responder.replace(engine);                      // questions under way keep the engine before
//! for (listener, sockets) in changes.open.iter().zip(bound) {
//!     server.serve(listener_ids.id(listener), sockets);
//! }
//! ```
//!
//! Listeners are stopped before the engine is replaced, because the new one would refuse what is asked there.

mod alarm;
mod asker;
mod certificate;
mod closing;
mod connection;
mod connections;
mod cookies;
mod datagram;
mod doh;
mod doq;
mod doq_connection;
mod exchanges;
mod frames;
mod gathered;
mod http3;
mod http3_streams;
mod https;
mod key_log;
pub(super) mod last_connections;
mod listener;
mod metrics;
mod quic;
mod requests;
mod responder;
mod resting;
mod scratch;
mod seats;
mod service;
mod stop;
mod streams;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod waiting;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use listener::{BindError, BoundListener, bind, bind_shared};
pub use metrics::ServerMetrics;
pub use responder::Responder;
pub use service::Settings;
pub use tls::{Tls, TlsError};

use crate::config::ListenerConfig;
use crate::edge::acme::Acme;
use crate::engine::ListenerId;
use frames::Unread;
use service::{Service, Shared};
use stop::Stopper;

/// How much the server does at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Threads that receive on the UDP sockets of a listener, shared by these; on each there is one at least, and
    /// another one that takes over when an answer takes long.
    pub udp_receivers: usize,
    /// Questions over UDP that wait for an upstream, on each listener. More are answered with SERVFAIL.
    pub udp_waiting: usize,
    /// Connections to each TCP listener. For more, the one idle longest goes; when all are in use, the newest.
    pub tcp_connections: usize,
    /// Those of one client address that is not on this host.
    pub tcp_per_client: usize,
    /// Questions under way on one connection. The connection is not read while there are as many.
    pub tcp_pipelined: usize,
    /// Connections whose questions are answered from memory at the same moment.
    pub tcp_turns: usize,
    /// Octets of replies that the client of one connection has not read. As for `tcp_pipelined`.
    pub tcp_unread: usize,
    /// Those of all connections. Then a connection is read only when its client has read everything.
    pub tcp_unread_all: usize,
}

/// How long the readers of a listener may take to stop.
const STOP: Duration = Duration::from_secs(1);

/// How many threads receive on a UDP socket at most.
const MOST_UDP_RECEIVERS: usize = 8;

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            udp_receivers: processors.min(MOST_UDP_RECEIVERS),
            udp_waiting: 4096,
            tcp_connections: 1024,
            tcp_per_client: 256,
            tcp_pipelined: 64,
            // One processor is left for datagrams.
            tcp_turns: (processors - 1).max(1),
            tcp_unread: 128 << 10,
            tcp_unread_all: 32 << 20,
        }
    }
}

/// The running server. Dropping it stops at once; [`Server::drain`] lets what is under way finish.
#[derive(Debug)]
pub struct Server {
    responder: Arc<Responder>,
    limits: Limits,
    shared: Shared,
    running: Vec<Running>,
    /// What is under way on listeners that have been stopped.
    draining: JoinSet<()>,
}

/// A listener that is served.
#[derive(Debug)]
struct Running {
    id: ListenerId,
    port: u16,
    service: Arc<Service>,
    stopper: Stopper,
    tasks: JoinSet<()>,
}

impl Server {
    /// Returns a server without listeners.
    pub fn new(responder: &Arc<Responder>, limits: Limits) -> Self {
        let unread = Unread::new(responder.metrics().unread.clone());
        let shared = Shared { unread, turns: Arc::new(Semaphore::new(limits.tcp_turns)) };
        let (running, draining) = (Vec::new(), JoinSet::new());
        Self { responder: Arc::clone(responder), limits, shared, running, draining }
    }

    /// Binds the sockets of more listeners and does not serve them yet: the kernel keeps what comes in.
    ///
    /// # Errors
    /// One of them cannot be had; none is kept.
    pub fn bind(
        &self,
        listeners: &[ListenerConfig],
        acme: &Acme,
    ) -> Result<Vec<BoundListener>, BindError> {
        let held: Vec<u16> = self.running.iter().map(|running| running.port).collect();
        listener::bind_beside(listeners, acme, &held)
    }

    /// Serves a listener.
    pub fn serve(&mut self, id: ListenerId, listener: BoundListener) {
        let (stopper, reading) = stop::stopper();
        let BoundListener { address, udp, tcp, quic, settings } = listener;
        let (responder, limits) = (&self.responder, self.limits);
        let service = Service::new(id, responder, limits, &self.shared, settings);
        service.follow_files();
        let mut tasks = JoinSet::new();
        let receivers = (limits.udp_receivers / udp.len().max(1)).max(1);
        for socket in udp {
            tasks.spawn(udp::serve(socket, Arc::clone(&service), reading.clone(), receivers));
        }
        for socket in tcp {
            tasks.spawn(tcp::serve(socket, Arc::clone(&service), reading.clone()));
        }
        for socket in quic {
            tasks.spawn(quic::serve(socket, Arc::clone(&service), reading.clone()));
        }
        drop(reading);
        self.running.push(Running { id, port: address.port(), service, stopper, tasks });
    }

    /// Sets something else for the connections of a listener, those that are open too.
    pub fn configure(&self, id: ListenerId, settings: &Settings) {
        for running in self.running.iter().filter(|running| running.id == id) {
            running.service.configure(settings.clone());
        }
    }

    /// Takes no more questions on a listener, and returns when its sockets are closed. Those that had come in
    /// are answered, with the engine of their time.
    ///
    /// Not to be given up on the way: what is under way would be, too.
    pub async fn stop(&mut self, id: ListenerId) {
        // Forgets those that are through.
        while self.draining.try_join_next().is_some() {}
        let (stopping, running) =
            std::mem::take(&mut self.running).into_iter().partition(|running| running.id == id);
        self.running = running;
        let stopping: Vec<Running> = stopping;
        for mut running in stopping {
            running.stopper.stop();
            // A client that reads no replies may be slow to take what it has asked.
            let _ = tokio::time::timeout(STOP, running.stopper.wait()).await;
            self.draining.spawn(async move { while running.tasks.join_next().await.is_some() {} });
        }
    }

    /// Takes no more questions, and waits until those under way are answered or the deadline has passed.
    pub async fn drain(mut self, deadline: Duration) {
        for running in &self.running {
            running.stopper.stop();
        }
        let finished = async {
            for running in &mut self.running {
                while running.tasks.join_next().await.is_some() {}
            }
            while self.draining.join_next().await.is_some() {}
        };
        if tokio::time::timeout(deadline, finished).await.is_err() {
            tracing::warn!(
                deadline_s = deadline.as_secs(),
                "questions were still under way at the end"
            );
        }
    }
}
