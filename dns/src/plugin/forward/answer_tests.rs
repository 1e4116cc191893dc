//! Which messages are believed, and what becomes of their records.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{MX, NULL, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::prelude::*;

use super::answer::{Extent, NotOurs, read};
use super::fake_upstream::reply_to;
use super::request::Request;
use super::testing::query;
use crate::Reply;

const ID: u16 = 0x1234;

fn request() -> Request {
    Request::of(&query("www.example.org.", RecordType::A)).unwrap()
}

fn good() -> Message {
    reply_to(&Message::from_vec(request().sending_as_asked(ID).octets()).unwrap())
}

fn read_whole(bytes: &[u8]) -> Result<Reply, NotOurs> {
    read(bytes, &request().sending_as_asked(ID), Extent::Whole)
}

fn judged(change: impl Fn(&mut Message)) -> Result<Reply, NotOurs> {
    let mut message = good();
    change(&mut message);
    read_whole(&message.to_vec().unwrap())
}

#[test]
fn replies_pass_through() {
    let soa = SOA::new("ns.example.".parse().unwrap(), Name::root(), 1, 2, 3, 4, 5);
    let reply = judged(|message| {
        message.metadata.authoritative = true;
        message.metadata.authentic_data = true;
        message.metadata.truncation = true;
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(Record::from_rdata(Name::root(), 7, RData::SOA(soa.clone())));
        let text = RData::TXT(TXT::new(vec!["more".into()]));
        message.add_additional(Record::from_rdata(Name::root(), 8, text));
        message.edns = Some(Edns::new());
    })
    .unwrap();
    assert!(reply.authoritative && reply.authentic_data && reply.truncated);
    assert!(reply.recursion_available);
    assert_eq!(reply.rcode, ResponseCode::NXDomain);
    assert_eq!(reply.answers, good().answers);
    assert_eq!(reply.authorities[0].data, RData::SOA(soa));
    assert_eq!(reply.additionals.len(), 1, "without OPT");
    assert_eq!(reply.additionals[0].ttl, 8);
}

#[test]
fn only_replies_to_our_question_are_believed() {
    let name = |name: &str| name.parse::<Name>().unwrap();
    assert_eq!(judged(|message| message.metadata.id = 1), Err(NotOurs::Id));
    assert_eq!(
        judged(|message| message.metadata.message_type = MessageType::Query),
        Err(NotOurs::Kind)
    );
    assert_eq!(judged(|message| message.metadata.op_code = OpCode::Status), Err(NotOurs::Kind));
    let wrong: [fn(&mut Message); 5] = [
        |message| message.queries[0].name = "www.example.net.".parse().unwrap(),
        |message| message.queries[0].query_type = RecordType::AAAA,
        |message| message.queries[0].query_class = DNSClass::CH,
        |message| message.queries.push(message.queries[0].clone()),
        |message| message.queries.clear(),
    ];
    for (at, change) in wrong.into_iter().enumerate() {
        assert_eq!(judged(change), Err(NotOurs::Question), "change {at}");
    }
    let other_case = judged(|message| message.queries[0].name = name("WWW.eXample.ORG."));
    assert!(other_case.is_ok(), "letter case does not matter");
}

#[test]
fn a_bare_header_may_say_that_a_question_is_not_understood() {
    let bare = |rcode| {
        judged(move |message| {
            message.queries.clear();
            message.answers.clear();
            message.metadata.response_code = rcode;
        })
    };
    assert_eq!(bare(ResponseCode::FormErr).unwrap().rcode, ResponseCode::FormErr);
    assert_eq!(bare(ResponseCode::NotImp).unwrap().rcode, ResponseCode::NotImp);
    assert_eq!(bare(ResponseCode::NXDomain), Err(NotOurs::Question));
    assert_eq!(bare(ResponseCode::NoError), Err(NotOurs::Question));
}

#[test]
fn extended_rcodes_are_put_together() {
    let reply = judged(|message| {
        message.metadata.response_code = ResponseCode::BADCOOKIE;
        message.edns = Some(Edns::new());
    });
    assert_eq!(reply.unwrap().rcode, ResponseCode::BADCOOKIE);
}

#[test]
fn a_beginning_is_a_truncated_reply() {
    let bytes = good().to_vec().unwrap();
    let reply = read(&bytes[..bytes.len() - 3], &request().sending_as_asked(ID), Extent::Beginning)
        .unwrap();
    assert!(reply.truncated && reply.answers.is_empty());
    assert_eq!(read_whole(&bytes[..bytes.len() - 3]), Err(NotOurs::Malformed));
    let mut cut = bytes.clone();
    cut[2] |= 0x02;
    let reply = read_whole(&cut[..cut.len() - 3]).unwrap();
    assert!(reply.truncated && reply.answers.is_empty(), "a server that cuts anywhere");
}

/// Puts one record with this data into a reply by hand; its owner points to the question's name.
fn with_record(rtype: u16, data: &[u8]) -> Vec<u8> {
    let mut message = good();
    message.answers.clear();
    let mut bytes = message.to_vec().unwrap();
    bytes[7] = 1;
    bytes.extend([0xc0, 12]);
    bytes.extend(rtype.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 60]);
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn only_record(bytes: &[u8]) -> Record {
    let mut reply = read_whole(bytes).unwrap();
    assert_eq!(reply.answers.len(), 1);
    reply.answers.remove(0)
}

