//! Taps and receivers over real sockets.

mod listening;
mod tls;

use std::path::Path;

use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};

use super::fake_receiver::Receiver;
use super::*;

const MIB: usize = 1 << 20;

pub(super) fn counter() -> IntCounter {
    IntCounter::new("dropped", "dropped").unwrap()
}

fn connect_to(endpoint: Endpoint, queue: usize) -> (Tap, IntCounter) {
    let dropped = counter();
    let role = Role::Connect { queue, write_buffer: MIB, skip_verify: false };
    (Tap::start(&endpoint, &role, dropped.clone()).unwrap(), dropped)
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn greeted(listener: &UnixListener) -> Receiver<tokio::net::UnixStream> {
    Receiver::greet(listener.accept().await.unwrap().0).await
}

fn send(tap: &Tap, texts: &[&str]) {
    texts.iter().for_each(|text| tap.send(text.as_bytes().to_vec()));
}

async fn assert_payloads<S>(receiver: &mut Receiver<S>, texts: &[&str])
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for text in texts {
        assert_eq!(receiver.payload().await.as_deref(), Some(text.as_bytes()));
    }
}

fn at(path: &Path) -> (UnixListener, Endpoint) {
    (UnixListener::bind(path).unwrap(), Endpoint::Unix(path.into()))
}

#[tokio::test]
async fn over_a_unix_socket_until_the_plugin_is_gone() {
    let directory = directory();
    let (listener, endpoint) = at(&directory.path().join("tap"));
    let (tap, dropped) = connect_to(endpoint, 10);
    send(&tap, &["one", "two"]);
    let mut receiver = greeted(&listener).await;
    assert_payloads(&mut receiver, &["one", "two"]).await;
    assert!(tap.is_wanted());
    send(&tap, &["three"]);
    drop(tap);
    assert_payloads(&mut receiver, &["three"]).await;
    assert_eq!(receiver.payload().await, None, "STOP");
    assert_eq!(dropped.get(), 0);
}

#[tokio::test]
async fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap().to_string());
    let (tap, _) = connect_to(endpoint, 10);
    send(&tap, &["one"]);
    let mut receiver = Receiver::greet(listener.accept().await.unwrap().0).await;
    assert_payloads(&mut receiver, &["one"]).await;
}

#[tokio::test]
async fn the_write_buffer_is_that_of_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let size =
        |stream: &tokio::net::TcpStream| socket2::SockRef::from(stream).send_buffer_size().unwrap();
    let mut sizes = Vec::new();
    for write_buffer in [8192, 65_536] {
        let endpoint = Endpoint::Tcp(host.clone());
        let drops = Arc::new(Drops::new(counter()));
        let outgoing = Outgoing { endpoint, tls: None, write_buffer, drops };
        sizes.push(size(&outgoing.connect_tcp(&host).await.unwrap()));
    }
    // The kernel doubles what it is asked for (socket(7), SO_SNDBUF).
    assert_eq!(sizes, [2 * 8192, 2 * 65_536]);
}

#[tokio::test]
async fn a_receiver_that_comes_late_gets_what_fitted() {
    let directory = directory();
    let path = directory.path().join("tap");
    let (tap, dropped) = connect_to(Endpoint::Unix(path.clone()), 2);
    send(&tap, &["one", "two", "three", "four", "five"]);
    assert_eq!(dropped.get(), 3, "the queue has room for two");
    let (listener, _) = at(&path);
    let mut receiver = greeted(&listener).await;
    assert_payloads(&mut receiver, &["one", "two"]).await;
    send(&tap, &["six"]);
    assert_payloads(&mut receiver, &["six"]).await;
    assert_eq!(dropped.get(), 3);
}

#[tokio::test]
async fn a_receiver_that_stops_reading_does_not_stop_the_server() {
    let directory = directory();
    let (listener, endpoint) = at(&directory.path().join("tap"));
    let (tap, dropped) = connect_to(endpoint, 4);
    let mut receiver = greeted(&listener).await;
    let big = vec![7; MIB];
    // More than the socket and the queue hold: a sender that waited would never get past here.
    let mut sent = 0;
    while dropped.get() == 0 {
        tap.send(big.clone());
        sent += 1;
        tokio::task::yield_now().await;
    }
    for _ in 0..sent - 1 {
        assert_eq!(receiver.payload().await.map(|payload| payload.len()), Some(MIB));
    }
    send(&tap, &["after"]);
    assert_payloads(&mut receiver, &["after"]).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again() {
    let directory = directory();
    let (listener, endpoint) = at(&directory.path().join("tap"));
    let (tap, _) = connect_to(endpoint, 10);
    let mut receiver = greeted(&listener).await;
    send(&tap, &["one"]);
    assert_payloads(&mut receiver, &["one"]).await;
    drop(receiver);
    Receiver::disagree(listener.accept().await.unwrap().0).await;
    drop(listener.accept().await.unwrap());
    let mut receiver = greeted(&listener).await;
    send(&tap, &["two"]);
    assert_payloads(&mut receiver, &["two"]).await;
}

#[tokio::test]
async fn tasks_end_with_the_plugin_though_nobody_is_there() {
    let directory = directory();
    for role in [
        Role::Connect { queue: 1, write_buffer: MIB, skip_verify: false },
        Role::Listen { tls: None },
    ] {
        // Neither can be connected to nor listened at.
        let endpoint = Endpoint::Unix(directory.path().join("missing/tap"));
        let tap = Tap::start(&endpoint, &role, counter()).unwrap();
        let drops = Arc::downgrade(&tap.drops);
        tokio::task::yield_now().await;
        drop(tap);
        while drops.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
