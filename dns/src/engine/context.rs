//! What a plugin may ask of the server around it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hickory_proto::rr::{LowerName, Name, RecordType};
use serde::Serialize;

use super::{Block, Engine, ListenerId, MAX_LOOKUP_DEPTH, Metadata};
use crate::plugin::Plugin;
use crate::repeat::Duties;
use crate::{Query, Reply};

/// The server as a plugin sees it while it handles one query.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    engine: &'a Engine,
    listener: ListenerId,
    place: Place,
    /// How often the server has asked itself.
    depth: u8,
    /// How much deeper than that an explanation is.
    level: u8,
    trace: Option<&'a Trace>,
    asked: &'a Asked,
    is_learning: bool,
}

/// A question as it came to the server, whatever plugins make of it, and how far it has come.
#[derive(Default, Debug)]
pub struct Asked {
    /// The qname and the qtype; kept only when somebody reads them, since a copy costs each query something.
    question: Option<(LowerName, RecordType)>,
    /// How many plugins of the block let it, or what [`Context::rest`] sent on for it, pass.
    passed: AtomicUsize,
}

/// A reply to a question of a search.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// What the plugins that the question passed have to do when the reply is given again; none when one has to see the
    /// question, or when nothing is learnt.
    pub(crate) duties: Option<Duties>,
}

/// A plugin of a block, as indexes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) plugin: usize,
}

/// Collects what happens to one query, for `explain`.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    steps: Mutex<Vec<Step>>,
}

