use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::time::{Instant, advance};

use super::tests::{Server, address, nxdomain};
use crate::Reply;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failure() -> Option<Reply> {
    Some(Reply::new(ResponseCode::ServFail))
}

/// A server with an answer that expired 10 s ago.
async fn expired(option: &str) -> Server {
    let server = Server::new(&format!("cache {{\n{option}\nservfail 0\n}}"), address(1, 60));
    server.ask("a.example.").await;
    advance(secs(70)).await;
    server
}

#[tokio::test(start_paused = true)]
async fn immediate_answers_first_and_asks_behind_it() {
    let server = expired("serve_stale").await;
    server.source_gives(address(2, 60));
    assert_eq!(server.address("a.example.").await, (1, 0));
    tokio::task::yield_now().await;
    assert_eq!(server.address("a.example.").await, (2, 60));
    assert_eq!(server.cache.0.metrics.served_stale.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_serve_stale_an_expired_answer_is_none() {
    let server = expired("keepttl").await;
    server.source_gives(failure());
    assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::ServFail);
}

#[tokio::test(start_paused = true)]
async fn duration_ends_it() {
    let server = expired("serve_stale 15s").await;
    server.source_gives(failure());
    assert_eq!(server.address("a.example.").await, (1, 0));
    advance(secs(5)).await;
    assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::ServFail);
}

#[tokio::test(start_paused = true)]
async fn the_ttl_and_the_recheck_of_stale_answers() {
    let server = expired("serve_stale 1h immediate 30 20s").await;
    server.source_gives(failure());
    assert_eq!(server.address("a.example.").await, (1, 30));
    tokio::task::yield_now().await;
    advance(secs(19)).await;
    server.ask("a.example.").await;
    tokio::task::yield_now().await;
    assert_eq!(server.source.asked(), 2, "not again within 20 s");
    advance(secs(1)).await;
    server.ask("a.example.").await;
    tokio::task::yield_now().await;
    assert_eq!(server.source.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn verify_asks_first() {
    let server = expired("serve_stale 1h verify").await;
    server.source_gives(failure());
    assert_eq!(server.address("a.example.").await, (1, 0), "the source fails");
    server.source_gives(address(2, 60));
    assert_eq!(server.address("a.example.").await, (2, 60), "the source knows better");
    advance(secs(60)).await;
    server.source_gives(nxdomain(60));
    assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::NXDomain);
}

#[tokio::test(start_paused = true)]
async fn verify_waits_no_longer_than_it_may() {
    let server = expired("serve_stale 1h verify 200ms").await;
    server.source_gives(None);
    let start = Instant::now();
    assert_eq!(server.address("a.example.").await, (1, 0));
    assert_eq!(start.elapsed(), Duration::from_millis(200));
    assert_eq!(server.address("a.example.").await, (1, 0), "one question to the source is enough");
    assert_eq!(server.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn prefer_positive_keeps_the_success() {
    for (policy, rcode) in [
        ("", ResponseCode::NXDomain),
        ("\nserve_stale_policy prefer_positive", ResponseCode::NoError),
    ] {
        let server = expired(&format!("serve_stale 1h verify{policy}")).await;
        server.source_gives(nxdomain(10));
        assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::NXDomain);
        server.source_gives(failure());
        advance(secs(10)).await;
        assert_eq!(server.ask("a.example.").await.rcode, rcode, "both have expired");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_servfail_does_not_hide_a_stale_success() {
    let server = Server::new("cache {\nserve_stale 1h\nservfail 1m\n}", address(1, 60));
    server.ask("a.example.").await;
    advance(secs(70)).await;
    server.source_gives(failure());
    for _ in 0..3 {
        assert_eq!(server.address("a.example.").await, (1, 0));
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_servfail_does_not_put_out_a_stale_denial() {
    for option in ["serve_stale 1h verify", "serve_stale 1h immediate", "serve_stale"] {
        let server = Server::new(&format!("cache {{\n{option}\n}}"), nxdomain(60));
        server.ask("a.example.").await;
        advance(secs(70)).await;
        server.source_gives(failure());
        for _ in 0..3 {
            assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::NXDomain, "{option}");
            tokio::task::yield_now().await;
        }
        advance(secs(3600)).await;
        assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::ServFail, "{option}");
        let asked = server.source.asked();
        assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::ServFail, "{option}");
        assert_eq!(server.source.asked(), asked, "{option}: now the failure is kept");
    }
}
