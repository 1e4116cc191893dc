//! Replies, read back by hickory's codec.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use proptest::prelude::*;

use super::*;
use crate::{ExtendedErrorCode, Protocol};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn query(payload: Option<u16>) -> Query {
    let address = SocketAddr::from(([127, 0, 0, 1], 53));
    let qname = name("Web.Alpha.svc.cluster.local.");
    Query {
        id: 4711,
        lower: LowerName::new(&qname),
        name: qname,
        qtype: RecordType::A,
        qclass: DNSClass::IN,
        recursion_desired: true,
        checking_disabled: true,
        authentic_data: false,
        edns: payload.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        }),
        client: address,
        local: address,
        protocol: Protocol::Udp,
        size: 60,
    }
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 30, data)
}

fn address(owner: &str, host: u8) -> Record {
    record(owner, RData::A(A(Ipv4Addr::new(10, 0, 0, host))))
}

#[test]
fn a_reply_reads_back_as_it_was_meant() {
    let soa =
        SOA::new(name("ns.dns.cluster.local."), name("h.cluster.local."), 1, 7200, 1800, 86_400, 5);
    let reply = Reply {
        authoritative: true,
        answers: vec![
            record(
                "Web.Alpha.svc.cluster.local.",
                RData::CNAME(CNAME(name("x.Alpha.svc.cluster.local."))),
            ),
            record(
                "x.Alpha.svc.cluster.local.",
                RData::SRV(SRV::new(0, 100, 80, name("y.cluster.local."))),
            ),
            record("x.cluster.local.", RData::MX(MX::new(10, name("mail.cluster.local.")))),
            record("t.cluster.local.", RData::TXT(TXT::new(vec!["1.1.0".into()]))),
        ],
        authorities: vec![record("cluster.local.", RData::SOA(soa))],
        additionals: vec![address("y.cluster.local.", 1)],
        ..Reply::default()
    };
    let encoded = encode(&query(Some(1232)), &reply);
    let read = Message::from_vec(&encoded.message).unwrap();
    assert_eq!(read.answers, reply.answers);
    assert_eq!(read.authorities, reply.authorities);
    assert_eq!(read.additionals, reply.additionals);
    assert!(read.answers[0].name.eq_case(&name("Web.Alpha.svc.cluster.local.")));
    let header = read.metadata;
    assert!(header.authoritative && header.recursion_desired && header.checking_disabled);
    assert!(!header.truncation && !header.recursion_available && !encoded.truncated);
    assert_eq!(header.id, 4711);
    assert_eq!(read.edns.unwrap().max_payload(), 1232);
    assert!(encoded.message.len() < 260, "{} octets", encoded.message.len());
}

#[test]
fn compression_keeps_the_case_of_every_owner() {
    let reply = Reply {
        answers: vec![
            address("WEB.alpha.svc.cluster.local.", 1),
            address("Web.Alpha.svc.cluster.local.", 2),
        ],
        ..Reply::default()
    };
    let encoded = encode(&query(None), &reply);
    let read = Message::from_vec(&encoded.message).unwrap();
    for (sent, read) in reply.answers.iter().zip(&read.answers) {
        assert!(sent.name.eq_case(&read.name), "{} {}", sent.name, read.name);
    }
    // The second owner is the question's: a pointer and nothing else.
    let pointers = encoded.message.windows(2).filter(|pair| *pair == [0xc0, 12]).count();
    assert_eq!(pointers, 1);
}

