//! `autopath`: follows the search list of clients for them, so that one question does instead of one for each
//! element.
//!
//! ```text
//! client asks  www.example.com.shop.svc.cluster.local.   NXDOMAIN
//!              www.example.com.svc.cluster.local.        NXDOMAIN
//!              www.example.com.cluster.local.            NXDOMAIN
//!              www.example.com.                          the answer, with a CNAME in front of it
//! ```

mod config;
mod search_list;

pub use config::{AutopathConfig, SearchList};

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record};
use prometheus::IntCounter;

use super::{Handling, Outcome, Plugin, PluginMetrics};
use crate::engine::Context;
use crate::{Query, Reply};

const NAME: &str = "autopath";

/// Tells the search lists of clients.
pub trait SearchPaths: Send + Sync {
    /// Returns the search list of a client that asks for a name, in its order, without the final root; none when
    /// it is not known for sure whose address it is. A guess would give answers of another namespace.
    fn search_path(&self, client: IpAddr, name: &LowerName) -> Option<Vec<Name>>;
}

/// Answers questions for a name below the first element of the client's search list with the first answer of
/// all elements, and last of the name itself, that is not NXDOMAIN.
///
/// Every candidate goes to the plugins after this one, `acl` among them, which see the name that is really asked
/// for (coredns#8290). The first answer that is not NXDOMAIN counts, also an error. When there is none the reply
/// is that of the first candidate, which is the name as it was asked.
pub struct Autopath {
    zones: Vec<LowerName>,
    paths: Paths,
    success: IntCounter,
}

/// Where search lists come from.
enum Paths {
    /// The same for every client.
    Fixed(Vec<Name>),
    /// By client.
    ByClient(Arc<dyn SearchPaths>),
}

impl Autopath {
    /// Returns a plugin with the same search list for every client.
    pub fn fixed(
        zones: Vec<LowerName>,
        search: Vec<Name>,
        server: &str,
        metrics: &PluginMetrics,
    ) -> Self {
        Self::new(zones, Paths::Fixed(search), server, metrics)
    }

    /// Returns a plugin that asks for the search list of each client.
    pub fn by_client(
        zones: Vec<LowerName>,
        paths: Arc<dyn SearchPaths>,
        server: &str,
        metrics: &PluginMetrics,
    ) -> Self {
        Self::new(zones, Paths::ByClient(paths), server, metrics)
    }

    fn new(zones: Vec<LowerName>, paths: Paths, server: &str, metrics: &PluginMetrics) -> Self {
        let success = metrics.autopath_success.with_label_values(&[server]);
        Self { zones, paths, success }
    }

    /// Returns what the client looks for, and the search list; none when the question is not the first of a
    /// search.
    fn search(&self, query: &Query, context: &Context<'_>) -> Option<Search> {
        match &self.paths {
            Paths::Fixed(list) => Search::of(query, list),
            Paths::ByClient(paths) => {
                let client = query.client.ip().to_canonical();
                let list = paths.search_path(client, &query.lower);
                if list.is_none() {
                    context.note(NAME, || format!("{client} is no known pod: nothing is searched"));
                }
                Search::of(query, &list?)
            }
        }
    }

    async fn follow(&self, query: &Query, search: Search, context: &Context<'_>) -> Outcome {
        let mut first = None;
        for candidate in search.candidates {
            let question = query.for_question(candidate.clone(), query.qtype);
            context.note(NAME, || format!("tries {candidate}"));
            let Some(reply) = context.rest_deeper(question).await else { return Outcome::Drop };
            if reply.rcode == ResponseCode::NXDomain {
                first.get_or_insert(reply);
                continue;
            }
            context.note(NAME, || format!("{candidate} is the first name that exists"));
            if reply.rcode == ResponseCode::NoError {
                self.success.inc();
            }
            return Outcome::Reply(aliased(query, candidate, reply));
        }
        context.note(NAME, || "no element of the search list has the name".into());
        first.map_or(Outcome::Next, Outcome::Reply)
    }
}

/// A search that a question begins.
struct Search {
    /// The names to ask for; the first is the one that was asked.
    candidates: Vec<Name>,
}

impl Search {
    /// Returns the search of a question with this search list; none when its name is not below the first
    /// element.
    fn of(query: &Query, list: &[Name]) -> Option<Self> {
        let first = list.first()?;
        let own = query.name.num_labels().checked_sub(first.num_labels()).filter(|own| *own > 0)?;
        if first.is_root() || !first.zone_of(&query.name) {
            return None;
        }
        let labels: Vec<&[u8]> = query.name.iter().take(usize::from(own)).collect();
        let under = |element: &Name| {
            // One that is too long is no name, and so does not exist.
            let mut name = Name::from_labels(labels.iter().copied().chain(element.iter())).ok()?;
            name.set_fqdn(true);
            Some(name)
        };
        let others = list[1..].iter().filter(|element| !element.is_root()).filter_map(under);
        let mut candidates = vec![query.name.clone()];
        candidates.extend(others);
        candidates.extend(under(&Name::root()));
        Some(Self { candidates })
    }
}

/// Returns the reply to a candidate as one to the question: with a CNAME that leads to it when it has records.
fn aliased(query: &Query, candidate: Name, mut reply: Reply) -> Reply {
    let Some(first) = reply.answers.first().filter(|_| candidate != query.name) else {
        return reply;
    };
    let (ttl, target) = (first.ttl, RData::CNAME(CNAME(candidate)));
    reply.answers.insert(0, Record::from_rdata(query.name.clone(), ttl, target));
    // Nobody has signed the CNAME.
    reply.authentic_data = false;
    reply
}

impl Plugin for Autopath {
    fn name(&self) -> &'static str {
        NAME
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qclass != DNSClass::IN || !self.zones.iter().any(|zone| zone.zone_of(&query.lower))
        {
            return Handling::NEXT;
        }
        let Some(search) = self.search(query, context) else { return Handling::NEXT };
        Handling::Later(Box::pin(self.follow(query, search, context)))
    }
}

impl std::fmt::Debug for Autopath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Autopath").field("zones", &self.zones).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
