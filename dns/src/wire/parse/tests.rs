//! Queries as real resolvers and as attackers send them; hickory's codec is the second opinion.

use hickory_proto::op::{Message, MessageType, OpCode, Query as Question};
use proptest::prelude::*;

use super::*;

fn arrival() -> Arrival {
    let address = SocketAddr::from(([127, 0, 0, 1], 53));
    Arrival { client: address, local: address, protocol: Protocol::Udp }
}

fn message(name: &str, qtype: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Question::query(Name::from_ascii(name).unwrap(), qtype));
    message
}

fn rejected(bytes: &[u8]) -> Option<u8> {
    match parse(bytes, arrival()) {
        Err(Rejection::Answered { rcode, .. }) => Some(rcode),
        Err(Rejection::Silent) | Ok(_) => None,
    }
}

#[test]
fn a_question_is_read_in_its_case() {
    let mut sent = message("WeB.Alpha.svc.cluster.LOCAL.", RecordType::SRV);
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(10, vec![1, 2, 3]));
    sent.set_edns(edns);
    let query = parse(&sent.to_vec().unwrap(), arrival()).unwrap();
    assert_eq!(query.name.to_string(), "WeB.Alpha.svc.cluster.LOCAL.");
    assert_eq!(query.lower.to_string(), "web.alpha.svc.cluster.local.");
    assert_eq!((query.id, query.qtype, query.qclass), (7, RecordType::SRV, DNSClass::IN));
    assert!(query.recursion_desired && !query.checking_disabled && query.dnssec_ok());
    assert_eq!(query.max_reply_size(), 1232);
    let options = query.edns.as_ref().unwrap().options();
    assert_eq!(options.as_ref().len(), 1);
}

#[test]
fn what_is_no_query_is_refused_or_passed_over() {
    let good = message("example.org.", RecordType::A).to_vec().unwrap();
    assert!(parse(&good, arrival()).is_ok());
    for length in 0..HEADER {
        assert_eq!(parse(&good[..length], arrival()), Err(Rejection::Silent), "{length} octets");
    }
    for length in HEADER..good.len() {
        assert_eq!(rejected(&good[..length]), Some(FORMAT_ERROR), "{length} octets");
    }
    let patched = |at: usize, octet: u8| {
        let mut bytes = good.clone();
        bytes[at] = octet;
        bytes
    };
    assert_eq!(parse(&patched(2, 0x81), arrival()), Err(Rejection::Silent), "QR");
    assert_eq!(rejected(&patched(2, 0x21)), Some(NOT_IMPLEMENTED), "NOTIFY");
    assert_eq!(rejected(&patched(2, 0x29)), Some(NOT_IMPLEMENTED), "UPDATE");
    assert_eq!(rejected(&patched(5, 0)), Some(FORMAT_ERROR), "no question");
    assert_eq!(rejected(&patched(5, 2)), Some(FORMAT_ERROR), "two questions");
    assert_eq!(rejected(&patched(7, 2)), Some(FORMAT_ERROR), "two answers");
    assert_eq!(rejected(&patched(11, 3)), Some(FORMAT_ERROR), "three additional records");
    assert_eq!(rejected(&patched(12, 0xc0)), Some(FORMAT_ERROR), "a pointer in the qname");
    assert_eq!(rejected(&patched(12, 0x40)), Some(FORMAT_ERROR), "an unknown kind of label");
}

#[test]
fn a_name_may_have_255_octets_and_no_more() {
    let name = |last: usize| {
        let label = "a".repeat(63);
        let tail = "b".repeat(last);
        let mut bytes = message("x.", RecordType::A).to_vec().unwrap();
        bytes.truncate(HEADER);
        for label in [&label, &label, &label, &tail] {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes
    };
    assert!(parse(&name(61), arrival()).is_ok(), "255 octets");
    assert_eq!(rejected(&name(62)), Some(FORMAT_ERROR), "256 octets");
}

#[test]
fn there_is_one_opt_record_and_it_is_well_formed() {
    let with = |records: &[&[u8]]| {
        let mut bytes = message("example.org.", RecordType::A).to_vec().unwrap();
        bytes[11] = u8::try_from(records.len()).unwrap();
        bytes.extend(records.concat());
        bytes
    };
    let opt: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    assert!(parse(&with(&[opt]), arrival()).unwrap().edns.is_some());
    assert_eq!(rejected(&with(&[opt, opt])), Some(FORMAT_ERROR));
    let owned: &[u8] = &[1, b'a', 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    assert_eq!(rejected(&with(&[owned])), Some(FORMAT_ERROR));
    let short_option: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 10, 0, 9];
    assert_eq!(rejected(&with(&[short_option])), Some(FORMAT_ERROR));
    let loops: &[u8] = &[0xc0, 29, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    assert!(parse(&with(&[loops]), arrival()).is_ok(), "owners of other records are not followed");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, arrival());
    }

    #[test]
    fn damaged_queries_never_panic(at in 0usize..60, octet in any::<u8>(), cut in 0usize..80) {
        let mut sent = message("_http._tcp.web.alpha.svc.cluster.local.", RecordType::SRV);
        sent.set_edns(Edns::new());
        let mut bytes = sent.to_vec().unwrap();
        if let Some(place) = bytes.get_mut(at) {
            *place = octet;
        }
        bytes.truncate(cut);
        let _ = parse(&bytes, arrival());
    }

    #[test]
    fn names_are_read_as_hickory_reads_them(labels in prop::collection::vec("[a-zA-Z0-9_-]{1,20}", 0..8)) {
        let mut sent = message(".", RecordType::A);
        let name = Name::from_labels(labels.iter().map(|label| label.as_bytes())).unwrap();
        sent.queries = vec![Question::query(name, RecordType::A)];
        let bytes = sent.to_vec().unwrap();
        let theirs = Message::from_vec(&bytes).unwrap();
        let ours = parse(&bytes, arrival()).unwrap();
        prop_assert!(ours.name.eq_case(theirs.queries[0].name()));
        prop_assert_eq!(ours.name, theirs.queries[0].name().clone());
    }
}
