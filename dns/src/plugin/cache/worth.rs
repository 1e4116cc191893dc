//! Which answers are kept, and for how long.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType};

use super::config::{CacheConfig, Keep};
use crate::reply::ExtendedErrorCode;
use crate::{Query, Reply};

/// What an answer says, as far as keeping it goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    /// There are records, or a delegation.
    Success,
    /// There are none (RFC 2308 §2).
    Denial,
    /// The server could not say (RFC 2308 §7.1).
    Failure,
}

/// How an answer is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Worth {
    pub(super) kind: Kind,
    /// The time in seconds, never 0.
    pub(super) ttl: u32,
}

/// The TTL of an answer without records, and of records that may not be all, in seconds.
const UNCERTAIN: u32 = 5;

impl Worth {
    /// Returns how the answer to a question is kept; none if it must not be.
    pub(super) fn of(query: &Query, reply: &Reply, config: &CacheConfig) -> Option<Self> {
        let kind = kind_of(query, reply)?;
        let ttl = match kind {
            Kind::Failure => u32::try_from(config.servfail.as_secs()).unwrap_or(u32::MAX),
            Kind::Success | Kind::Denial => {
                let keep = if kind == Kind::Success { &config.success } else { &config.denial };
                let least = least_ttl(reply, kind);
                // Zero means that the answer is for this question alone (RFC 1035 §3.2.1).
                if least == 0 { 0 } else { least.max(keep.min_ttl).min(keep.max_ttl) }
            }
        };
        (ttl > 0).then_some(Self { kind, ttl })
    }
}

/// Returns the TTL for the records of an answer that is not kept, in seconds; none if they stay as they are.
///
/// An alias whose target is missing and a denial without its SOA have 5 s, as in CoreDNS: what they lack may be
/// there with the next question. A TTL of 0 and transfers say what they mean.
pub(super) fn ttl_if_not_kept(query: &Query, reply: &Reply, config: &CacheConfig) -> Option<u32> {
    let is_transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    let least = least_ttl(reply, Kind::Success);
    if is_transfer || least == 0 {
        return None;
    }
    let Keep { min_ttl, max_ttl, .. } = config.success;
    let ttl = if reply.truncated { least } else { UNCERTAIN };
    Some(ttl.max(min_ttl).min(max_ttl))
}

fn kind_of(query: &Query, reply: &Reply) -> Option<Kind> {
    let is_transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    if reply.truncated || is_transfer {
        return None;
    }
    let has = |records: &[Record], wanted: RecordType| {
        records.iter().any(|record| record.record_type() == wanted)
    };
    let has_soa = has(&reply.authorities, RecordType::SOA);
    match reply.rcode {
        ResponseCode::NoError => {
            let is_answered = query.qtype == RecordType::ANY || has(&reply.answers, query.qtype);
            match (reply.answers.is_empty(), is_answered, has_soa) {
                (false, true, _) => Some(Kind::Success),
                (_, _, true) => Some(Kind::Denial),
                // An alias whose target is missing: not even a denial without its SOA.
                (false, false, false) => None,
                (true, _, false) => Some(Kind::Success),
            }
        }
        ResponseCode::NXDomain => has_soa.then_some(Kind::Denial),
        // What is not listed yet may be there in a moment, and others find a limit of this server no more.
        ResponseCode::ServFail if !reply.is_momentary && !is_not_ready(reply) => {
            Some(Kind::Failure)
        }
        _ => None,
    }
}

fn is_not_ready(reply: &Reply) -> bool {
    let error = reply.extended_error.as_ref();
    error.is_some_and(|error| error.code == ExtendedErrorCode::NotReady)
}

