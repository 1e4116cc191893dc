//! From the octets of a question to those of its reply.

mod together;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;

use super::ServerMetrics;
use super::cookies::Cookies;
use super::waiting::Whose;
use crate::cookie::{Cookie, ServerCookie};
use crate::direct::Lacking;
use crate::engine::{Answered, ListenerId};
use crate::plugin::Sent;
use crate::plugin::cookie::CookieSecrets;
use crate::repeat::{Duties, Key, Layout, Lesson, Table};
use crate::sampling::{Sampled, Samples};
use crate::wire::{self, Arrival, BareOpt, BareReply, Encoded, Rejection};
use crate::{
    Engine, ExtendedError, ExtendedErrorCode, Lasting, Protocol, Query, Reply, minimal_any,
};

/// Learns of replies that no server block has seen.
pub(super) type UnservedHook = Box<dyn Fn(ListenerId, &Query, &Sent<'_>) + Send + Sync>;

/// Answers messages with an engine, which can be replaced at any time.
pub struct Responder {
    engine: ArcSwap<Engine>,
    metrics: ServerMetrics,
    unserved: UnservedHook,
    kept: Table,
    cookies: Cookies,
    samples: Samples,
}

/// A message that has been read.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(super) enum Received {
    /// It asks something.
    Question(Question),
    /// The reply has been written.
    Written,
    /// It is answered without being asked about; none when nothing is to be sent.
    Reply(Option<Vec<u8>>),
}

/// A question and when it came.
pub(super) struct Question {
    query: Query,
    /// Its octets, if a plugin reads them.
    message: Vec<u8>,
    start: Instant,
    keep: Option<Keep>,
    /// What is to be learnt from the reply.
    lacking: Option<Lacking>,
}

/// What a reply is kept under if it lasts.
struct Keep {
    key: Key,
    message: Vec<u8>,
    /// The age of the table before the reply is made.
    age: u32,
}

impl Question {
    /// Returns what is asked.
    pub(super) fn query(&self) -> &Query {
        &self.query
    }
}

impl Responder {
    /// Returns a responder; `unserved` learns of queries for names that no block serves.
    pub fn new(engine: Engine, metrics: ServerMetrics, unserved: UnservedHook) -> Self {
        engine.count_cuts_with(&metrics.cut);
        let engine = ArcSwap::from_pointee(engine);
        let (kept, cookies, samples) = (Table::default(), Cookies::new(), Samples::default());
        Self { engine, metrics, unserved, kept, cookies, samples }
    }

    /// Samples messages for [`Self::samples`].
    #[must_use]
    pub fn sampling(mut self, sampled: Sampled) -> Self {
        self.samples = Samples::new(sampled);
        self
    }

    /// Returns the samples of what is asked, and by whom.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Returns the engine.
    pub fn engine(&self) -> Arc<Engine> {
        self.engine.load_full()
    }

    /// Answers questions that come from here on with another engine, and returns the one before, which those
    /// under way keep until they are answered.
    pub fn replace(&self, engine: Engine) -> Arc<Engine> {
        engine.count_cuts_with(&self.metrics.cut);
        let before = self.engine.swap(Arc::new(engine));
        // Afterwards: what is kept from here on is of the engine from here on.
        self.kept.forget();
        before
    }

