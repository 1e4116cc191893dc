//! `case_randomization`: letters in random case, which the reply has to repeat (draft-vixie-dnsext-dns0x20).

use std::collections::BTreeSet;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::fake_upstream::{FakeUpstream, Seen, reply_to};
use super::request::Request;
use super::testing::{Server, by_tcp, by_udp, record};
use super::{LetterCase, testing};
use crate::Reply;

const NAME: &str = "www.Some-Long-Name.example.";

fn forward_to(upstream: &FakeUpstream) -> Server {
    let address = upstream.address;
    Server::new(&format!("forward . {address} {{\ncase_randomization\nread_timeout 200ms\n}}"))
}

fn asked(upstream: &FakeUpstream) -> Vec<String> {
    upstream.seen().iter().map(|seen| seen.message.queries[0].name.to_ascii()).collect()
}

fn owners(reply: &Reply) -> Vec<String> {
    reply.answers.iter().map(|record| record.name.to_ascii()).collect()
}

#[test]
fn set_bits_change_letters_and_nothing_else() {
    let query = testing::query("a-Z9.Example.", RecordType::A);
    let request = Request::of(&query).unwrap().in_case(LetterCase::Random);
    let name = |random: [u64; 4]| {
        let sending = request.sending(1, || random);
        Message::from_vec(sending.octets()).unwrap().queries[0].name.to_ascii()
    };
    assert_eq!(name([0; 4]), "a-Z9.Example.");
    assert_eq!(name([u64::MAX; 4]), "A-z9.eXAMPLE.");
    // The octet with the length of the first label has the first bit.
    assert_eq!(name([0b10, 0, 0, 0]), "A-Z9.Example.");
    let last = [&"x".repeat(60)[..]; 4].join(".") + ".Yz.";
    let request = Request::of(&testing::query(&last, RecordType::A)).unwrap();
    let sent = request.in_case(LetterCase::Random);
    let sending = sent.sending(1, || [0, 0, 0, u64::MAX]);
    let sent = Message::from_vec(sending.octets()).unwrap().queries[0].name.to_ascii();
    assert!(sent.ends_with("X.yZ.") && sent.starts_with("xx"), "{sent}");
}

#[tokio::test]
async fn each_attempt_has_letters_in_another_case_and_the_client_sees_its_own() {
    // Owners, and the names below and above the question's that point into it.
    let upstream = FakeUpstream::start(|seen: Seen| {
        let mut reply = reply_to(&seen.message);
        let zone = seen.message.queries[0].name.base_name();
        let mut ns = record("x. NS ns.example.");
        ns.name = zone;
        reply.authorities.push(ns);
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let server = forward_to(&upstream);
    for _ in 0..10 {
        for query in [by_udp(NAME), by_tcp(NAME)] {
            let reply = server.ask(&query).await;
            assert_eq!(owners(&reply), [NAME]);
            assert_eq!(reply.authorities[0].name.to_ascii(), "Some-Long-Name.example.");
        }
    }
    let asked = asked(&upstream);
    assert!(asked.iter().all(|name| name.eq_ignore_ascii_case(NAME)));
    let different: BTreeSet<_> = asked.iter().collect();
    assert!(different.len() > 18, "20 questions, each with 2²⁰ ways to be written: {different:?}");
}

#[tokio::test]
async fn without_the_option_the_case_is_the_clients() {
    let upstream = FakeUpstream::good().await;
    let server = Server::new(&format!("forward . {}", upstream.address));
    server.ask(&by_udp(NAME)).await;
    assert_eq!(asked(&upstream), [NAME]);
}

#[tokio::test]
async fn replies_in_another_case_are_ignored_until_the_right_one_comes() {
    let upstream = FakeUpstream::start(|seen: Seen| {
        let name = seen.message.queries[0].name.clone();
        let mut forged = reply_to(&seen.message);
        forged.queries[0].name = name.to_lowercase();
        forged.answers[0] = record("www.some-long-name.example. A 192.0.2.66");
        let mut bare = forged.clone();
        bare.queries.clear();
        bare.answers.clear();
        bare.metadata.response_code = hickory_proto::op::ResponseCode::Refused;
        let good = reply_to(&seen.message);
        [forged, bare, good].iter().map(|message| message.to_vec().unwrap()).collect()
    })
    .await;
    let server = forward_to(&upstream);
    let reply = server.ask(&by_udp(NAME)).await;
    assert_eq!(reply.answers[0].data, record("x. A 192.0.2.1").data);
    assert_eq!(owners(&reply), [NAME]);
}

#[tokio::test]
async fn a_server_that_changes_the_case_gives_no_reply() {
    let upstream = FakeUpstream::start(|seen: Seen| {
        let mut reply = reply_to(&seen.message);
        reply.queries[0].name = reply.queries[0].name.to_lowercase();
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let server = forward_to(&upstream);
    let error = server.ask(&by_udp(NAME)).await.error.unwrap();
    assert!(
        error.contains("messages ignored, the last: question in another letter case"),
        "{error}"
    );
    // Nobody else can write into a connection: the next upstream is asked at once.
    let error = server.ask(&by_tcp(NAME)).await.error.unwrap();
    assert!(error.contains("question in another letter case over TCP"), "{error}");
}

#[tokio::test]
async fn clients_that_share_an_exchange_each_see_their_own_case() {
    let upstream = FakeUpstream::good().await;
    let server = forward_to(&upstream);
    let (one, other) = (by_udp("WWW.example."), by_udp("www.EXAMPLE."));
    let (one, other) = tokio::join!(server.ask(&one), server.ask(&other));
    assert_eq!(
        (owners(&one), owners(&other)),
        (vec!["WWW.example.".into()], vec!["www.EXAMPLE.".into()])
    );
    assert_eq!(upstream.asked(), 1);
}
