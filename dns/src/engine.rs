//! Server blocks and the way of a query through one of them.

mod context;
mod metadata;
mod router;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName};
use prometheus::IntCounterVec;

pub(crate) use context::Answer;
pub use context::{Asked, Context, Step, Trace};
pub use metadata::Metadata;
pub use router::Router;

use self::context::Place;
use crate::direct::{Lacking, ReadAhead, Uncounted, Zones};
use crate::plugin::cookie::CookieConfig;
use crate::plugin::{Filter, Handling, Outcome, Plugin};
use crate::repeat::Duties;
use crate::reply::ExtendedErrorCode;
use crate::wire::Arrival;
use crate::{Query, Repetition, Reply};

/// How often the server may ask itself while it completes one answer: ExternalName to ExternalName
/// and so on.
pub const MAX_LOOKUP_DEPTH: u8 = 10;

/// A server block, configured.
#[derive(Debug)]
pub struct Block {
    /// Where the Corefile declares it: `file:line`.
    pub position: String,
    /// Its plugins in the order in which queries pass them.
    pub plugins: Vec<Box<dyn Plugin>>,
    /// `view`: which queries the block takes; all without one.
    pub view: Option<Arc<dyn Filter>>,
    /// `metadata`: the zones in whose names queries have metadata; none without the plugin.
    pub metadata: Vec<LowerName>,
    /// `cookie`, which holds for all blocks.
    pub cookie: Option<Arc<CookieConfig>>,
}

/// Every server block, and which zones each serves on which listener.
///
/// Immutable; a reload makes a new one. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    blocks: Vec<Block>,
    routers: Vec<(ListenerId, Router)>,
    /// What is answered directly on each listener.
    direct: Vec<(ListenerId, Zones)>,
    reads_messages: bool,
    tells_clients_apart: bool,
    has_views: bool,
    changes_queries: bool,
    reads_asked: bool,
    cookie: Arc<CookieConfig>,
    /// Answers that a limit has cut short, by `limit`; none until there is a server that counts.
    cut: OnceLock<IntCounterVec>,
}

/// A listener, by a number that it keeps as long as the process lives:
/// [`ListenerIds`](crate::config::ListenerIds) gives it out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ListenerId(pub usize);

/// An answer and the block that gave it.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The block; none when no zone matches.
    pub block: Option<&'a Block>,
    /// How many plugins of the block saw the query, or what was sent on for it, and let it pass: those that see
    /// what was sent.
    pub passed: usize,
    /// The reply; none when the query is dropped.
    pub reply: Option<Reply>,
}

impl Engine {
    /// Returns the engine of these blocks and of listeners that are counted from 0; a router's entries are
    /// indexes into `blocks`.
    pub fn new(blocks: Vec<Block>, routers: Vec<Router>) -> Self {
        let numbered = routers.into_iter().enumerate();
        Self::of_listeners(blocks, numbered.map(|(id, router)| (ListenerId(id), router)).collect())
    }

    /// Returns the engine of these blocks and listeners; a router's entries are indexes into `blocks`.
    pub fn of_listeners(blocks: Vec<Block>, routers: Vec<(ListenerId, Router)>) -> Self {
        let plugins = || blocks.iter().flat_map(|block| &block.plugins);
        let direct = routers.iter().map(|(id, router)| (*id, Zones::of(&blocks, router)));
        let inner = Inner {
            direct: direct.collect(),
            reads_messages: plugins().any(|plugin| plugin.reads_messages()),
            changes_queries: plugins().any(|plugin| plugin.changes_queries()),
            reads_asked: plugins().any(|plugin| plugin.reads_asked()),
            cookie: blocks.iter().find_map(|block| block.cookie.clone()).unwrap_or_default(),
            tells_clients_apart: plugins().any(|plugin| plugin.tells_clients_apart()),
            has_views: blocks.iter().any(|block| block.view.is_some()),
            cut: OnceLock::new(),
            blocks,
            routers,
        };
        Self(Arc::new(inner))
    }

    /// Returns the server blocks in the order of the Corefile.
    pub fn blocks(&self) -> &[Block] {
        &self.0.blocks
    }

    /// Counts answers that a limit has cut short, by `limit`: `lookups`, `cluster_aliases`, `zone_aliases`.
    pub(crate) fn count_cuts_with(&self, counter: &IntCounterVec) {
        // One that has been given before is the same.
        let _ = self.0.cut.set(counter.clone());
    }

    fn count_cut(&self, limit: &str) {
        if let Some(counter) = self.0.cut.get() {
            counter.with_label_values(&[limit]).inc();
        }
    }

    /// Returns what the server does with DNS Cookies.
    pub fn cookie(&self) -> &CookieConfig {
        &self.0.cookie
    }

    /// Says whether a plugin reads the octets of messages.
    pub fn reads_messages(&self) -> bool {
        self.0.reads_messages
    }

