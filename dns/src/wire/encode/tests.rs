//! Replies, read back by hickory's codec.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use proptest::prelude::*;

use super::super::rejection::BareOpt;
use super::*;
use crate::cookie::{CheckedCookie, ServerCookie};
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
        cookie: None,
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

/// Returns the options of a message, by number.
fn options(message: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let edns = Message::from_vec(message).unwrap().edns.unwrap();
    let octets = |option: &hickory_proto::rr::rdata::opt::EdnsOption| option.try_into().unwrap();
    edns.options().options.iter().map(|(code, data)| ((*code).into(), octets(data))).collect()
}

fn checked_cookie() -> Cookie {
    let checked = Some(CheckedCookie { is_valid: false, reply: [2; 16] });
    Cookie { client: [1; 8], server: ServerCookie::Absent, checked }
}

#[test]
fn a_cookie_is_answered_on_every_reply() {
    let data = [[1; 8].as_slice(), &[2; 16]].concat();
    let asked = Query { cookie: Some(checked_cookie()), ..query(Some(1232)) };
    let encoded = encode(&asked, &Reply::default());
    assert_eq!(options(&encoded.message), [(10, data.clone())]);
    let failure = Reply::server_failure(ExtendedErrorCode::Other, "x");
    let told = options(&encode(&asked, &failure).message);
    assert_eq!(told, [(10, data.clone()), (15, vec![0, 0, b'x'])]);
    let bare = BareReply {
        id: 7,
        flags: 0x2000,
        rcode: ResponseCode::NotImp,
        opt: Some(BareOpt { payload: 1232, cookie: asked.cookie }),
        error: Some((ExtendedErrorCode::NotSupported, "y")),
    };
    let message = encode_rejection(&Rejection::Answered(bare)).unwrap();
    assert_eq!(options(&message), [(10, data), (15, vec![0, 21, b'y'])]);
    let unchecked = Cookie { checked: None, ..checked_cookie() };
    let asked = Query { cookie: Some(unchecked), ..query(Some(1232)) };
    assert!(options(&encode(&asked, &Reply::default()).message).is_empty(), "`cookie off`");
}

/// Every option, the longest name and 512 octets: the question stays.
#[test]
fn the_question_fits_beside_all_options() {
    let label = "a".repeat(63);
    let qname = name(&format!("{label}.{label}.{label}.{}.", "b".repeat(61)));
    let asked = Query { cookie: Some(checked_cookie()), name: qname, ..query(Some(512)) };
    let reply = Reply {
        options: vec![(3, vec![0; 128])],
        ..Reply::server_failure(ExtendedErrorCode::Other, "x".repeat(300))
    };
    let encoded = encode(&asked, &reply);
    assert!(encoded.message.len() <= 512 && !encoded.truncated, "{}", encoded.message.len());
    assert_eq!(options(&encoded.message).len(), 3);
    assert_eq!(Message::from_vec(&encoded.message).unwrap().queries[0].name(), &asked.name);
}
