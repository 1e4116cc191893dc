//! Upstreams that lead back to this server, as `loop` finds them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{LowerName, RecordType};
use tokio::time::Instant;

use super::fake_upstream::{FakeUpstream, Seen, reply_to};
use super::testing::{Server, by_udp};
use crate::plugin::r#loop::{LoopGuard, token_of};
use crate::{ExtendedErrorCode, Protocol};

/// What an upstream does with probes; it answers everything else, unless it is silent.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
enum Mode {
    Good,
    LeadsBack,
    Silent,
}

/// An upstream whose mode can change, and which leads back to the server of the guard.
struct Suspect {
    fake: FakeUpstream,
    mode: Arc<AtomicU8>,
}

impl Suspect {
    async fn start(guard: &LoopGuard, mode: Mode) -> Self {
        let (mode, outstanding) = (Arc::new(AtomicU8::new(mode as u8)), guard.outstanding.clone());
        let current = Arc::clone(&mode);
        let fake = FakeUpstream::start(move |seen: Seen| {
            let mode = current.load(Ordering::SeqCst);
            let token = token_of(&LowerName::new(&seen.message.queries[0].name));
            if let Some(token) = token.filter(|_| mode == Mode::LeadsBack as u8) {
                assert!(outstanding.arrived(token, Instant::now()), "the name of a probe");
            }
            let is_silent = mode == Mode::Silent as u8;
            if is_silent { Vec::new() } else { vec![reply_to(&seen.message).to_vec().unwrap()] }
        })
        .await;
        Self { fake, mode }
    }