    /// Returns the class of a client: all clients of one get the same answers. 0 when no plugin tells clients apart.
    pub(crate) fn client_class(&self, client: IpAddr) -> u64 {
        if !self.0.tells_clients_apart {
            return 0;
        }
        let plugins = self.0.blocks.iter().flat_map(|block| &block.plugins);
        let mut hasher = DefaultHasher::new();
        plugins.filter_map(|plugin| plugin.client_class(client)).for_each(|c| c.hash(&mut hasher));
        hasher.finish()
    }

    /// Says whether the same question may belong to different blocks, by something else than its name.
    pub(crate) fn has_views(&self) -> bool {
        self.0.has_views
    }

    /// Reads messages that came in on a listener together, and writes the replies to those that are answered directly;
    /// see [`Zones::write`].
    pub(crate) fn write_directly<'m>(
        &self,
        listener: ListenerId,
        messages: impl Iterator<Item = (&'m [u8], &'m mut Vec<u8>)>,
        ahead: &mut [ReadAhead],
    ) {
        match self.direct_zones(listener) {
            Some(zones) => zones.write(&self.0.blocks, messages, ahead),
            None => ahead.iter_mut().for_each(ReadAhead::clear),
        }
    }

    /// Gives the reply to a message on a listener, if one has been written; see [`Zones::give`].
    pub(crate) fn give_directly(
        &self,
        listener: ListenerId,
        message: &[u8],
        ahead: &ReadAhead,
        arrival: Arrival,
        uncounted: &mut Uncounted,
        reply: &mut [u8],
    ) -> Result<bool, Lacking> {
        let zones = self.direct_zones(listener);
        zones.map_or(Ok(false), |zones| zones.give(message, ahead, arrival, uncounted, reply))
    }

    /// Counts what has been answered directly on a listener; see [`Zones::count`].
    pub(crate) fn count(&self, listener: ListenerId, uncounted: &mut Uncounted) {
        if let Some(zones) = self.direct_zones(listener) {
            zones.count(uncounted);
        }
    }

    fn direct_zones(&self, listener: ListenerId) -> Option<&Zones> {
        self.0.direct.iter().find(|(id, _)| *id == listener).map(|(_, zones)| zones)
    }

    /// Says whether a plugin may change the query that [`Engine::answer`] gets.
    pub fn changes_queries(&self) -> bool {
        self.0.changes_queries
    }

    /// Returns the question of a query, kept if somebody reads it.
    fn asked(&self, query: &Query, trace: Option<&Trace>) -> Asked {
        let is_read = self.0.reads_asked || trace.is_some() || context::is_debugging();
        if is_read { Asked::keeping(query) } else { Asked::default() }
    }

    /// Answers a query that came in on a listener.
    ///
    /// Total: every query gets a reply unless a plugin drops it.
    pub async fn answer<'a>(
        &'a self,
        listener: ListenerId,
        query: &mut Query,
        trace: Option<&Trace>,
    ) -> Answered<'a> {
        let asked = self.asked(query, trace);
        let context = Context::new(self, listener, trace, &asked);
        self.answer_in(query, &context).await
    }

    /// Answers a query that came in on a listener, as [`Engine::answer`] does, for a reply that is kept if it lasts.
    pub(crate) async fn answer_to_keep<'a>(
        &'a self,
        listener: ListenerId,
        query: &mut Query,
    ) -> Answered<'a> {
        let asked = self.asked(query, None);
        let context = Context::new(self, listener, None, &asked).learning();
        self.answer_in(query, &context).await
    }

    async fn answer_in<'a>(&'a self, query: &mut Query, context: &Context<'_>) -> Answered<'a> {
        let Some((index, block)) = self.route(query, context) else {
            let reply = Reply::refused(
                ExtendedErrorCode::NotAuthoritative,
                "no server block serves this name",
            );
            context.note("", || "no server block of this listener serves the name: REFUSED".into());
            return Answered { block: None, passed: 0, reply: Some(reply) };
        };
        context.note("", || format!("server block at {}", block.position));
        if query.qclass != DNSClass::IN && !block.takes_any_class() {
            let reply =
                Reply::refused(ExtendedErrorCode::NotAuthoritative, "only the class IN is served");
            return Answered { block: Some(block), passed: 0, reply: Some(reply) };
        }
        let context = context.at(Place { block: index, plugin: 0 });
        let reply = block.run(query, &context).await;
        Answered { block: Some(block), passed: context.asked().passed(), reply }
    }

    /// Returns the first listener where a server block serves the query's name.
    pub fn listener_for(&self, query: &Query) -> Option<ListenerId> {
        let serves = |router: &Router| router.blocks_of(&query.lower, query.qtype).next().is_some();
        self.0.routers.iter().find(|(_, router)| serves(router)).map(|(id, _)| *id)
    }

    /// Returns the number of the server block that a query on a listener belongs to.
    pub(crate) fn block_of(&self, listener: ListenerId, query: &Query) -> Option<usize> {
        let asked = self.asked(query, None);
        let context = Context::new(self, listener, None, &asked);
        self.route(query, &context).map(|(index, _)| index)
    }

    /// Returns the first block for the name that takes the query, with its index.
    fn route(&self, query: &Query, context: &Context<'_>) -> Option<(usize, &Block)> {
        let listener = context.listener();
        let (_, router) = self.0.routers.iter().find(|(id, _)| *id == listener)?;
        let mut blocks = router.blocks_of(&query.lower, query.qtype);
        blocks.find_map(|index| {
            let block = self.0.blocks.get(index)?;
            let takes = block.takes(query);
            if let Some(view) = &block.view {
                let verb = if takes { "takes" } else { "does not take" };
                context.note("view", || {
                    format!("the view {} of {} {verb} the query", view.name(), block.position)
                });
            }
            takes.then_some((index, block))
        })
    }

    fn block(&self, index: usize) -> Option<&Block> {
        self.0.blocks.get(index)
    }

    /// Asks the server itself, as a client of the same listener would.
    pub(crate) fn lookup<'a>(
        &'a self,
        mut query: Query,
        context: Context<'a>,
    ) -> BoxFuture<'a, Option<Reply>> {
        Box::pin(async move {
            let asked = self.asked(&query, context.trace());
            self.answer_in(&mut query, &context.asking(&asked)).await.reply
        })
    }
}