fn untyped(rtype: u16, data: &[u8]) -> RData {
    RData::Unknown { code: rtype.into(), rdata: NULL::with(data.to_vec()) }
}

#[test]
fn what_is_not_known_passes_as_it_is() {
    // Private use, APL, DS; HTTPS with an id of ALPN that is no text, CSYNC with flags of the future.
    for (rtype, data) in [
        (65400, &b"private"[..]),
        (42, &[0, 1]),
        (43, &[3]),
        (65280, &[]),
        (65, &[0, 1, 0, 0, 1, 0, 3, 2, 0xfa, 0xfa]),
        (62, &[0, 0, 0, 1, 0, 7]),
    ] {
        let record = only_record(&with_record(rtype, data));
        assert_eq!(record.record_type(), rtype.into());
        assert_eq!(record.name.to_ascii(), "www.example.org.");
        if !data.is_empty() {
            assert_eq!(record.data, untyped(rtype, data), "type {rtype}");
        }
        let mut again = good();
        again.answers = vec![record.clone()];
        let bytes = again.to_vec().unwrap();
        assert!(bytes.ends_with(data), "type {rtype} is encoded as it came");
    }
    let empty = only_record(&with_record(42, b""));
    assert_eq!((empty.record_type(), empty.data), (42.into(), RData::Update0(42.into())));
}

#[test]
fn data_that_its_type_forbids_makes_a_message_malformed() {
    for (rtype, data) in [
        // Addresses of three, five and no octets; TXT whose string is too long and one without any; CAA without
        // a tag; HTTPS with parameters out of order; TLSA of one octet; HINFO of one string; a cut SOA; a name
        // with something behind it.
        (1, &[192, 0, 2][..]),
        (1, &[192, 0, 2, 1, 1]),
        (1, &[]),
        (28, &[192, 0, 2, 1]),
        (16, b"\x09short"),
        (16, b""),
        (257, b"\x00"),
        (65, &[0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 1, 0, 3, 2, b'h', b'2']),
        (52, &[3]),
        (13, b"\x03cpu"),
        (6, &[0xc0, 12, 0xc0, 12, 0, 0]),
        (5, &[0xc0, 12, 0]),
    ] {
        let read = read_whole(&with_record(rtype, data));
        assert_eq!(read, Err(NotOurs::Malformed), "type {rtype}, {data:?}");
    }
}

#[test]
fn compressed_names_are_written_out() {
    // 12 is the place of the question's name, 16 that of its second label.
    let name = b"\x03www\x07example\x03org\x00";
    let zone = b"\x07example\x03org\x00";
    let joined = |parts: &[&[u8]]| parts.concat();
    for (rtype, data, whole) in [
        (39, vec![0xc0, 16], zone.to_vec()),
        (17, vec![0xc0, 12, 0xc0, 16], joined(&[name, zone])),
        (18, vec![0, 1, 0xc0, 12], joined(&[&[0, 1], name])),
        (26, vec![0, 9, 0xc0, 12, 0xc0, 16], joined(&[&[0, 9], name, zone])),
        (30, vec![0xc0, 16, 0x40], joined(&[zone, &[0x40]])),
    ] {
        assert_eq!(only_record(&with_record(rtype, &data)).data, untyped(rtype, &whole), "{rtype}");
    }
    let mx = only_record(&with_record(15, &[0, 10, 0xc0, 16]));
    assert_eq!(mx.data, RData::MX(MX::new(10, "example.org.".parse().unwrap())));
    for data in [&[0, 10, 0xc0, 255][..], &[0, 10, 0xc0], &[0]] {
        assert_eq!(read_whole(&with_record(15, data)), Err(NotOurs::Malformed), "{data:?}");
        assert_eq!(read_whole(&with_record(18, data)), Err(NotOurs::Malformed), "{data:?}");
    }
    let past_the_end = [0, 1, 3, b'w', b'w'];
    assert_eq!(read_whole(&with_record(18, &past_the_end)), Err(NotOurs::Malformed));
}

#[test]
fn counts_are_claims() {
    let mut bytes = good().to_vec().unwrap();
    bytes[6..8].copy_from_slice(&u16::MAX.to_be_bytes());
    assert_eq!(read_whole(&bytes), Err(NotOurs::Malformed));
}

proptest! {
    #[test]
    fn random_octets_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read_whole(&bytes);
        let _ = read(&bytes, &request().sending_as_asked(ID), Extent::Beginning);
    }

    #[test]
    fn random_records_do_no_harm(
        rtype in prop_oneof![0_u16..260, any::<u16>()],
        data in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(reply) = read_whole(&with_record(rtype, &data)) {
            let mut again = good();
            again.answers = reply.answers;
            prop_assert!(again.to_vec().is_ok(), "what is read can be sent");
        }
    }

    #[test]
    fn changed_messages_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut message = good();
        let soa = SOA::new("ns.example.org.".parse().unwrap(), Name::root(), 1, 2, 3, 4, 5);
        message.add_authority(Record::from_rdata(Name::root(), 7, RData::SOA(soa)));
        message.edns = Some(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read_whole(&bytes);
        let _ = read_whole(&bytes[..end.index(bytes.len())]);
    }
}
