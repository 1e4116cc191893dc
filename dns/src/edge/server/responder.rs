//! From the octets of a question to those of its reply.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;

use super::ServerMetrics;
use super::waiting::Whose;
use crate::engine::{Answered, ListenerId};
use crate::plugin::Sent;
use crate::wire::{self, Arrival, Rejection};
use crate::{Engine, ExtendedErrorCode, Query, Reply};

/// Learns of replies that no server block has seen.
pub(super) type UnservedHook = Box<dyn Fn(&Query, &Sent<'_>) + Send + Sync>;

/// Answers messages with an engine, which can be replaced at any time.
pub struct Responder {
    engine: ArcSwap<Engine>,
    metrics: ServerMetrics,
    unserved: UnservedHook,
}

/// A message that has been read.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(super) enum Received {
    /// It asks something.
    Question(Question),
    /// It is answered without being asked about; none when nothing is to be sent.
    Reply(Option<Vec<u8>>),
}

/// A question and when it came.
pub(super) struct Question {
    query: Query,
    /// Its octets, if a plugin reads them.
    message: Vec<u8>,
    start: Instant,
}

/// The response code that a defect of the server shows as.
const SERVER_FAILURE: u8 = 2;

impl Responder {
    /// Returns a responder; `unserved` learns of queries for names that no block serves.
    pub fn new(engine: Engine, metrics: ServerMetrics, unserved: UnservedHook) -> Self {
        Self { engine: ArcSwap::from_pointee(engine), metrics, unserved }
    }

    /// Returns the engine.
    pub fn engine(&self) -> Arc<Engine> {
        self.engine.load_full()
    }

    /// Answers questions that come from here on with another engine, and returns the one before, which those
    /// under way keep until they are answered.
    pub fn replace(&self, engine: Engine) -> Arc<Engine> {
        self.engine.swap(Arc::new(engine))
    }

    pub(super) fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// Reads a message. A panic on the way is counted and becomes a SERVFAIL, so that one bad question harms no
    /// other.
    pub(super) fn receive(&self, message: &[u8], arrival: Arrival) -> Received {
        let received = AssertUnwindSafe(|| self.read(message, arrival));
        std::panic::catch_unwind(received).unwrap_or_else(|_| {
            let id = message.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
            Received::Reply(self.panicked(id, arrival.client))
        })
    }

    /// Answers a question; none when nothing is to be sent. A panic is handled as in [`Self::receive`].
    pub(super) async fn answer(
        self: Arc<Self>,
        listener: ListenerId,
        question: Question,
    ) -> Option<Vec<u8>> {
        let (id, client) = (question.query.id, question.query.client);
        let answer = AssertUnwindSafe(self.answer_with_engine(listener, question));
        match answer.catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => self.panicked(id, client),
        }
    }

    fn panicked(&self, id: u16, client: SocketAddr) -> Option<Vec<u8>> {
        self.metrics.panics.inc();
        tracing::error!(%client, "a question made the server panic; please report it");
        wire::encode_rejection(Rejection::Answered { id, flags: 0, rcode: SERVER_FAILURE })
    }

    /// Returns whose question a message holds.
    pub(super) fn whose(&self, listener: ListenerId, message: &[u8], arrival: Arrival) -> Whose {
        let engine = self.engine.load();
        let query = wire::parse(message, arrival).ok();
        let block = query.and_then(|query| engine.block_of(listener, &query));
        Whose { block, blocks: engine.blocks().len() }
    }

    /// Returns the reply to a question that a limit keeps from being answered.
    pub(super) fn overloaded(&self, message: &[u8], arrival: Arrival) -> Option<Vec<u8>> {
        let query = wire::parse(message, arrival).ok()?;
        let why = "too many questions wait for an upstream";
        let reply = Reply::server_failure(ExtendedErrorCode::Other, why);
        Some(wire::encode(&query, &reply).message)
    }

    fn read(&self, message: &[u8], arrival: Arrival) -> Received {
        let start = Instant::now();
        let query = match wire::parse(message, arrival) {
            Ok(query) => query,
            Err(rejection) => {
                self.metrics.rejected.with_label_values(&[reason(rejection)]).inc();
                return Received::Reply(wire::encode_rejection(rejection));
            }
        };
        if query.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            // RFC 6891 §6.1.3.
            self.metrics.rejected.with_label_values(&["badvers"]).inc();
            let reply = Reply::new(ResponseCode::BADVERS);
            return Received::Reply(Some(wire::encode(&query, &reply).message));
        }
        let message =
            if self.engine.load().reads_messages() { message.to_vec() } else { Vec::new() };
        Received::Question(Question { query, message, start })
    }

    async fn answer_with_engine(
        &self,
        listener: ListenerId,
        question: Question,
    ) -> Option<Vec<u8>> {
        let Question { mut query, message, start } = question;
        // One engine for the whole life of the question.
        let engine = self.engine.load();
        // The copy costs more than many an answer.
        let asked = engine.changes_queries().then(|| query.clone());
        let before = cfg!(debug_assertions).then(|| query.clone());
        let answered = engine.answer(listener, &mut query, None).await;
        debug_assert!(
            asked.is_some() || before.is_none_or(|before| before == query),
            "a plugin changed the query without saying so in Plugin::changes_queries"
        );
        self.finish(asked.as_ref().unwrap_or(&query), &message, &answered, start)
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
