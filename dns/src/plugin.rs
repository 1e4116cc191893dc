//! What a plugin is, and which there are.
//!
//! A query passes the plugins of its server block in a fixed order (CoreDNS's, not that of the
//! Corefile). Each looks at it on the way in, and either answers or lets it pass; those that let
//! it pass see the reply on the way out, last one first.

pub mod acl;
pub mod any;
pub(crate) mod arguments;
pub mod autopath;
pub mod bind;
pub mod bufsize;
pub mod cache;
pub mod cancel;
pub mod chaos;
pub mod cookie;
pub(crate) mod debug;
mod directive;
pub mod dns64;
pub mod dnstap;
pub mod erratic;
pub mod errors;
mod expression;
mod fallthrough;
pub mod file;
pub mod forward;
pub mod header;
pub mod health;
pub mod hosts;
pub mod k8s_external;
pub mod kubernetes;
mod line_sink;
mod listen_address;
pub mod loadbalance;
pub mod local;
pub mod log;
pub mod r#loop;
pub mod metadata;
pub mod minimal;
pub(crate) mod mnemonic;
pub mod multisocket;
pub(crate) mod name_text;
pub mod nsid;
mod plugin_metrics;
pub mod prometheus;
pub mod ratelimit;
pub mod ready;
pub(crate) mod record_text;
mod regular_expression;
pub mod reload;
pub mod rewrite;
pub mod root;
#[cfg(test)]
pub(crate) mod scripted;
mod setup;
pub mod stream_limits;
mod target_name;
pub mod template;
#[cfg(test)]
pub(crate) mod testing;
pub mod timeouts;
pub mod tls;
pub mod view;
pub mod whoami;

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use fallthrough::Fallthrough;
pub use line_sink::{Field, FieldValue, Level, LineSink};
pub use listen_address::{ListenAddress, ListenAddressError, ListenHost};
pub use plugin_metrics::PluginMetrics;
pub use setup::{Setup, SetupError, Site};

use hickory_proto::rr::LowerName;

use crate::direct::Draft;
use crate::engine::{Context, ListenerId, Metadata};
use crate::{Query, Repetition, Reply};

/// A plugin of a server block, configured.
pub trait Plugin: Send + Sync + Debug {
    /// Returns the name as the Corefile spells it.
    fn name(&self) -> &'static str;

    /// Looks at a query on its way in, and may change it.
    ///
    /// Answers what it can decide from memory at once; what has to wait is returned as a future, so that
    /// the usual path never becomes a task.
    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a>;

    /// Looks at a reply on its way out, when the plugin let the query pass.
    fn reply(&self, _query: &Query, _reply: &mut Reply, _context: &Context<'_>) {}

    /// Learns what was sent to the client, when the plugin let the query pass, or what another plugin sent on for
    /// it with [`Context::rest`].
    fn sent(&self, _query: &Query, _sent: &Sent<'_>) {}

    /// Returns what the plugin knows about a query under a label such as `kubernetes/service`.
    fn metadata(&self, _label: &str, _query: &Query) -> Option<String> {
        None
    }

    /// Says what the plugin has to do when the reply, which it let pass, is sent again to the same question, or gave
    /// itself. A plugin that says nothing else sees every query.
    fn repetition(&self, _listener: ListenerId, _query: &Query, _reply: &Reply) -> Repetition {
        Repetition::Never
    }

    /// Returns the TTL of all records of the answer, in seconds, if the plugin gives it from memory, always up to date,
    /// so that no cache has to.
    fn holds(&self, _query: &Query) -> Option<u32> {
        None
    }

    /// Says whether [`Plugin::holds`] may come to return something for a query for which it returns nothing now.
    fn may_hold(&self, _query: &Query) -> bool {
        false
    }

    /// Returns the zones for whose usual names the plugin writes answers itself; see [`crate::direct`].
    fn direct_zones(&self) -> Vec<LowerName> {
        Vec::new()
    }

    /// Writes the replies to questions about names in these zones, and says of each what it says, unless the plugins
    /// have to answer it. The questions came in together, so that what they need can be looked up together.
    fn answer_directly(&self, _drafts: &mut [Draft<'_>]) {}

    /// Says whether questions for every name of a zone pass the plugin, and whether [`Plugin::repetition`] says of
    /// their replies the same if their type, their rcode, and whether there are records, are the same.
    fn treats_alike(&self, _zone: &LowerName) -> bool {
        false
    }

    /// Returns the class of a client, if the plugin answers the same question of different clients differently: those
    /// of one class get the same answers. The number means nothing outside of the plugin.
    fn client_class(&self, _client: IpAddr) -> Option<u64> {
        None
    }

    /// Says whether [`Plugin::client_class`] may return a class.
    fn tells_clients_apart(&self) -> bool {
        false
    }

    /// Says whether the plugin reads the octets of the client's message, in [`Sent::question`].
    fn reads_messages(&self) -> bool {
        false
    }

    /// Says whether [`Plugin::query`] may change the query in its place; what goes on by [`Context::rest`] is none.
    fn changes_queries(&self) -> bool {
        false
    }

    /// Says whether the plugin reads the question as it was asked, [`Context::asked`].
    fn reads_asked(&self) -> bool {
        false
    }

    /// Says whether the plugin may answer other classes than IN; a block without such a plugin refuses them.
    fn takes_any_class(&self) -> bool {
        false
    }
}

/// Chooses the queries that a server block takes: `view`.
pub trait Filter: Send + Sync + Debug {
    /// Returns the name of the view, for metrics and metadata.
    fn name(&self) -> &str;

    /// Says whether the block takes the query.
    fn takes(&self, query: &Query, metadata: &Metadata<'_>) -> bool;
}

/// A reply that was sent.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sent<'a> {
    /// The reply; none when the query was dropped.
    pub reply: Option<&'a Reply>,
    /// The size of its message in octets; 0 when the query was dropped.
    pub size: usize,
    /// The octets of the client's message; empty unless a plugin of the server reads them.
    pub question: &'a [u8],
    /// The octets of the message; empty when the query was dropped.
    pub message: &'a [u8],
    /// The TC bit of the message.
    pub truncated: bool,
    /// From the arrival of the query until the reply was ready to be sent.
    pub elapsed: Duration,
    /// What the plugins of the block know about the query.
    pub metadata: Metadata<'a>,
    /// Where the query came in.
    pub listener: ListenerId,
}

impl Sent<'_> {
    /// Returns what is known about the query, or about its answer, under a label.
    pub fn metadata_of(&self, label: &str) -> Option<String> {
        if label == "forward/upstream" {
            return self.reply?.upstream.as_deref().map(str::to_owned);
        }
        self.metadata.get(label)
    }
}

/// What a plugin does with a query.
pub enum Handling<'a> {
    /// Done.
    Now(Outcome),
    /// The outcome needs I/O.
    Later(BoxFuture<'a, Outcome>),
}

/// How a plugin handled a query.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for every answer, and a reply moves but a few times"
)]
#[derive(Debug)]
pub enum Outcome {
    /// The next plugin shall look at it.
    Next,
    /// The answer. The plugin's name is added unless it has one, from [`Context::rest`].
    Reply(Reply),
    /// No answer is sent.
    Drop,
}

impl Handling<'_> {
    /// The query passes on.
    pub const NEXT: Self = Self::Now(Outcome::Next);

    /// The query is answered.
    pub fn reply(reply: Reply) -> Self {
        Self::Now(Outcome::Reply(reply))
    }
}
