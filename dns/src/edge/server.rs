//! Serves DNS on sockets.
//!
//! ```text
//! bind every socket ─▶ Server::serve ─▶ UDP: a task a socket; what waits goes to a task of its own
//!                                      TCP: a task a connection, a task a question
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
//! let bound = server.bind(&changes.open)?;        // the kernel keeps what comes in there
//! let ids = listener_ids.of(&new.listeners);      // the ListenerIds of the start
//! let engine = …;                                 // Engine::of_listeners, with a router for each of `ids`
//! for listener in &changes.close {
//!     server.stop(listener_ids.id(listener)).await; // what came in is handed to the engine before
//! }
//! responder.replace(engine);                      // questions under way keep the engine before
//! for (listener, sockets) in changes.open.iter().zip(bound) {
//!     server.serve(listener_ids.id(listener), sockets);
//! }
//! ```
//!
//! Listeners are stopped before the engine is replaced, because the new one would refuse what is asked there.

mod datagram;
mod listener;
mod metrics;
mod responder;
mod stop;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use listener::{BindError, BoundListener, bind};
pub use metrics::ServerMetrics;
pub use responder::Responder;

use crate::config::ListenerConfig;
use crate::engine::ListenerId;
use stop::Stopper;

/// How much the server does at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Questions over UDP that wait for an upstream, on each socket. More are answered with SERVFAIL.
    pub udp_waiting: usize,
    /// Connections to each TCP listener. More are closed at once.
    pub tcp_connections: usize,
    /// Questions under way on one connection. The connection is not read while there are as many.
    pub tcp_pipelined: usize,
    /// How long a connection may be idle (RFC 7766 §6.2.3).
    pub tcp_idle: Duration,
    /// How long the rest of a message may take once its length is there.
    pub tcp_read: Duration,
    /// How long a client may take to accept a reply.
    pub tcp_write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            udp_waiting: 4096,
            tcp_connections: 1024,
            tcp_pipelined: 64,
            tcp_idle: Duration::from_secs(10),
            tcp_read: Duration::from_secs(3),
            tcp_write: Duration::from_secs(5),
        }
    }
}

/// The running server. Dropping it stops at once; [`Server::drain`] lets what is under way finish.
#[derive(Debug)]
pub struct Server {
    responder: Arc<Responder>,
    limits: Limits,
    running: Vec<Running>,
    /// What is under way on listeners that have been stopped.
    draining: JoinSet<()>,
}

/// A listener that is served.
#[derive(Debug)]
struct Running {
    id: ListenerId,
    port: u16,
    stopper: Stopper,
    tasks: JoinSet<()>,
}

impl Server {
    /// Returns a server without listeners.
    pub fn new(responder: &Arc<Responder>, limits: Limits) -> Self {
        let responder = Arc::clone(responder);
        Self { responder, limits, running: Vec::new(), draining: JoinSet::new() }
    }

    /// Binds the sockets of more listeners and does not serve them yet: the kernel keeps what comes in.
    ///
    /// # Errors
    /// One of them cannot be had; none is kept.
    pub fn bind(&self, listeners: &[ListenerConfig]) -> Result<Vec<BoundListener>, BindError> {
        let held: Vec<u16> = self.running.iter().map(|running| running.port).collect();
        listener::bind_beside(listeners, &held)
    }

    /// Serves a listener.
    pub fn serve(&mut self, id: ListenerId, listener: BoundListener) {
        let (stopper, reading) = stop::stopper();
        let BoundListener { address, udp, tcp } = listener;
        let (responder, limits) = (&self.responder, self.limits);
        let mut tasks = JoinSet::new();
        tasks.spawn(udp::serve(udp, id, Arc::clone(responder), limits, reading.clone()));
        tasks.spawn(tcp::serve(tcp, id, Arc::clone(responder), limits, reading));
        self.running.push(Running { id, port: address.port(), stopper, tasks });
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
            running.stopper.wait().await;
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