/// Returns the least TTL of all records; of a denial's SOA also its MINIMUM (RFC 2308 §5).
fn least_ttl(reply: &Reply, kind: Kind) -> u32 {
    let records = [&reply.answers, &reply.authorities, &reply.additionals];
    let ttls = records.into_iter().flatten().map(|record| match &record.data {
        RData::SOA(soa) if kind == Kind::Denial => record.ttl.min(soa.minimum),
        _ => record.ttl,
    });
    ttls.min().unwrap_or(UNCERTAIN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{NS, SOA};

    use super::*;
    use crate::ExtendedErrorCode;
    use crate::plugin::testing::{query, record};

    fn soa(ttl: u32, minimum: u32) -> Record {
        let (name, apex) = (Name::root(), "example.".parse().unwrap());
        Record::from_rdata(apex, ttl, RData::SOA(SOA::new(name.clone(), name, 1, 1, 1, 1, minimum)))
    }

    fn with_ttl(mut record: Record, ttl: u32) -> Record {
        record.ttl = ttl;
        record
    }

    fn worth(reply: &Reply) -> Option<(Kind, u32)> {
        let config = CacheConfig::new(vec![".".parse().unwrap()]);
        let worth = Worth::of(&query("a.example.", RecordType::A), reply, &config)?;
        Some((worth.kind, worth.ttl))
    }

    fn reply(rcode: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Reply {
        Reply { answers, authorities, ..Reply::new(rcode) }
    }

    #[test]
    fn kinds_and_times() {
        use Kind::{Denial, Failure, Success};
        use ResponseCode::{NXDomain, NoError, NotImp, Refused, ServFail};
        let a = |ttl| with_ttl(record("a.example.", "10.0.0.1"), ttl);
        let alias = || with_ttl(record("a.example.", "b.example."), 30);
        let ns = Record::from_rdata(Name::root(), 99, RData::NS(NS(Name::root())));
        let cases = [
            (
                "least of all",
                reply(NoError, vec![a(60), a(40)], vec![ns.clone()]),
                Some((Success, 40)),
            ),
            ("at least 5 s", reply(NoError, vec![a(1)], vec![]), Some((Success, 5))),
            ("at most 3600 s", reply(NoError, vec![a(86_400)], vec![]), Some((Success, 3600))),
            ("a TTL of 0", reply(NoError, vec![a(30), a(0)], vec![]), None),
            ("an alias", reply(NoError, vec![alias(), a(60)], vec![]), Some((Success, 30))),
            ("an alias to nothing", reply(NoError, vec![alias()], vec![]), None),
            (
                "an alias to NODATA",
                reply(NoError, vec![alias()], vec![soa(60, 9)]),
                Some((Denial, 9)),
            ),
            ("NODATA", reply(NoError, vec![], vec![soa(60, 300)]), Some((Denial, 60))),
            ("delegation", reply(NoError, vec![], vec![ns]), Some((Success, 99))),
            ("nothing at all", reply(NoError, vec![], vec![]), Some((Success, 5))),
            ("NXDOMAIN", reply(NXDomain, vec![], vec![soa(9000, 9000)]), Some((Denial, 1800))),
            ("NXDOMAIN without SOA", reply(NXDomain, vec![], vec![]), None),
            ("SERVFAIL", reply(ServFail, vec![], vec![]), Some((Failure, 5))),
            ("REFUSED", reply(Refused, vec![], vec![soa(60, 60)]), None),
            ("NOTIMP", reply(NotImp, vec![], vec![]), None),
        ];
        for (what, reply, expected) in cases {
            assert_eq!(worth(&reply), expected, "{what}");
        }
    }

    #[test]
    fn records_of_what_is_not_kept() {
        let config = CacheConfig::new(vec![]);
        let ttl =
            |reply: &Reply, qtype| ttl_if_not_kept(&query("a.example.", qtype), reply, &config);
        let alias = || with_ttl(record("a.example.", "b.example."), 300);
        let reply = reply(ResponseCode::NoError, vec![alias()], vec![]);
        assert_eq!(ttl(&reply, RecordType::A), Some(5));
        assert_eq!(ttl(&reply, RecordType::AXFR), None);
        let truncated = Reply { truncated: true, ..reply.clone() };
        assert_eq!(ttl(&truncated, RecordType::A), Some(300));
        let zero = Reply { answers: vec![with_ttl(alias(), 0)], ..reply };
        assert_eq!(ttl(&zero, RecordType::A), None);
    }

    #[test]
    fn what_is_never_kept() {
        let answers = vec![record("a.example.", "10.0.0.1")];
        let truncated = Reply { truncated: true, ..reply(ResponseCode::NoError, answers, vec![]) };
        assert_eq!(worth(&truncated), None);
        assert_eq!(worth(&Reply::server_failure(ExtendedErrorCode::NotReady, "wait")), None);
        let failed = Reply::server_failure(ExtendedErrorCode::NoReachableAuthority, "later");
        assert_eq!(worth(&failed), Some((Kind::Failure, 5)));
        assert_eq!(worth(&Reply { is_momentary: true, ..failed }), None, "a limit of our own");
        let config = CacheConfig::new(vec![]);
        let transfer = query("example.", RecordType::AXFR);
        assert_eq!(Worth::of(&transfer, &Reply::default(), &config), None);
        let config = CacheConfig { servfail: Duration::ZERO, ..config };
        let failure = Reply::new(ResponseCode::ServFail);
        assert_eq!(Worth::of(&query("a.", RecordType::A), &failure, &config), None);
    }
}
