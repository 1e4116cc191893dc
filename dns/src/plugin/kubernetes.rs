//! The plugin `kubernetes`: names of a cluster, from a snapshot of it.

mod config;
mod options;

use std::fmt::Debug;
use std::sync::Arc;

use cluster::{Cluster, Grounds, Stamps};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName};

pub use config::{ClusterOrigin, KubernetesConfig, TlsFiles};

use super::{Fallthrough, Handling, Outcome, Plugin};
use crate::direct::Draft;
use crate::engine::{Context, ListenerId};
use crate::kubernetes::{
    Answer, Chase, DirectZone, Question, Rule, Status, Zone, answer, is_of_its_parts, metadata,
    nearest, parts,
};
use crate::{ExtendedErrorCode, Lasting, Query, Repetition, Reply};

/// Gives the state of the cluster: a live source, or a fixed snapshot.
pub trait ClusterView: Send + Sync + Debug {
    /// Returns the newest snapshot. Must not block.
    fn snapshot(&self) -> Arc<Cluster>;

    /// Returns the stamps that are counted up when snapshots change; none when nothing counts them.
    fn stamps(&self) -> Option<&Arc<Stamps>> {
        None
    }
}

impl ClusterView for Arc<Cluster> {
    fn snapshot(&self) -> Arc<Cluster> {
        Arc::clone(self)
    }
}

/// Answers questions about the zones of one cluster.
#[derive(Debug)]
pub struct Kubernetes {
    zone: Zone,
    fallthrough: Fallthrough,
    view: Arc<dyn ClusterView>,
    direct: Vec<DirectZone>,
}

impl Kubernetes {
    /// Returns the plugin of a block that serves `zone` from `view`.
    pub fn new(zone: Zone, fallthrough: Fallthrough, view: Arc<dyn ClusterView>) -> Self {
        let falls_through = |apex: &LowerName| match &fallthrough {
            Fallthrough::Never => false,
            Fallthrough::Zones(zones) => {
                zones.iter().any(|zone| zone.zone_of(apex) || apex.zone_of(zone))
            }
        };
        let direct = DirectZone::all(&zone, falls_through);
        Self { zone, fallthrough, view, direct }
    }

    /// Returns the kinds of object that are not listed completely yet, by name; empty when ready. Optional
    /// kinds hold up only their own zones.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.zone.required().without(self.view.snapshot().synced());
        missing
            .iter()
            .filter(|kind| !kind.is_optional())
            .map(|kind| kind.name().to_owned())
            .collect()
    }
}

impl Plugin for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn metadata(&self, label: &str, query: &Query) -> Option<String> {
        let client = query.client.ip().to_canonical();
        metadata(&self.view.snapshot(), &self.zone, &query.lower, client, label)
    }

    fn direct_zones(&self) -> Vec<LowerName> {
        self.direct.iter().map(|zone| zone.apex().clone()).collect()
    }

    fn answer_directly(&self, drafts: &mut [Draft<'_>]) {
        DirectZone::answer(&self.direct, &self.view.snapshot(), &self.zone, drafts);
    }

    fn holds(&self, query: &Query) -> Option<u32> {
        let apex = self.zone.matching(&query.lower).filter(|_| query.qclass == DNSClass::IN)?;
        let question = Question { name: &query.name, lower: &query.lower, qtype: query.qtype };
        let answer = answer(&self.view.snapshot(), &self.zone, apex, question);
        let is_here = answer.exists() || !self.fallthrough.lets_through(&query.lower);
        // What an alias leads out to is not.
        let is_held = is_here && answer.chase.is_none();
        is_held.then(|| reply_of(answer).common_ttl()).flatten()
    }

    fn may_hold(&self, query: &Query) -> bool {
        // With `fallthrough` a name that is not there may come, and an alias may become an address.
        query.qclass == DNSClass::IN && self.zone.matching(&query.lower).is_some()
    }

    fn treats_alike(&self, zone: &LowerName) -> bool {
        // Names of another cluster pass.
        let overlaps = |own: &LowerName| own.zone_of(zone) || zone.zone_of(own);
        !self.zone.zones.iter().any(overlaps)
    }

    fn repetition(&self, _: ListenerId, _: &Query, _: &Reply) -> Repetition {
        Repetition::Nothing
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let Some(apex) = self.zone.matching(&query.lower).filter(|_| query.qclass == DNSClass::IN)
        else {
            return Handling::NEXT;
        };
        let question = Question { name: &query.name, lower: &query.lower, qtype: query.qtype };
        // Before the snapshot: what changes afterwards is then noticed.
        let grounds = self.grounds(apex, question, context);
        let cluster = self.view.snapshot();
        let mut answer = answer(&cluster, &self.zone, apex, question);
        self.explain(&cluster, apex, query, &answer, context);
        if !answer.exists() && self.fallthrough.lets_through(&query.lower) {
            context.note(self.name(), || "`fallthrough`: the next plugin is asked".into());
            return Handling::NEXT;
        }
        if answer.is_cut {
            context.count_cut("cluster_aliases");
        }
        match answer.chase.take() {
            None => {
                let lasting = grounds
                    .filter(|_| is_of_its_parts(&answer))
                    .map(|grounds| Box::new(Lasting::While(grounds)));
                Handling::reply(Reply { lasting, ..reply_of(answer) })
            }
            Some(chase) => Handling::Later(Box::pin(async move {
                Outcome::Reply(self.complete(answer, chase, query, context).await)
            })),
        }
    }
}

