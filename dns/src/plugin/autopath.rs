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
use crate::engine::{Answer, Context, ListenerId};
use crate::repeat::{Counts, Duties, Searched};
use crate::{Again, Count, Lasting, Query, Repetition, Reply};

const NAME: &str = "autopath";

/// Tells the search lists of clients.
pub trait SearchPaths: Send + Sync {
    /// Returns the search list of a client that asks for a name.
    fn search_path(&self, client: IpAddr, name: &LowerName) -> SearchPath;

    /// Returns the class of a client: those of one class have the same search list for the same name.
    fn class(&self, client: IpAddr) -> u64;
}

/// The search list of a client.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SearchPath {
    /// In its order, without the final root; none when it is not known for sure whose address it is. A guess would
    /// give answers of another namespace.
    pub list: Option<Vec<Name>>,
    /// The class of the client, at the same moment.
    pub class: u64,
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

    fn serves(&self, query: &Query) -> bool {
        query.qclass == DNSClass::IN && self.zones.iter().any(|zone| zone.zone_of(&query.lower))
    }

    /// Returns what the client looks for; none when the question is not the first of a search.
    ///
    /// A question whose reply is to be kept is one in any case, if clients are told apart: so it is known for which
    /// clients the reply is.
    fn search(&self, query: &Query, context: &Context<'_>) -> Option<Search> {
        let (candidates, class) = match &self.paths {
            Paths::Fixed(list) => (candidates(query, list), None),
            Paths::ByClient(paths) => {
                let client = query.client.ip().to_canonical();
                let SearchPath { list, class } = paths.search_path(client, &query.lower);
                if list.is_none() {
                    context.note(NAME, || format!("{client} is no known pod: nothing is searched"));
                }
                (list.and_then(|list| candidates(query, &list)), Some(class))
            }
        };
        match candidates {
            Some(candidates) => Some(Search { candidates, class }),
            None if context.is_learning() => {
                Some(Search { candidates: vec![query.name.clone()], class })
            }
            None => None,
        }
    }

    async fn follow(&self, query: &Query, search: Search, context: &Context<'_>) -> Outcome {
        let Search { candidates, class } = search;
        let is_search = candidates.len() > 1;
        let (mut first, mut steps) = (None, Steps::default());
        for (at, candidate) in candidates.into_iter().enumerate() {
            let question = query.for_question(candidate.clone(), query.qtype);
            if is_search {
                context.note(NAME, || format!("tries {candidate}"));
            }
            let Some(Answer { mut reply, duties }) = context.rest_of_search(question).await else {
                return Outcome::Drop;
            };
            steps.add(&mut reply, duties);
            if reply.rcode == ResponseCode::NXDomain {
                first.get_or_insert(reply);
                continue;
            }
            if is_search {
                context.note(NAME, || format!("{candidate} is the first name that exists"));
                if reply.rcode == ResponseCode::NoError {
                    self.success.inc();
                    steps.count_with(&self.success);
                }
            }
            reply.lasting = steps.lasting(at, context.plugin(), class);
            return Outcome::Reply(aliased(query, candidate, reply));
        }
        if is_search {
            context.note(NAME, || "no element of the search list has the name".into());
        }
        let reply = first.map(|mut reply| {
            reply.lasting = steps.lasting(0, context.plugin(), class);
            reply
        });
        reply.map_or(Outcome::Next, Outcome::Reply)
    }
}

/// A search that a question begins.
struct Search {
    /// The names to ask for; the first is the one that was asked.
    candidates: Vec<Name>,
    /// The class of the client, where clients are told apart.
    class: Option<u64>,
}

/// Counts searches whose replies are given again.
#[derive(Debug)]
struct Success(IntCounter);

impl Count for Success {
    fn count(&self, again: Again<'_>) {
        self.0.inc_by(again.number());
    }
}

/// How long the replies of a search last, and what has to be done when they are given again.
struct Steps(Option<Vec<(Lasting, Duties)>>);

impl Default for Steps {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Steps {
    /// Adds a reply. One that does not last makes the whole search such.
    fn add(&mut self, reply: &mut Reply, duties: Option<Duties>) {
        let lasting = reply.lasting.take().map(|lasting| *lasting);
        match (&mut self.0, lasting.zip(duties)) {
            (Some(steps), Some(step)) => steps.push(step),
            _ => self.0 = None,
        }
    }

    /// Counts the search when its reply is given again.
    fn count_with(&mut self, counter: &IntCounter) {
        let counts: Counts = Box::new([Arc::new(Success(counter.clone())) as _]);
        let last = self.0.as_mut().and_then(|steps| steps.last_mut());
        if let Some((_, duties)) = last {
            duties.counts = duties.counts.iter().chain(&counts).cloned().collect();
        }
    }

    /// Returns how long the reply of a step lasts, as that of the search by a plugin.
    fn lasting(self, given: usize, plugin: usize, class: Option<u64>) -> Option<Box<Lasting>> {
        let (mut others, duties): (Vec<_>, Vec<_>) = self.0?.into_iter().unzip();
        if given >= others.len() {
            return None;
        }
        let found = others.remove(given);
        let searched = Searched { found, others, duties, plugin, class };
        Some(Box::new(Lasting::Searched(Box::new(searched))))
    }
}

/// Returns the names to ask for, for a question by a client with this search list; none when its name is not below the
/// first element.
fn candidates(query: &Query, list: &[Name]) -> Option<Vec<Name>> {
    let first = list.first()?;
    // Not `num_labels`, which leaves out a leading `*`.
    let own = query.name.iter().count().checked_sub(first.iter().count()).filter(|own| *own > 0)?;
    if first.is_root() || !first.zone_of(&query.name) {
        return None;
    }
    let labels: Vec<&[u8]> = query.name.iter().take(own).collect();
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
    Some(candidates)
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
        if !self.serves(query) {
            return Handling::NEXT;
        }
        let Some(search) = self.search(query, context) else { return Handling::NEXT };
        Handling::Later(Box::pin(self.follow(query, search, context)))
    }

    fn repetition(&self, _: ListenerId, query: &Query, reply: &Reply) -> Repetition {
        if !self.serves(query) {
            return Repetition::Nothing;
        }
        match reply.lasting.as_deref() {
            // It has its own part in the duties.
            Some(Lasting::Searched(_)) => Repetition::Nothing,
            _ => Repetition::Never,
        }
    }

    fn tells_clients_apart(&self) -> bool {
        matches!(self.paths, Paths::ByClient(_))
    }

    fn client_class(&self, client: IpAddr) -> Option<u64> {
        match &self.paths {
            Paths::Fixed(_) => None,
            Paths::ByClient(paths) => Some(paths.class(client)),
        }
    }
}

impl std::fmt::Debug for Autopath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Autopath").field("zones", &self.zones).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