/// One step of a query's way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// How deep the server was asking itself, or a plugin others: 0 for the client's own question.
    pub depth: u8,
    /// The plugin that acted; empty for the server.
    pub plugin: &'static str,
    /// What it did and why.
    pub text: String,
    /// From the arrival of the question until then.
    pub after: Duration,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        listener: ListenerId,
        trace: Option<&'a Trace>,
        asked: &'a Asked,
    ) -> Self {
        Self {
            engine,
            listener,
            place: Place::default(),
            depth: 0,
            level: 0,
            trace,
            asked,
            is_learning: false,
        }
    }

    /// Returns the same context for a question that the server asks itself.
    pub(super) fn asking<'b>(self, asked: &'b Asked) -> Context<'b>
    where
        'a: 'b,
    {
        Context { asked, is_learning: false, ..self }
    }

    /// Returns the same context for a question whose reply is kept if it lasts.
    pub(super) fn learning(self) -> Self {
        Self { is_learning: true, ..self }
    }

    /// Says whether the reply is kept if it says how long it lasts.
    pub fn is_learning(&self) -> bool {
        self.is_learning
    }

    /// Notes that the query, or what was sent on for it, passed the first plugins of its block.
    pub(super) fn note_passed(&self, plugins: usize) {
        self.asked.passed.fetch_max(plugins, Ordering::Relaxed);
    }

    pub(super) fn listener(&self) -> ListenerId {
        self.listener
    }

    /// Returns the same context at another place.
    pub(super) fn at(&self, place: Place) -> Self {
        Self { place, ..*self }
    }

    /// Says whether a plugin of the server reads the octets of messages.
    pub fn reads_messages(&self) -> bool {
        self.engine.reads_messages()
    }

    /// Returns the same context for another plugin of the block.
    pub(super) fn before(&self, plugin: usize) -> Self {
        self.at(Place { plugin, ..self.place })
    }

    /// Returns the index of the plugin that is asked first.
    pub(super) fn first_plugin(&self) -> usize {
        self.place.plugin
    }

    /// Says whether the server itself asks, with [`Context::lookup`], to complete an answer.
    pub fn is_own_lookup(&self) -> bool {
        self.depth > 0
    }

    /// Returns the question as the client, or the server itself in [`Context::lookup`], asked it: policy has to
    /// hold for it as well as for what earlier plugins made of it. For plugins that say so with
    /// [`Plugin::reads_asked`](crate::plugin::Plugin::reads_asked).
    pub fn asked(&self) -> &'a Asked {
        self.asked
    }

    fn block(&self) -> Option<&'a Block> {
        self.engine.block(self.place.block)
    }

    /// Asks the server itself through the whole chain of whichever block serves the name; none when
    /// the question is dropped or the server has asked itself [`MAX_LOOKUP_DEPTH`] times already.
    pub fn lookup(&self, query: Query) -> BoxFuture<'a, Option<Reply>> {
        if self.depth >= MAX_LOOKUP_DEPTH {
            self.note("", || format!("gave up after {MAX_LOOKUP_DEPTH} lookups for one answer"));
            self.count_cut("lookups");
            return Box::pin(std::future::ready(None));
        }
        self.engine.lookup(query, Self { depth: self.depth + 1, ..*self })
    }

    /// Counts an answer that a limit has cut short.
    pub(crate) fn count_cut(&self, limit: &str) {
        self.engine.count_cut(limit);
    }

    /// Returns the TTL of the answer if the next plugin that may answer the query holds it in memory; see
    /// [`Plugin::holds`](crate::plugin::Plugin::holds).
    pub fn held(&self, query: &Query) -> Option<u32> {
        self.next_to_answer()?.holds(query)
    }

    /// Says whether [`Context::held`] may come to return something for a query for which it returns nothing now.
    pub fn may_be_held(&self, query: &Query) -> bool {
        self.next_to_answer().is_some_and(|plugin| plugin.may_hold(query))
    }

    /// Returns the first plugin behind the one that asks that may answer a query.
    fn next_to_answer(&self) -> Option<&'a dyn Plugin> {
        let every_name = Name::root().into();
        let behind = self.block()?.plugins.get(self.place.plugin + 1..)?;
        behind.iter().map(|plugin| &**plugin).find(|plugin| !plugin.treats_alike(&every_name))
    }

    /// Sends a query, the client's own or another, through the plugins after the one that asks, and back
    /// through those that let it pass; none when it is dropped.
    ///
    /// For plugins that answer with a changed reply to a changed question, that ask twice, or that limit the
    /// time. The plugin that asks does not see the reply in [`Plugin::reply`](crate::plugin::Plugin::reply).
    pub fn rest(&self, query: Query) -> BoxFuture<'a, Option<Reply>> {
        self.rest_at(query, self.level)
    }

    /// Does as [`Context::rest`] does, one level deeper in an explanation: for a plugin that asks for one name after
    /// the other.
    pub fn rest_deeper(&self, query: Query) -> BoxFuture<'a, Option<Reply>> {
        self.rest_at(query, self.level.saturating_add(1))
    }

    /// Does as [`Context::rest_deeper`] does, and says what the plugins that the query passed have to do when the reply
    /// is given again; none when one of them has to see the query.
    pub(crate) fn rest_of_search(&self, mut query: Query) -> BoxFuture<'a, Option<Answer>> {
        let Some(block) = self.block() else { return Box::pin(std::future::ready(None)) };
        let first = self.place.plugin + 1;
        let outer = Self { level: self.level.saturating_add(1), ..self.before(first) };
        Box::pin(async move {
            let asked = Asked { question: outer.asked.question.clone(), ..Asked::default() };
            let reply = block.run(&mut query, &Context { asked: &asked, ..outer }).await;
            outer.note_passed(asked.passed());
            let reply = reply?;
            let places = first..=asked.passed();
            let is_learning = outer.is_learning;
            let duties = is_learning.then(|| block.duties(places, outer.listener, &query, &reply));
            Some(Answer { reply, duties: duties.flatten() })
        })
    }

    /// Returns the place of the plugin that asks in its block.
    pub(crate) fn plugin(&self) -> usize {
        self.place.plugin
    }

    fn rest_at(&self, mut query: Query, level: u8) -> BoxFuture<'a, Option<Reply>> {
        let Some(block) = self.block() else { return Box::pin(std::future::ready(None)) };
        let after = Self { level, ..self.before(self.place.plugin + 1) };
        Box::pin(async move { block.run(&mut query, &after).await })
    }

    /// Sends a reply of its own back through the plugins after the one that asks, as far as they let the query
    /// pass: when it gave up waiting for [`Context::rest`].
    pub fn send_back(&self, query: &Query, reply: &mut Reply) {
        let Some(block) = self.block() else { return };
        let passed = self.asked.passed().min(block.plugins.len());
        for at in (self.place.plugin + 1..passed).rev() {
            block.plugins[at].reply(query, reply, &self.before(at));
        }
    }

    /// Like [`Context::rest`], for a task that goes on when the client has its answer: to fill a cache.
    /// Nothing of it is explained.
    pub fn detached_rest(&self, query: Query) -> BoxFuture<'static, Option<Reply>> {
        let (engine, listener, place, depth, level) =
            (self.engine.clone(), self.listener, self.place, self.depth, self.level);
        let asked = Asked { question: self.asked.question.clone(), ..Asked::default() };
        Box::pin(async move {
            let asked = &asked;
            let context = Context {
                engine: &engine,
                listener,
                place,
                depth,
                level,
                trace: None,
                asked,
                is_learning: false,
            };
            context.rest(query).await
        })
    }

    /// Returns the metadata of a query in the block of the plugin that asks.
    pub fn metadata<'q>(&self, query: &'q Query) -> Metadata<'q>
    where
        'a: 'q,
    {
        self.block().map_or_else(Metadata::default, |block| Metadata::of(block, query))
    }

    /// Notes what a plugin did, when somebody asked for an explanation; logs it when `debug` wants every decision.
    pub fn note(&self, plugin: &'static str, text: impl FnOnce() -> String) {
        let Some(trace) = self.trace else {
            if is_debugging() {
                let plugin = if plugin.is_empty() { "server" } else { plugin };
                let name =
                    self.asked.question.as_ref().map(|(name, _)| tracing::field::display(name));
                tracing::debug!(name, plugin, step = text(), "decided");
            }
            return;
        };
        let depth = self.depth.saturating_add(self.level);
        let step = Step { depth, plugin, text: text(), after: trace.start.elapsed() };
        if let Ok(mut steps) = trace.steps.lock() {
            steps.push(step);
        }
    }

    pub(super) fn trace(&self) -> Option<&'a Trace> {
        self.trace
    }

    /// Says whether the question is that of `explain`: nobody asks for its answer, which leaves no trace in caches
    /// and logs.
    pub fn is_explanation(&self) -> bool {
        self.trace.is_some()
    }

    /// Says whether somebody wants an explanation, so that it is worth its price.
    pub fn is_explaining(&self) -> bool {
        self.trace.is_some() || is_debugging()
    }
}

/// Says whether decisions are logged; costs a load from memory when they are not.
pub(super) fn is_debugging() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl Asked {
    pub(super) fn keeping(query: &Query) -> Self {
        Self { question: Some((query.lower.clone(), query.qtype)), ..Self::default() }
    }

    /// Returns the question of which a query is made; the query's own if nobody said that it is read.
    pub fn question<'q>(&'q self, query: &'q Query) -> (&'q LowerName, RecordType) {
        let kept = self.question.as_ref().map(|(name, qtype)| (name, *qtype));
        kept.unwrap_or((&query.lower, query.qtype))
    }

    /// Returns how many plugins of the block let the question pass.
    pub(super) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }

    /// Says whether this is the question of a query.
    pub fn is(&self, query: &Query) -> bool {
        self.question(query) == (&query.lower, query.qtype)
    }
}

impl Trace {
    /// Returns the steps in the order in which they happened.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps.into_inner().unwrap_or_default()
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self { start: Instant::now(), steps: Mutex::default() }
    }
}