impl Kubernetes {
    /// Notes what the answer depends on, if it may be sent again.
    fn grounds(
        &self,
        apex: &LowerName,
        question: Question<'_>,
        context: &Context<'_>,
    ) -> Option<Grounds> {
        let stamps = self.view.stamps().filter(|_| context.is_learning())?;
        parts(&self.zone, apex, question).map(|parts| stamps.note(parts))
    }

    /// Looks the end of a chain of aliases up through the server itself.
    async fn complete(
        &self,
        answer: Answer,
        chase: Chase,
        query: &Query,
        context: &Context<'_>,
    ) -> Reply {
        context.note(self.name(), || format!("looks up the alias {}", chase.target));
        let inner = context.lookup(query.for_question(chase.target, query.qtype)).await;
        let mut reply = reply_of(answer);
        let Some(inner) = inner else {
            // Without anyone to ask, CoreDNS leaves the alias out.
            if !self.zone.options.strict {
                reply.answers.clear();
            }
            return reply;
        };
        reply.answers.extend(inner.answers);
        reply.truncated |= inner.truncated;
        if self.zone.options.strict {
            // The rcode is that of the last name of the chain (RFC 6604 §3), and a negative one needs the
            // SOA record of the zone that says so (RFC 2308 §2.1).
            reply.rcode = inner.rcode;
            reply.authorities = inner.authorities;
            reply.extended_error = inner.extended_error;
            reply.options = inner.options;
            reply.error = inner.error;
        }
        reply
    }

    fn explain(
        &self,
        cluster: &Cluster,
        apex: &LowerName,
        query: &Query,
        answer: &Answer,
        context: &Context<'_>,
    ) {
        if !context.is_explaining() {
            return;
        }
        let outcome = match answer.status {
            Status::Exists => "answer",
            Status::NameError => "NXDOMAIN",
            Status::NotSynced => "SERVFAIL",
            Status::Refused => "REFUSED",
        };
        let is_empty = answer.status == Status::Exists && answer.answers.is_empty();
        context.note(self.name(), || match is_empty {
            true => format!("zone {apex}: NODATA: no {} record; {}", query.qtype, answer.ruling),
            false => format!("zone {apex}: {outcome}: {}", answer.ruling),
        });
        if answer.status == Status::NameError {
            for name in nearest(cluster, &self.zone, apex, &query.lower) {
                context.note(self.name(), || format!("would have matched: {name}"));
            }
        }
    }
}

/// Returns the message of an answer.
pub(crate) fn reply_of(answer: Answer) -> Reply {
    let mut reply = match answer.status {
        Status::Exists => Reply::new(ResponseCode::NoError),
        Status::NameError => Reply::new(ResponseCode::NXDomain),
        Status::Refused => {
            return Reply::refused(ExtendedErrorCode::Prohibited, Rule::TransferRefused.text());
        }
        Status::NotSynced => {
            Reply::server_failure(ExtendedErrorCode::NotReady, Rule::NotSynced.text())
        }
    };
    reply.authoritative = true;
    reply.answers = answer.answers;
    reply.additionals = answer.additionals;
    reply.authorities = answer.soa.into_iter().collect();
    reply
}