    pub(super) fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// Answers a question; none when nothing is to be sent. A panic is handled as in [`Self::receive`].
    pub(super) async fn answer(
        self: Arc<Self>,
        listener: ListenerId,
        question: Question,
    ) -> Option<Vec<u8>> {
        let Query { id, client, cookie, edns, .. } = &question.query;
        let (id, client, cookie) = (*id, *client, *cookie);
        let opt = edns.as_ref().map(|edns| BareOpt { payload: edns.max_payload(), cookie });
        let answer = AssertUnwindSafe(self.answer_with_engine(listener, question));
        match answer.catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => self.panicked(id, opt, client),
        }
    }

    fn panicked(&self, id: u16, opt: Option<BareOpt>, client: SocketAddr) -> Option<Vec<u8>> {
        self.metrics.panics.inc();
        tracing::error!(%client, "a question made the server panic; please report it");
        wire::encode_rejection(&Rejection::Answered(BareReply::server_failure(id, opt)))
    }

    /// Returns whose question a message holds.
    pub(super) fn whose(&self, listener: ListenerId, message: &[u8], arrival: Arrival) -> Whose {
        let engine = self.engine.load();
        let query = wire::parse(message, arrival).ok();
        let block = query.and_then(|query| engine.block_of(listener, &query));
        Whose { block, blocks: engine.blocks().len() }
    }

    /// Returns the reply to a question that a limit keeps from being answered, and counts both.
    pub(super) fn overloaded(
        &self,
        listener: ListenerId,
        message: &[u8],
        arrival: Arrival,
        start: Instant,
    ) -> Option<Vec<u8>> {
        let mut query = wire::parse(message, arrival).ok()?;
        let engine = self.engine.load();
        query.cookie = query.cookie.map(|cookie| self.check(cookie, arrival, &engine));
        let why = "too many questions wait for an upstream";
        let reply = Reply::server_failure(ExtendedErrorCode::Other, why);
        let encoded = wire::encode(&query, &reply);
        let sent = Sent {
            reply: Some(&reply),
            size: encoded.message.len(),
            message: &encoded.message,
            truncated: encoded.truncated,
            elapsed: start.elapsed(),
            listener,
            ..Sent::default()
        };
        let block = engine.block_of(listener, &query).and_then(|index| engine.blocks().get(index));
        match block {
            // No line of a log for each: they are many, and the limit has a metric.
            Some(block) => {
                let counting = block.plugins.iter().filter(|plugin| plugin.name() == COUNTS);
                counting.for_each(|plugin| plugin.sent(&query, &sent));
            }
            None => (self.unserved)(listener, &query, &sent),
        }
        Some(encoded.message)
    }

    fn read(
        &self,
        message: &[u8],
        arrival: Arrival,
        start: Instant,
        keep: Option<Keep>,
        lacking: Option<Lacking>,
    ) -> Received {
        let engine = self.engine.load();
        let mut query = match wire::parse(message, arrival) {
            Ok(query) => query,
            Err(rejection) => return self.reject(rejection, message.len(), arrival, &engine),
        };
        if let Some(cookie) = &mut query.cookie {
            *cookie = self.check(*cookie, arrival, &engine);
            self.metrics.count_cookie(cookie);
        }
        if let Some((reply, reason)) = refusal(&query, &engine) {
            self.metrics.rejected.with_label_values(&[reason]).inc();
            return Received::Reply(Some(refuse(&query, reply, message.len())));
        }
        // Options are of one client or of one moment.
        let has_options =
            query.edns.as_ref().is_some_and(|edns| !edns.options().as_ref().is_empty());
        let keep = keep.filter(|_| !has_options && query.cookie.is_none());
        let message = if engine.reads_messages() { message.to_vec() } else { Vec::new() };
        Received::Question(Question { query, message, start, keep, lacking })
    }

    /// Answers a message of so many octets that is no query.
    fn reject(
        &self,
        mut rejection: Rejection,
        length: usize,
        arrival: Arrival,
        engine: &Engine,
    ) -> Received {
        if let Rejection::Answered(reply) = &mut rejection {
            if let Some(cookie) = reply.opt.as_mut().and_then(|opt| opt.cookie.as_mut()) {
                *cookie = self.check(*cookie, arrival, engine);
            }
            answer_cookie_alone(reply, arrival, engine);
        }
        self.metrics.rejected.with_label_values(&[reason(&rejection)]).inc();
        let message = wire::encode_rejection(&rejection);
        let is_longer = message.as_ref().is_some_and(|message| message.len() > length);
        match &mut rejection {
            Rejection::Answered(reply) if is_longer && !has_proven_address(reply, arrival) => {
                reply.error = reply.error.map(|(code, _)| (code, ""));
                Received::Reply(wire::encode_rejection(&rejection))
            }
            _ => Received::Reply(message),
        }
    }

    fn check(&self, cookie: Cookie, arrival: Arrival, engine: &Engine) -> Cookie {
        self.cookies.check(cookie, arrival.client.ip(), engine.cookie())
    }

    async fn answer_with_engine(
        &self,
        listener: ListenerId,
        question: Question,
    ) -> Option<Vec<u8>> {
        let Question { mut query, message, start, keep, lacking } = question;
        // One engine for the whole life of the question.
        let engine = self.engine.load();
        // The copy costs more than many an answer.
        let asked = engine.changes_queries().then(|| query.clone());
        let before = cfg!(debug_assertions).then(|| query.clone());
        let keep = keep.filter(|_| may_keep(&engine));
        let mut answered = match &keep {
            Some(_) => engine.answer_to_keep(listener, &mut query).await,
            None => engine.answer(listener, &mut query, None).await,
        };
        debug_assert!(
            asked.is_some() || before.is_none_or(|before| before == query),
            "a plugin changed the query without saying so in Plugin::changes_queries"
        );
        let asked = asked.as_ref().unwrap_or(&query);
        if let Some(reply) = &mut answered.reply
            && minimal_any::cut(asked, reply)
        {
            self.metrics.any_truncated.inc();
        }
        let encoded = self.finish(listener, asked, &message, &answered, start)?;
        if let Some(lacking) = lacking {
            lacking.learn(asked, &answered, duties(listener, asked, &answered));
        }
        if let Some(Keep { key, message, age }) = keep
            && is_for_class(&engine, key, asked, &answered)
            && let Some(lesson) = lesson(listener, asked, &answered, &encoded)
        {
            self.kept.learn(key, &message, &encoded.message, age, lesson);
        }
        Some(encoded.message)
    }

    /// Encodes a reply to the question as it was asked, and tells the plugins that let the query pass.
    fn finish(
        &self,
        listener: ListenerId,
        asked: &Query,
        question: &[u8],
        answered: &Answered<'_>,
        start: Instant,
    ) -> Option<Encoded> {
        let encoded = answered.reply.as_ref().map(|reply| wire::encode(asked, reply));
        let sent = Sent {
            reply: answered.reply.as_ref(),
            size: encoded.as_ref().map_or(0, |encoded| encoded.message.len()),
            question,
            message: encoded.as_ref().map_or(&[], |encoded| &encoded.message),
            truncated: encoded.as_ref().is_some_and(|encoded| encoded.truncated),
            elapsed: start.elapsed(),
            metadata: answered.metadata(asked),
            listener,
        };
        match answered.block {
            Some(block) => {
                for plugin in &block.plugins[..answered.passed] {
                    plugin.sent(asked, &sent);
                }
            }
            None => (self.unserved)(listener, asked, &sent),
        }
        encoded
    }
}

