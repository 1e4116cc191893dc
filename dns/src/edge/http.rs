//! A small HTTP/1.1 server for probes, metrics and debugging.
//!
//! ```text
//! HttpListener::bind(address) ─ serve(handler, stop) ─▶ at most 256 connections ─▶ Routes ─▶ a Handler
//! ```
//!
//! A connection is always accepted: at the limit the one that has been idle longest is closed.
//!
//! Binding and serving are apart, so that a port that is taken stops the start and not the server.

mod connection;
mod host;
mod idle;
mod listener;
mod message;
mod probes;
mod routes;
mod shared;
#[cfg(test)]
mod tests;
mod turns;
mod web;

pub use host::only_own_hosts;
pub use listener::{HttpBindError, HttpListener, HttpMetrics};
pub use message::{Handler, HttpReply, HttpRequest};
pub use probes::{health, metrics, ready};
pub use routes::Routes;
pub use shared::{is_served, is_shared};
pub use turns::Turns;
pub use web::{WebFile, WebFileError};

use tokio::sync::watch;

/// Waits until the value is true or its sender gone: whoever loses the means to stop a task has stopped it.
pub(crate) async fn is_stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
