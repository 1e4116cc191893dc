//! A small HTTP/1.1 server for probes, metrics and debugging.
//!
//! ```text
//! HttpListener::bind(address) ─ serve(handler, stop) ─▶ at most 256 connections ─▶ Routes ─▶ a Handler
//! ```
//!
//! Binding and serving are apart, so that a port that is taken stops the start and not the server.

mod connection;
mod listener;
mod message;
mod probes;
mod routes;
#[cfg(test)]
mod tests;

pub use listener::{HttpBindError, HttpListener};
pub use message::{Handler, HttpReply, HttpRequest};
pub use probes::{health, metrics, ready};
pub use routes::Routes;

use tokio::sync::watch;

/// Waits until the value is true or its sender gone: whoever loses the means to stop a task has stopped it.
pub(crate) async fn is_stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