/// Says whether replies may be sent again without the engine: no plugin reads every message, no view looks at the
/// client, and nobody wants to read every decision in the log.
fn may_keep(engine: &Engine) -> bool {
    !engine.reads_messages() && !engine.has_views() && !tracing::enabled!(tracing::Level::DEBUG)
}

/// Returns what to keep of a reply, if it lasts and no plugin has to see the question each time.
fn lesson(
    listener: ListenerId,
    asked: &Query,
    answered: &Answered<'_>,
    encoded: &Encoded,
) -> Option<Lesson> {
    let reply = answered.reply.as_ref()?;
    let lasting = reply.lasting.as_deref().filter(|_| !encoded.truncated)?.clone();
    let Duties { counts, is_ordered } = duties(listener, asked, answered)?;
    let layout = Layout::of(&encoded.message, is_ordered)?;
    let lasting = lasting.for_keeping();
    Some(Lesson { lasting, layout, counts })
}

/// Returns what the plugins have to do for a reply that is given again; none when one has to see the query.
fn duties(listener: ListenerId, asked: &Query, answered: &Answered<'_>) -> Option<Duties> {
    let (block, reply) = (answered.block?, answered.reply.as_ref()?);
    let Some(Lasting::Searched(searched)) = reply.lasting.as_deref() else {
        // Those that let the query pass, and the one that answered.
        return block.duties(0..=answered.passed, listener, asked, reply);
    };
    // Those behind the one that searched have seen other questions.
    let own = block.duties(0..=searched.plugin, listener, asked, reply)?;
    let all = || std::iter::once(&own).chain(&searched.duties);
    let counts = all().flat_map(|duties| duties.counts.iter().cloned()).collect();
    Some(Duties { counts, is_ordered: all().any(|duties| duties.is_ordered) })
}

