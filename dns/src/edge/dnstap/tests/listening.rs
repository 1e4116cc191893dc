//! Receivers that connect.

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::super::listener::{MAX_SINKS, Socket, bind};
use super::*;

/// A listener at a free port of 127.0.0.1.
struct Listening {
    address: String,
    messages: broadcast::Sender<Payload>,
    dropped: IntCounter,
}

async fn listen() -> Listening {
    let endpoint = Endpoint::Tcp("127.0.0.1:0".into());
    let socket = bind(&endpoint).await.unwrap();
    let Socket::Tcp(tcp) = &socket else { panic!("no TCP socket") };
    let address = tcp.local_addr().unwrap().to_string();
    let (messages, _) = broadcast::channel(SINK_QUEUE);
    let dropped = counter();
    let drops = Arc::new(Drops::new(dropped.clone()));
    let listener = Listener { endpoint, tls: None, messages: messages.downgrade(), drops };
    tokio::spawn(async move { listener.serve(&socket).await });
    Listening { address, messages, dropped }
}

impl Listening {
    async fn connect(&self) -> Receiver<TcpStream> {
        let before = self.messages.receiver_count();
        let receiver = Receiver::greet(TcpStream::connect(&self.address).await.unwrap()).await;
        while self.messages.receiver_count() == before {
            tokio::task::yield_now().await;
        }
        receiver
    }

    fn send(&self, text: &str) {
        self.messages.send(text.as_bytes().into()).unwrap();
    }
}

#[tokio::test]
async fn every_receiver_gets_every_message() {
    let listening = listen().await;
    let mut first = listening.connect().await;
    listening.send("one");
    let mut second = listening.connect().await;
    listening.send("two");
    assert_payloads(&mut first, &["one", "two"]).await;
    assert_payloads(&mut second, &["two"]).await;
    drop(first);
    listening.send("three");
    assert_payloads(&mut second, &["three"]).await;
    drop(listening.messages);
    assert_eq!(second.payload().await, None, "STOP when the plugin is gone");
    assert_eq!(listening.dropped.get(), 0);
}

#[tokio::test]
async fn a_receiver_that_is_too_slow_is_left_behind_alone() {
    let listening = listen().await;
    let mut slow = listening.connect().await;
    // The test does not wait in between, so that the receiver's task does not run.
    (0..SINK_QUEUE + 3).for_each(|at| listening.send(&at.to_string()));
    assert_eq!(slow.payload().await, None, "the connection ends");
    assert_eq!(listening.dropped.get(), 3);
    let mut next = listening.connect().await;
    listening.send("after");
    assert_payloads(&mut next, &["after"]).await;
}

#[tokio::test]
async fn the_number_of_receivers_is_limited() {
    use tokio::io::AsyncReadExt;
    let listening = listen().await;
    let mut receivers = Vec::new();
    for _ in 0..MAX_SINKS {
        receivers.push(listening.connect().await);
    }
    let mut rejected = TcpStream::connect(&listening.address).await.unwrap();
    assert_eq!(rejected.read(&mut [0; 4]).await.unwrap(), 0, "closed");
    drop(receivers.pop());
    // Its place is free once its end has been noticed.
    while listening.messages.receiver_count() == MAX_SINKS {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    listening.connect().await;
}

#[tokio::test]
async fn a_socket_that_was_left_over_is_replaced() {
    let directory = directory();
    let path = directory.path().join("tap");
    let endpoint = Endpoint::Unix(path.clone());
    drop(UnixListener::bind(&path).unwrap());
    let role = Role::Listen { tls: None };
    let tap = Tap::start(&endpoint, &role, counter()).unwrap();
    assert!(!tap.is_wanted(), "nobody is there");
    let stream = loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => break stream,
            // Not replaced yet.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut receiver = Receiver::greet(stream).await;
    while !tap.is_wanted() {
        tokio::task::yield_now().await;
    }
    send(&tap, &["one"]);
    assert_payloads(&mut receiver, &["one"]).await;
    drop(tap);
    assert_eq!(receiver.payload().await, None, "STOP");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_file_that_is_no_socket_stays() {
    let directory = directory();
    let path = directory.path().join("data");
    std::fs::write(&path, "precious").unwrap();
    let Err(error) = bind(&Endpoint::Unix(path.clone())).await else { panic!("bound") };
    assert!(error.to_string().contains("no socket; remove it"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn an_address_that_is_taken_is_bound_when_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let endpoint = Endpoint::Tcp(address.to_string());
    let tap = Tap::start(&endpoint, &Role::Listen { tls: None }, counter()).unwrap();
    tokio::task::yield_now().await;
    drop(taken);
    let stream = loop {
        // From another address: a free port might else be given to the client and connect to itself.
        let client = TcpSocket::new_v4().unwrap();
        client.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        match client.connect(address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut receiver = Receiver::greet(stream).await;
    while !tap.is_wanted() {
        tokio::task::yield_now().await;
    }
    send(&tap, &["one"]);
    assert_payloads(&mut receiver, &["one"]).await;
}
