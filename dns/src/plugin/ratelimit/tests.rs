//! Clients that ask more than they may.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use super::*;
use crate::cookie::{CheckedCookie, Cookie, ServerCookie};
use crate::engine::{Block, Engine, ListenerId, Router};
use crate::plugin::testing::{configure, query, with_site};
use crate::plugin::whoami::Whoami;
use crate::{Protocol, wire};

/// Returns a server that answers what `ratelimit` lets pass.
fn server(lines: &str) -> Engine {
    let config = configure(&format!("ratelimit {{\n{lines}\n}}"), RatelimitConfig::parse).unwrap();
    let plugin = with_site(|site| config.set_up(site).unwrap());
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let block = Block::new("Corefile:1", vec![plugin, Box::new(Whoami)]);
    Engine::new(vec![block], vec![router])
}

fn from(client: &str) -> Query {
    let client = (client.parse::<IpAddr>().unwrap(), 4000).into();
    Query { client, ..query("a.example.", RecordType::A) }
}

/// Sends a query so many times, and tells each outcome: `ok`, `refused`, `tc` or `dropped`.
async fn ask(server: &Engine, query: &Query, times: usize) -> Vec<&'static str> {
    let mut outcomes = Vec::new();
    for _ in 0..times {
        let reply = server.answer(ListenerId(0), &mut query.clone(), None).await.reply;
        outcomes.push(match reply {
            None => "dropped",
            Some(reply) if reply.truncated => "tc",
            Some(reply) if reply.rcode == ResponseCode::Refused => "refused",
            Some(_) => "ok",
        });
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn rate_and_burst() {
    let server = server("rate 10\nburst 3");
    let client = from("10.0.0.1");
    assert_eq!(ask(&server, &client, 4).await, ["ok", "ok", "ok", "refused"]);
    tokio::time::advance(Duration::from_millis(99)).await;
    assert_eq!(ask(&server, &client, 1).await, ["refused"]);
    tokio::time::advance(Duration::from_millis(101)).await;
    assert_eq!(ask(&server, &client, 3).await, ["ok", "ok", "refused"]);
    assert_eq!(ask(&server, &from("10.0.0.2"), 1).await, ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why() {
    let server = server("rate 1\nburst 1");
    ask(&server, &from("10.0.0.1"), 1).await;
    let reply = server.answer(ListenerId(0), &mut from("10.0.0.1"), None).await.reply.unwrap();
    let error = reply.extended_error.unwrap();
    assert_eq!((error.code, &*error.text), (ExtendedErrorCode::Other, WHY));
}

#[tokio::test(start_paused = true)]
async fn a_network_is_one_client() {
    for (lines, same, other) in [
        ("", ["10.0.0.1", "::ffff:10.0.0.1"], "10.0.0.2"),
        ("ipv4_prefix 24", ["10.0.0.1", "10.0.0.200"], "10.0.1.1"),
        ("ipv4_prefix 1", ["10.0.0.1", "127.0.0.1"], "192.0.2.1"),
        ("", ["fd00::1", "fd00:0:0:ff::9"], "fd00:0:0:100::1"),
        ("ipv6_prefix 128", ["fd00::1", "fd00::1"], "fd00::2"),
        ("ipv6_prefix 64", ["fd00::1", "fd00::ffff"], "fd00:0:0:1::1"),
    ] {
        let server = server(&format!("rate 1\nburst 1\nexempt 192.0.2.9\n{lines}"));
        assert_eq!(ask(&server, &from(same[0]), 1).await, ["ok"]);
        assert_eq!(ask(&server, &from(same[1]), 1).await, ["refused"], "{same:?}");
        assert_eq!(ask(&server, &from(other), 1).await, ["ok"], "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn exempt_clients_have_no_limit() {
    let default = server("rate 1\nburst 1");
    assert_eq!(ask(&default, &from("127.0.0.1"), 3).await, ["ok"; 3]);
    assert_eq!(ask(&default, &from("::1"), 3).await, ["ok"; 3]);
    let given = server("rate 1\nburst 1\nexempt 10.0.0.0/8");
    assert_eq!(ask(&given, &from("10.0.0.1"), 3).await, ["ok"; 3]);
    assert_eq!(ask(&given, &from("127.0.0.1"), 2).await, ["ok", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn actions() {
    for (action, expected) in [
        ("refuse", ["refused"; 4]),
        ("truncate", ["tc"; 4]),
        ("drop", ["dropped"; 4]),
        ("drop slip 2", ["dropped", "tc", "dropped", "tc"]),
        ("drop slip 1", ["tc"; 4]),
    ] {
        let server = server(&format!("rate 1\nburst 1\naction {action}"));
        let client = from("10.0.0.1");
        assert_eq!(ask(&server, &client, 1).await, ["ok"]);
        assert_eq!(ask(&server, &client, 4).await, expected, "{action}");
        let tcp = Query { protocol: Protocol::Tcp, ..client };
        assert_eq!(ask(&server, &tcp, 2).await, ["ok", "refused"], "{action} over TCP");
    }
}

/// Whoever forges a client's address takes nothing from what it asks over TCP or with a cookie.
#[tokio::test(start_paused = true)]
async fn clients_that_have_proven_their_address_are_counted_apart() {
    let server = server("rate 1\nburst 2\naction truncate");
    let forged = from("10.0.0.1");
    ask(&server, &forged, 100).await;
    let with_cookie = |is_valid| {
        let checked = Some(CheckedCookie { is_valid, reply: [0; 16] });
        let cookie = Cookie { client: [0; 8], server: ServerCookie::Absent, checked };
        Query { cookie: Some(cookie), ..forged.clone() }
    };
    assert_eq!(ask(&server, &with_cookie(false), 1).await, ["tc"]);
    assert_eq!(ask(&server, &with_cookie(true), 1).await, ["ok"]);
    let tcp = Query { protocol: Protocol::Tcp, ..forged.clone() };
    assert_eq!(ask(&server, &tcp, 2).await, ["ok", "refused"]);
}

/// What makes a client ask again over TCP is no larger than its question and an error.
#[tokio::test(start_paused = true)]
async fn what_is_limited_is_small() {
    for action in ["refuse", "truncate"] {
        let server = server(&format!("rate 1\nburst 1\naction {action}"));
        let client = from("10.0.0.1");
        ask(&server, &client, 1).await;
        let reply = server.answer(ListenerId(0), &mut client.clone(), None).await.reply.unwrap();
        let encoded = wire::encode(&client, &reply);
        assert_eq!(encoded.message.len(), 27, "a header and the question");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_bounds_what_is_known() {
    let server = server("rate 1\nburst 1\nclients 8");
    let first = from("10.0.0.1");
    ask(&server, &first, 1).await;
    for host in 0..64 {
        tokio::time::advance(Duration::from_nanos(1)).await;
        ask(&server, &from(&format!("10.0.1.{host}")), 1).await;
    }
    assert_eq!(ask(&server, &first, 1).await, ["ok"], "it has been forgotten");
}

#[tokio::test(start_paused = true)]
async fn the_count_is_by_zone_and_action() {
    let text = "ratelimit {\nrate 1\nburst 1\nexempt 192.0.2.1\n}";
    let config = configure(text, RatelimitConfig::parse).unwrap();
    let zones = ["example.", "a.example."].map(|zone| zone.parse().unwrap());
    let (plugin, metrics) = with_site(|site| {
        let site = Site { zones: &zones, view: "v", ..*site };
        (config.set_up(&site).unwrap(), site.metrics.ratelimit.clone())
    });
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine =
        Engine::new(vec![Block::new("Corefile:1", vec![plugin, Box::new(Whoami)])], vec![router]);
    ask(&engine, &from("127.0.0.1"), 4).await;
    let count = |zone| metrics.count_of(&["dns://:53", zone, "v", "refuse"]);
    assert_eq!((count("a.example."), count("example.")), (3, 0));
}