#[test]
fn an_extended_error_is_for_clients_with_edns() {
    let reply = Reply::server_failure(ExtendedErrorCode::NotReady, "é".repeat(100));
    let with = encode(&query(Some(1232)), &reply).message;
    let read = Message::from_vec(&with).unwrap();
    assert_eq!(read.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(with.windows(6).filter(|w| w[..2] == [0, 15] && w[4..] == [0, 14]).count(), 1);
    let without = encode(&query(None), &reply).message;
    assert_eq!(without.len(), HEADER + "Web.Alpha.svc.cluster.local.".len() + 1 + 4);
}

#[test]
fn an_rcode_above_15_is_told_through_edns() {
    let encoded = encode(&query(Some(512)), &Reply::new(ResponseCode::BADVERS));
    let read = Message::from_vec(&encoded.message).unwrap();
    assert_eq!(u16::from(read.metadata.response_code), 16);
}

proptest! {
    /// What fits is there, in order; TC says whether anything is missing that the client cannot ask for by itself;
    /// the limit holds.
    #[test]
    fn replies_fit_and_say_so(
        answers in 0usize..120, authorities in 0usize..3, additionals in 0usize..120,
        payload in prop::option::of(0u16..4096),
    ) {
        let hosts = |count: usize, stem: &str| -> Vec<Record> {
            (0..count).map(|n| address(&format!("{stem}{n}.Alpha.svc.cluster.local."), 1)).collect()
        };
        let reply = Reply {
            answers: hosts(answers, "a"),
            authorities: hosts(authorities, "b"),
            additionals: hosts(additionals, "c"),
            ..Reply::default()
        };
        let query = query(payload);
        let encoded = encode(&query, &reply);
        prop_assert!(encoded.message.len() <= usize::from(query.max_reply_size()));
        let read = Message::from_vec(&encoded.message).unwrap();
        let all: Vec<_> = [&reply.answers[..], &reply.authorities, &reply.additionals].concat();
        let got: Vec<_> = [read.answers, read.authorities, read.additionals].concat();
        prop_assert_eq!(&all[..got.len()], &got[..]);
        let required = if answers == 0 { all.len() } else { answers + authorities };
        prop_assert_eq!(encoded.truncated, got.len() < required);
        prop_assert_eq!(read.metadata.truncation, encoded.truncated);
        let next = all.get(got.len()).map_or(0, |record| record.name.len() + 14);
        let room = usize::from(query.max_reply_size()) - encoded.message.len();
        prop_assert!(got.len() == all.len() || room < next, "another record would have fitted");
    }
}

/// RFC 2181 §9: a set of records that does not fit is left out whole, and TC is for what is required.
#[test]
fn additional_sets_are_whole_or_absent() {
    let hosts =
        |owner: &str, count: u8| (0..count).map(|host| address(owner, host)).collect::<Vec<_>>();
    let additionals = [hosts("a.example.", 3), hosts("b.example.", 40)].concat();
    let answers = hosts("Web.Alpha.svc.cluster.local.", 1);
    let sections = |reply: &Reply| {
        let encoded = encode(&query(None), reply);
        let read = Message::from_vec(&encoded.message).unwrap();
        assert_eq!(read.metadata.truncation, encoded.truncated);
        (read.answers.len(), read.additionals.len(), encoded.truncated)
    };
    let behind_an_answer = Reply { answers, additionals, ..Reply::default() };
    assert_eq!(sections(&behind_an_answer), (1, 3, false));
    // As round robin may leave them: the second set begins before the end of the first.
    let mut mixed = behind_an_answer.clone();
    mixed.additionals.swap(2, 3);
    assert_eq!(sections(&mixed), (1, 2, false));
    let upstream_cut_it = Reply { truncated: true, ..behind_an_answer.clone() };
    assert_eq!(sections(&upstream_cut_it), (1, 3, true));
    let referral = Reply { answers: Vec::new(), ..behind_an_answer };
    let (answers, glue, truncated) = sections(&referral);
    assert!(answers == 0 && glue > 20 && truncated, "as much glue as fits, and TC: {glue}");
}

#[test]
fn a_reply_over_udp_fits_into_a_datagram() {
    for (advertised, size) in
        [(None, 512), (Some(0), 512), (Some(1232), 1232), (Some(65_535), 65_507)]
    {
        assert_eq!(query(advertised).max_reply_size(), size, "{advertised:?}");
    }
}