/// Says whether a reply is for every client of the class that the question's client was in when it came.
fn is_for_class(engine: &Engine, key: Key, asked: &Query, answered: &Answered<'_>) -> bool {
    let client = asked.client.ip().to_canonical();
    let lasting = answered.reply.as_ref().and_then(|reply| reply.lasting.as_deref());
    let Some(Lasting::Searched(searched)) = lasting else { return true };
    // The client may have become another pod in between.
    let plugin = answered.block.and_then(|block| block.plugins.get(searched.plugin));
    plugin.is_some_and(|plugin| plugin.client_class(client) == searched.class)
        && engine.client_class(client) == key.class
}

/// Returns the reply to a query that is not given to the engine, and what it counts as.
fn refusal(query: &Query, engine: &Engine) -> Option<(Reply, &'static str)> {
    if query.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        // RFC 6891 §6.1.3.
        let error = extended(ExtendedErrorCode::NotSupported, "EDNS version 0 is served");
        return Some((
            Reply { extended_error: error, ..Reply::new(ResponseCode::BADVERS) },
            "badvers",
        ));
    }
    if engine.cookie().is_required && query.cookie.is_some() && !query.has_proven_address() {
        let error = extended(ExtendedErrorCode::Other, COOKIE_REQUIRED);
        let reply = Reply { extended_error: error, ..Reply::new(ResponseCode::BADCOOKIE) };
        return Some((reply, "badcookie"));
    }
    None
}

/// The plugin that learns of questions that no plugin has seen.
const COUNTS: &str = "prometheus";

/// Encodes the reply to a query of so many octets that is not given to the engine.
///
/// No `ratelimit` counts these, and the address may be forged, so that the text of the error is left out where it
/// would make the reply longer than the query.
fn refuse(query: &Query, mut reply: Reply, length: usize) -> Vec<u8> {
    let message = wire::encode(query, &reply).message;
    if message.len() <= length || query.has_proven_address() {
        return message;
    }
    reply.extended_error =
        reply.extended_error.map(|error| ExtendedError { text: "".into(), ..error });
    wire::encode(query, &reply).message
}

/// As [`Query::has_proven_address`], of what is no query.
fn has_proven_address(reply: &BareReply, arrival: Arrival) -> bool {
    let checked = reply.opt.and_then(|opt| opt.cookie).and_then(|cookie| cookie.checked);
    arrival.protocol != Protocol::Udp || checked.is_some_and(|checked| checked.is_valid)
}

const COOKIE_REQUIRED: &str = "ask again with the cookie of this reply";

fn extended(code: ExtendedErrorCode, text: &'static str) -> Option<ExtendedError> {
    Some(ExtendedError { code, text: text.into() })
}

/// Answers a message without a question: a cookie (RFC 7873 §5.4), or FORMERR where the server has none.
fn answer_cookie_alone(reply: &mut BareReply, arrival: Arrival, engine: &Engine) {
    let Some(cookie) = reply.opt.and_then(|opt| opt.cookie) else { return };
    if reply.rcode != ResponseCode::NoError {
        return;
    }
    let is_valid = cookie.checked.is_some_and(|checked| checked.is_valid);
    if engine.cookie().secrets == CookieSecrets::Off {
        reply.rcode = ResponseCode::FormErr;
        reply.error = Some((ExtendedErrorCode::Other, "a query has one question"));
    } else if engine.cookie().is_required
        && arrival.protocol == Protocol::Udp
        && cookie.server != ServerCookie::Absent
        && !is_valid
    {
        reply.rcode = ResponseCode::BADCOOKIE;
        reply.error = Some((ExtendedErrorCode::Other, COOKIE_REQUIRED));
    }
}

/// Returns what a message that is no query counts as.
fn reason(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Silent => "silent",
        Rejection::Answered(reply) => match reply.rcode {
            ResponseCode::NoError => "cookie",
            ResponseCode::NotImp => "notimp",
            ResponseCode::BADCOOKIE => "badcookie",
            _ => "formerr",
        },
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("engine", &self.engine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