    fn become_(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Returns the probes so far.
    fn probes(&self) -> Vec<Seen> {
        let is_probe = |seen: &Seen| seen.message.queries[0].query_type == RecordType::HINFO;
        self.fake.seen().into_iter().filter(is_probe).collect()
    }

    /// Returns the number of other queries.
    fn asked(&self) -> usize {
        self.fake.seen().len() - self.probes().len()
    }

    fn looping(&self, server: &Server) -> f64 {
        server.metric("portolan_forward_looping", &self.fake.address.to_string())
    }
}

/// Waits in the time of the test, which stands still while anything else can be done.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(300), "not seen: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_leads_back_is_not_asked() {
    let (guard, _serving) = LoopGuard::for_tests(&["."]);
    let suspect = Suspect::start(&guard, Mode::LeadsBack).await;
    let to = suspect.fake.address;
    let server = Server::guarded(&format!("forward . {to}"), &guard);
    until("the loop", || suspect.looping(&server) > 0.5).await;
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert_eq!(reply.error.unwrap(), format!("every upstream leads back to this server: {to}"));
    let error = reply.extended_error.unwrap();
    assert_eq!(error.code, ExtendedErrorCode::NoReachableAuthority);
    assert!(notes[0].starts_with(&format!("{to} is not asked: it leads back")), "{notes:?}");
    assert!(notes[0].ends_with("forward to a server that does not ask this one"), "{notes:?}");
    assert_eq!(suspect.asked(), 0);
    assert_eq!(server.metric("portolan_forward_refused_total", "looping"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn other_upstreams_are_asked_in_its_place() {
    let (guard, _serving) = LoopGuard::for_tests(&["."]);
    let suspect = Suspect::start(&guard, Mode::LeadsBack).await;
    let good = FakeUpstream::good().await;
    let text =
        format!("forward . {} {} {{\npolicy sequential\n}}", suspect.fake.address, good.address);
    let server = Server::guarded(&text, &guard);
    until("the loop", || suspect.looping(&server) > 0.5).await;
    for name in ["a.example.", "b.example.", "c.example."] {
        let reply = server.ask(&by_udp(name)).await;
        assert_eq!(reply.rcode, ResponseCode::NoError, "{:?}", reply.error);
        assert_eq!(reply.upstream.as_deref(), Some(good.address.to_string().as_str()));
    }
    assert_eq!(suspect.asked(), 0);
    assert_eq!(server.metric("portolan_forward_looping", ""), 1.0, "the other one is healthy");
}

#[tokio::test(start_paused = true)]
async fn a_repaired_upstream_comes_back() {
    let (guard, _serving) = LoopGuard::for_tests(&["."]);
    let suspect = Suspect::start(&guard, Mode::LeadsBack).await;
    let server = Server::guarded(&format!("forward . {}", suspect.fake.address), &guard);
    let since = Instant::now();
    until("several probes", || suspect.probes().len() == 8).await;
    assert!(since.elapsed() > Duration::from_secs(60), "with backoff: {:?}", since.elapsed());
    assert!(suspect.looping(&server) > 0.5);
    suspect.become_(Mode::Good);
    let since = Instant::now();
    until("the repair", || suspect.looping(&server) < 0.5).await;
    assert!(since.elapsed() < Duration::from_secs(32), "{:?}", since.elapsed());
    assert_eq!(server.ask(&by_udp("a.example.")).await.rcode, ResponseCode::NoError);
    let probes = suspect.probes().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(suspect.probes().len(), probes, "what answers is left alone");
}

#[tokio::test(start_paused = true)]
async fn upstreams_are_probed_until_they_answer_and_again_when_they_fail() {
    let (guard, _serving) = LoopGuard::for_tests(&["."]);
    let suspect = Suspect::start(&guard, Mode::Silent).await;
    let text = format!("forward . {} {{\nmax_fails 0\n}}", suspect.fake.address);
    let server = Server::guarded(&text, &guard);
    until("three probes", || suspect.probes().len() == 3).await;
    suspect.become_(Mode::Good);
    until("a fourth", || suspect.probes().len() == 4).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((suspect.probes().len(), suspect.looping(&server)), (4, 0.0));
    // A loop that comes about later shows as silence, because the query waits for itself.
    suspect.become_(Mode::Silent);
    assert_eq!(server.ask(&by_udp("a.example.")).await.rcode, ResponseCode::ServFail);
    suspect.become_(Mode::LeadsBack);
    until("the loop", || suspect.looping(&server) > 0.5).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_probed_before_the_block_is_served() {
    let (guard, serving) = LoopGuard::for_tests(&["."]);
    serving.send_replace(false);
    let suspect = Suspect::start(&guard, Mode::LeadsBack).await;
    let server = Server::guarded(&format!("forward . {}", suspect.fake.address), &guard);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((suspect.probes().len(), suspect.looping(&server)), (0, 0.0));
    serving.send_replace(true);
    until("the loop", || suspect.looping(&server) > 0.5).await;
}

#[tokio::test(start_paused = true)]
async fn probes_go_as_queries_do_and_have_names_that_nobody_can_guess() {
    for (options, protocol) in [("", Protocol::Udp), ("force_tcp", Protocol::Tcp)] {
        let (guard, _serving) = LoopGuard::for_tests(&["example.org."]);
        let (one, other) = (
            Suspect::start(&guard, Mode::Silent).await,
            Suspect::start(&guard, Mode::Silent).await,
        );
        let to = format!("{} {}", one.fake.address, other.fake.address);
        let _server = Server::guarded(&format!("forward . {to} {{\n{options}\n}}"), &guard);
        let probes = || [one.probes(), other.probes()].concat();
        until("probes", || one.probes().len() >= 2 && other.probes().len() >= 2).await;
        let mut names = BTreeSet::new();
        for Seen { message, protocol: by, .. } in probes() {
            let Message { queries, .. } = &message;
            assert!(by == protocol && message.recursion_desired, "{options}");
            let name = queries[0].name.to_ascii();
            assert!(name.len() == 46 && name.ends_with(".example.org."), "{name}");
            assert!(names.insert(name), "every probe has another name");
        }
    }
}

#[tokio::test]
async fn without_loop_nothing_is_probed() {
    let good = FakeUpstream::good().await;
    let server = Server::new(&format!("forward . {}", good.address));
    server.ask(&by_udp("a.example.")).await;
    assert_eq!(good.seen().len(), 1);
    assert_eq!(server.metric("portolan_forward_looping", ""), 0.0);
}
