//! A server whose configuration changes while it answers.

use std::future::ready;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use hickory_proto::op::{Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use prometheus::{IntCounter, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;

mod cached;
mod connections;
mod repeated;
mod searched;
mod streams;

use super::closing::Closing;
use super::responder::Received;
use super::*;
use crate::config::Sockets;
use crate::corefile::Transport;
use crate::engine::{Block, Context, Engine, Router};
use crate::plugin::stream_limits::StreamLimits;
use crate::plugin::timeouts::TimeoutsConfig;
use crate::plugin::{Handling, Outcome, Plugin};
use crate::sampling::Sampled;
use crate::wire::Arrival;
use crate::{Protocol, Query, Reply, wire};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with an rcode once it is let to.
#[derive(Debug)]
struct Answer {
    rcode: ResponseCode,
    gate: Shared<BoxFuture<'static, ()>>,
}

impl Plugin for Answer {
    fn name(&self) -> &'static str {
        "answer"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        if !query.lower.to_string().starts_with("late.") {
            return Handling::reply(Reply::new(self.rcode));
        }
        let gate = self.gate.clone();
        Handling::Later(Box::pin(async move {
            gate.await;
            Outcome::Reply(Reply::new(self.rcode))
        }))
    }
}

fn engine(rcode: ResponseCode, ids: &[ListenerId], gate: BoxFuture<'static, ()>) -> Engine {
    let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(Answer { rcode, gate: gate.shared() })];
    let routers = ids.iter().map(|id| {
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        (*id, router)
    });
    let block = Block::new("Corefile:1", plugins);
    Engine::of_listeners(vec![block], routers.collect())
}

fn open(rcode: ResponseCode, ids: &[ListenerId]) -> Engine {
    engine(rcode, ids, Box::pin(ready(())))
}

fn responder(engine: Engine) -> Arc<Responder> {
    let panics = IntCounter::new("panics", "Panics.").unwrap();
    let metrics = ServerMetrics::register(&Registry::new(), panics).unwrap();
    let sampled = Sampled::NamesAndClients;
    Arc::new(Responder::new(engine, metrics, Box::new(|_, _, _| ())).sampling(sampled))
}

/// Lets a message, or what was received of it, become a reply; says whether it had been written at once.
fn reply_to(responder: &Arc<Responder>, received: Received, written: Vec<u8>) -> (Vec<u8>, bool) {
    match received {
        Received::Written => (written, true),
        Received::Reply(reply) => (reply.unwrap(), false),
        Received::Question(question) => {
            let answer = Arc::clone(responder).answer(ListenerId(0), question);
            (answer.now_or_never().unwrap().unwrap(), false)
        }
    }
}

/// Asks as a listener does; says whether the reply was written without asking plugins.
fn ask(
    responder: &Arc<Responder>,
    arrival: Arrival,
    message: &[u8],
    now: std::time::Instant,
) -> (Vec<u8>, bool) {
    let mut reply = Vec::new();
    let received = responder.receive(ListenerId(0), message, arrival, now, &mut reply);
    reply_to(responder, received, reply)
}

