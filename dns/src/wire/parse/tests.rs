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

fn rejected(bytes: &[u8]) -> Option<ResponseCode> {
    match parse(bytes, arrival()) {
        Err(Rejection::Answered(reply)) => Some(reply.rcode),
        Err(Rejection::Silent) | Ok(_) => None,
    }
}

#[test]
fn a_question_is_read_in_its_case() {
    let mut sent = message("WeB.Alpha.svc.cluster.LOCAL.", RecordType::SRV);
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(12, vec![1, 2, 3]));
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
        assert_eq!(rejected(&good[..length]), Some(ResponseCode::FormErr), "{length} octets");
    }
    let patched = |at: usize, octet: u8| {
        let mut bytes = good.clone();
        bytes[at] = octet;
        bytes
    };
    assert_eq!(parse(&patched(2, 0x81), arrival()), Err(Rejection::Silent), "QR");
    assert_eq!(rejected(&patched(2, 0x21)), Some(ResponseCode::NotImp), "NOTIFY");
    assert_eq!(rejected(&patched(2, 0x29)), Some(ResponseCode::NotImp), "UPDATE");
    assert_eq!(rejected(&patched(5, 0)), Some(ResponseCode::FormErr), "no question");
    assert_eq!(rejected(&patched(5, 2)), Some(ResponseCode::FormErr), "two questions");
    assert_eq!(rejected(&patched(7, 2)), Some(ResponseCode::FormErr), "two answers");
    assert_eq!(rejected(&patched(11, 3)), Some(ResponseCode::FormErr), "three additional records");
    assert_eq!(rejected(&patched(12, 0xc0)), Some(ResponseCode::FormErr), "a pointer in the qname");
    assert_eq!(
        rejected(&patched(12, 0x40)),
        Some(ResponseCode::FormErr),
        "an unknown kind of label"
    );
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
    assert_eq!(rejected(&name(62)), Some(ResponseCode::FormErr), "256 octets");
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
    assert_eq!(rejected(&with(&[opt, opt])), Some(ResponseCode::FormErr));
    let owned: &[u8] = &[1, b'a', 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    assert_eq!(rejected(&with(&[owned])), Some(ResponseCode::FormErr));
    let short_option: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 10, 0, 9];
    assert_eq!(rejected(&with(&[short_option])), Some(ResponseCode::FormErr));
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

/// A message with an option of this code and data.
fn with_option(mut message: Message, code: u16, data: &[u8]) -> Vec<u8> {
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    edns.options_mut().insert(EdnsOption::Unknown(code, data.to_vec()));
    message.set_edns(edns);
    message.to_vec().unwrap()
}

#[test]
fn a_cookie_is_not_among_the_options() {
    let sent = with_option(message("example.org.", RecordType::A), OPTION_COOKIE, &[7; 8]);
    let query = parse(&sent, arrival()).unwrap();
    assert_eq!(query.cookie, Cookie::read(&[7; 8]));
    assert!(query.edns.unwrap().options().as_ref().is_empty());
}

/// RFC 7873 §5.2.2.
#[test]
fn a_cookie_of_a_wrong_length_is_a_format_error() {
    for length in 0..64 {
        let sent =
            with_option(message("example.org.", RecordType::A), OPTION_COOKIE, &vec![7; length]);
        let is_right = length == 8 || (16..=40).contains(&length);
        let rejected = rejected(&sent);
        assert_eq!(rejected, (!is_right).then_some(ResponseCode::FormErr), "{length}");
    }
}

/// RFC 7873 §5.4.
#[test]
fn a_cookie_may_come_without_a_question() {
    let bare = |data: &[u8]| {
        let empty = Message::new(7, MessageType::Query, OpCode::Query);
        match parse(&with_option(empty, OPTION_COOKIE, data), arrival()) {
            Err(Rejection::Answered(reply)) => reply,
            other => panic!("{other:?}"),
        }
    };
    let reply = bare(&[7; 8]);
    assert_eq!((reply.rcode, reply.error), (ResponseCode::NoError, None));
    assert_eq!(reply.opt.unwrap().cookie, Cookie::read(&[7; 8]));
    assert_eq!(bare(&[7; 9]).rcode, ResponseCode::FormErr);
}

#[test]
fn a_rejection_has_opt_if_the_message_had() {
    let opt = |bytes: &[u8]| match parse(bytes, arrival()) {
        Err(Rejection::Answered(reply)) => reply.opt,
        other => panic!("{other:?}"),
    };
    let good = with_option(message("example.org.", RecordType::A), OPTION_COOKIE, &[7; 8]);
    let mut notify = good.clone();
    notify[2] = 0x20;
    let expected = BareOpt { payload: 1232, cookie: Cookie::read(&[7; 8]) };
    assert_eq!(opt(&notify), Some(expected));
    let mut without = message("example.org.", RecordType::A).to_vec().unwrap();
    without[2] = 0x20;
    assert_eq!(opt(&without), None);
    // What cannot be read has none, and no length of it does harm.
    for length in HEADER..good.len() {
        assert_eq!(opt(&good[..length]), None, "{length}");
    }
}