impl<'a> Answered<'a> {
    /// Returns the metadata of the query as it was asked.
    pub fn metadata(&self, asked: &'a Query) -> Metadata<'a> {
        self.block.map_or_else(Metadata::default, |block| Metadata::of(block, asked))
    }
}

impl Block {
    /// Returns what the plugins at some places have to do for a reply to a query that is given again; none when one has
    /// to see the query.
    pub(crate) fn duties(
        &self,
        places: RangeInclusive<usize>,
        listener: ListenerId,
        query: &Query,
        reply: &Reply,
    ) -> Option<Duties> {
        let (mut is_ordered, mut counts) = (false, Vec::new());
        for plugin in self.plugins.get(places)? {
            match plugin.repetition(listener, query, reply) {
                Repetition::Never => return None,
                Repetition::Nothing => {}
                Repetition::Order => is_ordered = true,
                Repetition::Count(count) => counts.push(count),
            }
        }
        Some(Duties { counts: counts.into(), is_ordered })
    }

    /// Returns a block that takes every query, without metadata.
    pub fn new(position: impl Into<String>, plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self { position: position.into(), plugins, view: None, metadata: Vec::new(), cookie: None }
    }

    /// Says whether the block's view takes the query.
    fn takes(&self, query: &Query) -> bool {
        let metadata = Metadata::of(self, query);
        self.view.as_ref().is_none_or(|view| view.takes(query, &metadata))
    }

    /// Says whether the block may answer other classes than IN.
    fn takes_any_class(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin.takes_any_class())
    }

    /// Sends a query through the plugins from the context's place on, and the reply back through those that
    /// let it pass.
    async fn run(&self, query: &mut Query, context: &Context<'_>) -> Option<Reply> {
        let (passed, reply) = self.run_in(query, context).await;
        context.note_passed(passed);
        let mut reply = reply?;
        for at in (context.first_plugin()..passed).rev() {
            self.plugins[at].reply(query, &mut reply, &context.before(at));
        }
        Some(reply)
    }

    /// Sends a query on its way in. Also returns the index of the plugin that answered.
    async fn run_in(&self, query: &mut Query, context: &Context<'_>) -> (usize, Option<Reply>) {
        for (at, plugin) in self.plugins.iter().enumerate().skip(context.first_plugin()) {
            let context = context.before(at);
            let outcome = match plugin.query(query, &context) {
                Handling::Now(outcome) => outcome,
                Handling::Later(future) => {
                    // Who waits may give up, and then has to know how far the query came.
                    context.note_passed(at);
                    future.await
                }
            };
            match outcome {
                Outcome::Next => {}
                Outcome::Reply(mut reply) => {
                    // A reply that came from a later plugin keeps that one's name.
                    if reply.plugin.is_empty() {
                        reply.plugin = plugin.name();
                    }
                    return (at, Some(reply));
                }
                Outcome::Drop => return (at, None),
            }
        }
        (self.plugins.len(), Some(self.unanswered(context)))
    }

    /// Returns the reply to a query that every plugin let pass.
    fn unanswered(&self, context: &Context<'_>) -> Reply {
        context.note("", || "no plugin of the block answers".into());
        if self.plugins.is_empty() {
            let why = "the server block has no plugins";
            return Reply::refused(ExtendedErrorCode::NotAuthoritative, why);
        }
        let why = format!("no plugin of the server block at {} answers this query", self.position);
        let told = "no plugin of the server block answers this query";
        Reply::server_failure(ExtendedErrorCode::Other, why).telling(told)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.position)
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new(ResponseCode::NoError)
    }
}
