//! Serves DNS on sockets.
//!
//! ```text
//! bind every socket ─▶ Server::serve ─▶ UDP: a task a socket; what waits goes to a task of its own
//!                                      TCP: a task a connection, a task a question
//! ```
//!
//! Every number of tasks has a limit, named in [`Limits`].

mod datagram;
mod listener;
mod metrics;
mod responder;
mod tcp;
mod udp;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use listener::{BindError, BoundListener, bind};
pub use metrics::ServerMetrics;
pub use responder::Responder;

use crate::engine::ListenerId;

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
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Starts serving on bound sockets; the number of a listener is that of its router in the engine.
    pub fn serve(
        listeners: Vec<BoundListener>,
        responder: &Arc<Responder>,
        limits: Limits,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (number, listener) in listeners.into_iter().enumerate() {
            let id = ListenerId(number);
            let BoundListener { udp, tcp, .. } = listener;
            tasks.spawn(udp::serve(udp, id, Arc::clone(responder), limits, stopped.clone()));
            tasks.spawn(tcp::serve(tcp, id, Arc::clone(responder), limits, stopped.clone()));
        }
        Self { stop, tasks }
    }

    /// Takes no more questions, and waits until those under way are answered or the deadline has passed.
    pub async fn drain(mut self, deadline: Duration) {
        self.stop.send_replace(true);
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, finished).await.is_err() {
            tracing::warn!(
                deadline_s = deadline.as_secs(),
                "questions were still under way at the end"
            );
        }
    }
}

/// Waits for the stop signal; the sender going away is one too.
async fn stop_signal(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
