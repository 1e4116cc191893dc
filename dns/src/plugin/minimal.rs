//! `minimal`: leaves out of replies what clients do not need.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Record, RecordType};

use super::{Handling, Plugin, Setup, SetupError, Site, arguments};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{Query, Reply};

/// The `minimal` directive of a server block; it has no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinimalConfig;

/// Empties the authority and additional sections of positive replies.
///
/// Denials keep their SOA record (RFC 2308 §2), also behind an alias, and referrals their name servers and glue. For
/// clients that want DNSSEC the proof that a wildcard was expanded stays (RFC 4035 §3.1.3.3).
#[derive(Clone, Copy, Debug)]
struct Minimal;

impl MinimalConfig {
    /// Reads the `minimal` directives of a server block; a repetition changes nothing.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        for directive in directives {
            arguments::none(directive)?;
            arguments::no_block(directive)?;
        }
        Ok(Self)
    }
}

impl Setup for MinimalConfig {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Minimal))
    }
}

impl Plugin for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn reply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        if !may_be_cut(query, reply) {
            return;
        }
        let before = reply.authorities.len() + reply.additionals.len();
        match query.dnssec_ok() {
            true => reply.authorities.retain(is_proof),
            false => reply.authorities.clear(),
        }
        reply.additionals.clear();
        let left_out = before - reply.authorities.len();
        if left_out > 0 {
            context.note(self.name(), || format!("left out {left_out} records"));
        }
    }
}

/// Says whether the answer section is all that a client needs.
fn may_be_cut(query: &Query, reply: &Reply) -> bool {
    let is_transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    let has = |rtype| move |record: &Record| record.record_type() == rtype;
    let is_answered = reply
        .answers
        .iter()
        .any(|record| query.qtype == RecordType::ANY || record.record_type() == query.qtype);
    let is_denial = reply.authorities.iter().any(has(RecordType::SOA)) && !is_answered;
    let is_referral = reply.authorities.iter().any(has(RecordType::NS)) && reply.answers.is_empty();
    reply.rcode == ResponseCode::NoError && !is_transfer && !is_denial && !is_referral
}

/// Says whether a record of the authority section proves something by DNSSEC.
fn is_proof(record: &Record) -> bool {
    matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3 | RecordType::RRSIG)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Edns;
    use hickory_proto::rr::rdata::{NS, NULL, SOA};
    use hickory_proto::rr::{Name, RData};

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query, record};

    fn name() -> Name {
        "example.".parse().unwrap()
    }

    fn authority(data: RData) -> Record {
        Record::from_rdata(name(), 30, data)
    }

    fn soa() -> Record {
        authority(RData::SOA(SOA::new(name(), name(), 1, 2, 3, 4, 5)))
    }

    fn ns() -> Record {
        authority(RData::NS(NS(name())))
    }

    fn nsec() -> Record {
        authority(RData::Unknown { code: RecordType::NSEC, rdata: NULL::with(vec![0]) })
    }

    fn reply(answers: &[&str], authorities: Vec<Record>) -> Reply {
        let answers = answers.iter().map(|data| record("a.example.", data)).collect();
        let additionals = vec![record("ns.example.", "10.0.0.53")];
        Reply { answers, authorities, additionals, ..Reply::default() }
    }

    /// Returns how many authority and additional records are left.
    async fn left(qtype: RecordType, reply: Reply) -> (usize, usize) {
        let reply = answer(Minimal, query("a.example.", qtype), reply).await;
        (reply.authorities.len(), reply.additionals.len())
    }

    #[tokio::test]
    async fn positive_answers_are_cut() {
        let answered = || reply(&["10.0.0.1"], vec![ns()]);
        assert_eq!(left(RecordType::A, answered()).await, (0, 0));
        assert_eq!(left(RecordType::ANY, answered()).await, (0, 0));
        assert_eq!(
            left(RecordType::A, reply(&["b.example.", "10.0.0.1"], vec![ns()])).await,
            (0, 0)
        );
        assert_eq!(left(RecordType::A, reply(&["b.example."], vec![])).await, (0, 0));
        assert_eq!(left(RecordType::A, reply(&[], vec![])).await, (0, 0));
    }

    #[tokio::test]
    async fn denials_referrals_failures_and_transfers_stay() {
        for (qtype, rcode, answers, authority) in [
            (RecordType::A, ResponseCode::NXDomain, &[][..], soa()),
            (RecordType::A, ResponseCode::NoError, &[], soa()),
            (RecordType::A, ResponseCode::NoError, &["b.example."], soa()),
            (RecordType::A, ResponseCode::NoError, &[], ns()),
            (RecordType::A, ResponseCode::ServFail, &[], ns()),
            (RecordType::AXFR, ResponseCode::NoError, &["10.0.0.1"], ns()),
        ] {
            let reply = Reply { rcode, ..reply(answers, vec![authority]) };
            assert_eq!(left(qtype, reply).await, (1, 1), "{qtype} {rcode} {answers:?}");
        }
    }

    #[tokio::test]
    async fn proofs_stay_for_who_wants_them() {
        let mut edns = Edns::new();
        edns.set_dnssec_ok(true);
        for (edns, expected) in [(Some(edns), 1), (Some(Edns::new()), 0), (None, 0)] {
            let question = Query { edns, ..query("a.example.", RecordType::A) };
            let reply = answer(Minimal, question, reply(&["10.0.0.1"], vec![ns(), nsec()])).await;
            assert_eq!(reply.authorities.len(), expected);
        }
    }

    #[test]
    fn no_options() {
        assert_eq!(configure("minimal\nminimal", MinimalConfig::parse).unwrap(), MinimalConfig);
        assert_refused(
            MinimalConfig::parse,
            &[("minimal yes", "takes no argument"), ("minimal {\n}", "remove the braces")],
        );
    }
}
