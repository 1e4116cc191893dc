//! From the octets of a question to those of its reply.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;

use super::ServerMetrics;
use crate::engine::{Answered, ListenerId};
use crate::plugin::Sent;
use crate::wire::{self, Arrival, Rejection};
use crate::{Engine, ExtendedErrorCode, Query, Reply};

/// Learns of replies that no server block has seen.
pub(super) type UnservedHook = Box<dyn Fn(&Query, &Sent<'_>) + Send + Sync>;

/// Answers messages with an engine.
pub struct Responder {
    engine: Engine,
    metrics: ServerMetrics,
    unserved: UnservedHook,
}

/// The response code that a defect of the server shows as.
const SERVER_FAILURE: u8 = 2;

impl Responder {
    /// Returns a responder; `unserved` learns of queries for names that no block serves.
    pub fn new(engine: Engine, metrics: ServerMetrics, unserved: UnservedHook) -> Self {
        Self { engine, metrics, unserved }
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// Answers a message; none when nothing is to be sent. A panic on the way is counted and becomes a
    /// SERVFAIL, so that one bad question harms no other.
    pub async fn respond(
        &self,
        listener: ListenerId,
        message: &[u8],
        arrival: Arrival,
    ) -> Option<Vec<u8>> {
        let answer = AssertUnwindSafe(self.respond_to(listener, message, arrival));
        match answer.catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => {
                self.metrics.panics.inc();
                tracing::error!(client = %arrival.client, "a question made the server panic; please report it");
                let id = u16::from_be_bytes([*message.first()?, *message.get(1)?]);
                let failure = Rejection::Answered { id, flags: 0, rcode: SERVER_FAILURE };
                wire::encode_rejection(failure)
            }
        }
    }

    /// Returns the reply to a question that a limit keeps from being answered.
    pub(super) fn overloaded(&self, message: &[u8], arrival: Arrival) -> Option<Vec<u8>> {
        let query = wire::parse(message, arrival).ok()?;
        let why = "too many questions wait for an upstream";
        let reply = Reply::server_failure(ExtendedErrorCode::Other, why);
        Some(wire::encode(&query, &reply).message)
    }

    async fn respond_to(
        &self,
        listener: ListenerId,
        message: &[u8],
        arrival: Arrival,
    ) -> Option<Vec<u8>> {
        let start = Instant::now();
        let mut query = match wire::parse(message, arrival) {
            Ok(query) => query,
            Err(rejection) => {
                self.metrics.rejected.with_label_values(&[reason(rejection)]).inc();
                return wire::encode_rejection(rejection);
            }
        };
        if query.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            // RFC 6891 §6.1.3.
            self.metrics.rejected.with_label_values(&["badvers"]).inc();
            return Some(wire::encode(&query, &Reply::new(ResponseCode::BADVERS)).message);
        }
        let asked = query.clone();
        let answered = self.engine.answer(listener, &mut query, None).await;
        self.finish(&asked, message, &answered, start)
    }

    /// Encodes a reply to the question as it was asked, and tells the plugins that let the query pass.
    fn finish(
        &self,
        asked: &Query,
        question: &[u8],
        answered: &Answered<'_>,
        start: Instant,
    ) -> Option<Vec<u8>> {
        let encoded = answered.reply.as_ref().map(|reply| wire::encode(asked, reply));
        let sent = Sent {
            reply: answered.reply.as_ref(),
            size: encoded.as_ref().map_or(0, |encoded| encoded.message.len()),
            question,
            message: encoded.as_ref().map_or(&[], |encoded| &encoded.message),
            truncated: encoded.as_ref().is_some_and(|encoded| encoded.truncated),
            elapsed: start.elapsed(),
            metadata: answered.metadata(asked),
        };
        match answered.block {
            Some(block) => {
                for plugin in &block.plugins[..answered.passed] {
                    plugin.sent(asked, &sent);
                }
            }
            None => (self.unserved)(asked, &sent),
        }
        encoded.map(|encoded| encoded.message)
    }
}

fn reason(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::Silent => "silent",
        Rejection::Answered { rcode: 4, .. } => "notimp",
        Rejection::Answered { .. } => "formerr",
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("engine", &self.engine).finish_non_exhaustive()
    }
}
