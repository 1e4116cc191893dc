//! `file`: answers from zone files.

mod answer;
mod config;
mod setup;
#[cfg(test)]
mod tests;
mod zone;

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};
use tokio::sync::watch;

pub use config::{FileConfig, ZoneFileConfig};

use self::answer::{Answer, Question, Status, answer};
use self::zone::Zone;
use super::{Fallthrough, Handling, Outcome, Plugin};
use crate::engine::Context;
use crate::{ExtendedErrorCode, Query, Reply};

/// Answers with authority for the zones of zone files.
#[derive(Debug)]
pub struct File {
    zones: Vec<Served>,
}

/// A zone that is served.
#[derive(Debug)]
struct Served {
    origin: LowerName,
    fallthrough: Fallthrough,
    /// The zone as it was last read; none before the file could be read.
    zone: watch::Receiver<Option<Arc<Zone>>>,
}

impl Plugin for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let served = self.served(query).filter(|_| query.qclass == DNSClass::IN);
        let Some(served) = served else { return Handling::NEXT };
        if matches!(query.qtype, RecordType::AXFR | RecordType::IXFR) {
            let why = "zone transfers are not available";
            context.note(self.name(), || format!("zone {}: REFUSED: {why}", served.origin));
            return Handling::reply(Reply::refused(ExtendedErrorCode::Prohibited, why));
        }
        let zone = served.zone.borrow().clone();
        let Some(zone) = zone else {
            let why = format!("the file of the zone {} has not been read", served.origin);
            context.note(self.name(), || format!("{why}: SERVFAIL"));
            return Handling::reply(Reply::server_failure(ExtendedErrorCode::NotReady, why));
        };
        let question = Question {
            name: &query.name,
            lower: &query.lower,
            qtype: query.qtype,
            dnssec: query.dnssec_ok(),
        };
        let mut answer = answer(&zone, question);
        context.note(self.name(), || format!("zone {}: {}", served.origin, answer.summary()));
        if served.passes(&query.lower, &answer) {
            context.note(self.name(), || "`fallthrough`: the next plugin is asked".into());
            return Handling::NEXT;
        }
        if answer.is_cut {
            context.count_cut("zone_aliases");
        }
        match answer.chase.take() {
            None => Handling::reply(reply_of(answer)),
            Some(target) => Handling::Later(Box::pin(async move {
                Outcome::Reply(self.complete(answer, target, query, context).await)
            })),
        }
    }
}

impl File {
    /// Returns the longest zone that the qname is in. The DS records of an apex are in the zone above
    /// (RFC 4035 §3.1.4.1), if that one is served, too.
    fn served(&self, query: &Query) -> Option<&Served> {
        let around = self.zones.iter().filter(|served| served.origin.zone_of(&query.lower));
        let is_apex = |served: &Served| served.origin == query.lower;
        around.max_by_key(|served| {
            let is_child_side = query.qtype == RecordType::DS && is_apex(served);
            (!is_child_side, served.origin.iter().count())
        })
    }

    /// Looks the end of a chain of aliases up through the server itself.
    async fn complete(
        &self,
        answer: Answer,
        target: Name,
        query: &Query,
        context: &Context<'_>,
    ) -> Reply {
        context.note(self.name(), || format!("looks up the alias {target}"));
        let inner = context.lookup(query.for_question(target, query.qtype)).await;
        let mut reply = reply_of(answer);
        let Some(inner) = inner else { return reply };
        reply.answers.extend(inner.answers);
        reply.truncated |= inner.truncated;
        match inner.rcode {
            // Where this server serves nobody, the client has to ask elsewhere.
            ResponseCode::Refused => {}
            // RFC 6604 §3: the rcode is that of the last name of the chain.
            rcode => {
                reply.rcode = rcode;
                reply.authorities = inner.authorities;
                reply.extended_error = inner.extended_error;
                reply.options = inner.options;
                reply.error = inner.error;
            }
        }
        reply
    }
}

impl Served {
    /// Says whether the next plugin is asked: for a name that has no records of its own.
    fn passes(&self, name: &LowerName, answer: &Answer) -> bool {
        let is_unknown = match answer.status {
            Status::NameError => true,
            Status::NoData => answer.has_no_own_records,
            Status::Found | Status::Referral | Status::TooLong => false,
        };
        is_unknown && answer.answers.is_empty() && self.fallthrough.lets_through(name)
    }
}

impl Answer {
    fn summary(&self) -> String {
        let status = match self.status {
            Status::Found => "answer",
            Status::NoData => "NODATA",
            Status::NameError => "NXDOMAIN",
            Status::Referral => "referral to the servers of a zone below",
            Status::TooLong => "YXDOMAIN: a DNAME record leads to a name that is too long",
        };
        format!("{status}, {} records", self.answers.len())
    }
}

/// Returns the message of an answer.
fn reply_of(answer: Answer) -> Reply {
    let rcode = match answer.status {
        Status::Found | Status::NoData | Status::Referral => ResponseCode::NoError,
        Status::NameError => ResponseCode::NXDomain,
        Status::TooLong => ResponseCode::YXDomain,
    };
    Reply {
        // The first name of a chain is the one that counts (RFC 1035 §4.1.1).
        authoritative: answer.status != Status::Referral || !answer.answers.is_empty(),
        answers: answer.answers,
        authorities: answer.authorities,
        additionals: answer.additionals,
        ..Reply::new(rcode)
    }
}