fn listener(port: u16) -> ListenerConfig {
    let host = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    ListenerConfig {
        transport: Transport::Dns,
        host,
        port,
        sockets: Sockets::Number(1),
        timeouts: TimeoutsConfig::default(),
        stream_limits: StreamLimits::default(),
        tls: None,
        tls_position: None,
        zones: Vec::new(),
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Question::query(name.parse().unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn rcode(reply: &[u8]) -> ResponseCode {
    Message::from_vec(reply).unwrap().metadata.response_code
}

async fn udp_client(server: std::net::SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(server).await.unwrap();
    client
}

async fn udp_reply(client: &UdpSocket) -> ResponseCode {
    let mut buffer = [0; 512];
    let length = client.recv(&mut buffer).await.unwrap();
    rcode(&buffer[..length])
}

async fn udp_ask(client: &UdpSocket, name: &str) -> ResponseCode {
    client.send(&question(name)).await.unwrap();
    udp_reply(client).await
}

async fn tcp_send(client: &mut TcpStream, name: &str) {
    let question = question(name);
    client.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
    client.write_all(&question).await.unwrap();
}

async fn tcp_reply(client: &mut TcpStream) -> ResponseCode {
    let mut reply = vec![0; usize::from(client.read_u16().await.unwrap())];
    client.read_exact(&mut reply).await.unwrap();
    rcode(&reply)
}

/// Waits until something is so.
async fn until(is_it: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_it() {
        assert!(start.elapsed() < PATIENCE, "it does not come");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_question_keeps_its_engine_and_a_listener_its_socket() {
    let ids = [ListenerId(0), ListenerId(1)];
    let (release, gate) = oneshot::channel::<()>();
    let gate = Box::pin(gate.map(|_| ()));
    let responder = responder(engine(ResponseCode::NoError, &ids[..1], gate));
    let mut server = Server::new(&responder, Limits::default());
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let kept = bound.address;
    server.serve(ids[0], bound);
    let client = udp_client(kept).await;
    let mut connection = TcpStream::connect(kept).await.unwrap();
    assert_eq!(udp_ask(&client, "now.").await, ResponseCode::NoError);
    client.send(&question("late.")).await.unwrap();
    tcp_send(&mut connection, "late.").await;
    tcp_send(&mut connection, "now.").await;
    // The answer behind it says that the late one is under way.
    assert_eq!(tcp_reply(&mut connection).await, ResponseCode::NoError);
    assert_eq!(udp_ask(&client, "now.").await, ResponseCode::NoError);

    let added = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let other = udp_client(added.address).await;
    // Bound and not served: what comes in is answered by the engine that knows the listener.
    other.send(&question("now.")).await.unwrap();
    responder.replace(open(ResponseCode::NXDomain, &ids));
    server.serve(ids[1], added);
    assert_eq!(udp_reply(&other).await, ResponseCode::NXDomain);
    assert_eq!(udp_ask(&client, "now.").await, ResponseCode::NXDomain);
    tcp_send(&mut connection, "now.").await;
    assert_eq!(tcp_reply(&mut connection).await, ResponseCode::NXDomain);

    release.send(()).unwrap();
    assert_eq!(udp_reply(&client).await, ResponseCode::NoError);
    assert_eq!(tcp_reply(&mut connection).await, ResponseCode::NoError);
    server.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_stopped_listener_answers_what_came_in_and_gives_its_port_away() {
    let (release, gate) = oneshot::channel::<()>();
    let gate = Box::pin(gate.map(|_| ()));
    let id = ListenerId(0);
    let responder = responder(engine(ResponseCode::NoError, &[id], gate));
    let mut server = Server::new(&responder, Limits::default());
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let address = bound.address;
    // In the kernel before anything is served, as under load.
    let client = udp_client(address).await;
    client.send(&question("late.")).await.unwrap();
    client.send(&question("now.")).await.unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    tcp_send(&mut connection, "now.").await;
    server.serve(id, bound);
    server.stop(id).await;
    assert_eq!(udp_reply(&client).await, ResponseCode::NoError);
    assert_eq!(tcp_reply(&mut connection).await, ResponseCode::NoError);

    // A socket at the same address gets everything that comes now, though the first still has to reply.
    responder.replace(open(ResponseCode::NXDomain, &[id]));
    let again = server.bind(&[listener(address.port())], &Acme::default()).unwrap().remove(0);
    server.serve(id, again);
    for _ in 0..20 {
        let other = udp_client(address).await;
        assert_eq!(udp_ask(&other, "now.").await, ResponseCode::NXDomain);
    }
    release.send(()).unwrap();
    assert_eq!(udp_reply(&client).await, ResponseCode::NoError);
    server.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn connections_in_use_stay_and_the_newest_is_refused() {
    let (release, gate) = oneshot::channel::<()>();
    let gate = Box::pin(gate.map(|_| ()));
    let id = ListenerId(0);
    let responder = responder(engine(ResponseCode::NoError, &[id], gate));
    let limits = Limits { tcp_connections: 3, ..Limits::default() };
    let mut server = Server::new(&responder, limits);
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let address = bound.address;
    server.serve(id, bound);
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = TcpStream::connect(address).await.unwrap();
        tcp_send(&mut client, "late.").await;
        tcp_send(&mut client, "now.").await;
        assert_eq!(tcp_reply(&mut client).await, ResponseCode::NoError);
        open.push(client);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
    let count = responder.metrics().refused.with_label_values(&["tcp_connections"]).get();
    assert_eq!((count, responder.metrics().tcp_connections.get()), (1, 3));
    release.send(()).unwrap();
    for client in &mut open {
        assert_eq!(tcp_reply(client).await, ResponseCode::NoError);
    }
    server.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_connection_asks_as_much_as_it_may() {
    let id = ListenerId(0);
    let responder = responder(open(ResponseCode::NoError, &[id]));
    let mut server = Server::new(&responder, Limits::default());
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let address = bound.address;
    server.serve(id, bound);
    server.configure(id, &Settings { max_queries: Some(2), ..Settings::default() });
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        tcp_send(&mut client, "late.").await;
    }
    let mut replies = Vec::new();
    client.read_to_end(&mut replies).await.unwrap();
    assert_eq!(replies.len(), 2 * (2 + question("late.").len()), "two replies and no third");
    assert_eq!(responder.metrics().closed.with_label_values(&["queries"]).get(), 1);
    server.drain(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_not_asked_for_more_and_goes() {
    let id = ListenerId(0);
    let responder = responder(open(ResponseCode::NoError, &[id]));
    let unread = Unread::new(responder.metrics().unread.clone());
    let shared = service::Shared { unread, turns: Arc::new(Semaphore::new(1)) };
    let limits = Limits { tcp_unread: 1000, ..Limits::default() };
    let settings = Settings { write: Duration::from_secs(2), ..Settings::default() };
    let service = Service::new(id, &responder, limits, &shared, settings);
    let client = "192.0.2.7:40000".parse().unwrap();
    let arrival = Arrival { client, local: client, protocol: Protocol::Tcp };
    let (place, _) =
        service.connections.admit(client.ip(), client.ip(), std::time::Instant::now()).unwrap();
    let (_stopper, reading) = stop::stopper();
    // The kernel of this client takes 64 octets.
    let (near, mut far) = tokio::io::duplex(64);
    let mut scratch = scratch::Scratch::new(&service.shared.unread);
    let served = connection::serve(near, arrival, &service, &place, reading, &mut scratch);
    let asking = async {
        let question = question("now.");
        let framed =
            [&u16::try_from(question.len()).unwrap().to_be_bytes()[..], &question].concat();
        // Ends when the connection is closed.
        while far.write_all(&framed).await.is_ok() {
            let unread = responder.metrics().unread.get();
            assert!(unread <= 1000 + 2 + i64::try_from(question.len()).unwrap(), "{unread}");
        }
    };
    let start = tokio::time::Instant::now();
    let (closing, ()) = tokio::join!(async { served.await.unwrap() }, asking);
    assert_eq!(closing, Some(Closing::Write));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(responder.metrics().held.with_label_values(&["tcp_unread"]).get(), 1);
    assert_eq!(responder.metrics().unread.get(), 0);
}

#[tokio::test]
async fn a_block_that_waits_leaves_places_to_others() {
    let id = ListenerId(0);
    let (release, gate) = oneshot::channel::<()>();
    let gate = gate.map(|_| ()).boxed().shared();
    let block = || {
        let answer = Answer { rcode: ResponseCode::NoError, gate: gate.clone() };
        Block::new("Corefile:1", vec![Box::new(answer)])
    };
    let mut router = Router::default();
    router.add("silent.".parse().unwrap(), 0);
    router.add("late.other.".parse().unwrap(), 1);
    router.add("late.silent.".parse().unwrap(), 0);
    let responder = responder(Engine::of_listeners(vec![block(), block()], vec![(id, router)]));
    let limits = Limits { udp_waiting: 8, ..Limits::default() };
    let mut server = Server::new(&responder, limits);
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let address = bound.address;
    server.serve(id, bound);
    let client = udp_client(address).await;
    // The silent one has half of the places; what is more is answered at once.
    for _ in 0..4 {
        client.send(&question("late.silent.")).await.unwrap();
    }
    assert_eq!(udp_ask(&client, "late.silent.").await, ResponseCode::ServFail);
    let other = udp_client(address).await;
    other.send(&question("late.other.")).await.unwrap();
    assert_eq!(udp_ask(&client, "late.silent.").await, ResponseCode::ServFail);
    // Another thread may be about to put the question off.
    until(|| responder.metrics().udp_waiting.get() == 5).await;
    release.send(()).unwrap();
    assert_eq!(udp_reply(&other).await, ResponseCode::NoError);
    server.drain(Duration::from_secs(5)).await;
    assert_eq!(responder.metrics().udp_waiting.get(), 0);
}
