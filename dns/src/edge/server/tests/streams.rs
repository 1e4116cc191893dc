//! Clients of QUIC, HTTP/3 and HTTP/2 that do what they may not, or more than they may.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, VarInt};
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::*;
use crate::edge::server::asker::Asker;
use crate::edge::server::gathered::{Gathered, NoRoom};
use crate::edge::server::streams::ended_stream;
use crate::plugin::tls::{CertificateSource, ClientAuth, TlsConfig};

/// A deadline of a server that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

/// A server for one listener, and what its clients trust.
struct Stage {
    responder: Arc<Responder>,
    server: Server,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    release: oneshot::Sender<()>,
}

impl Stage {
    fn new(transport: Transport, streams: StreamLimits, timeouts: TimeoutsConfig) -> Self {
        Self::with_limits(transport, streams, timeouts, Limits::default())
    }

    fn with_limits(
        transport: Transport,
        streams: StreamLimits,
        timeouts: TimeoutsConfig,
        limits: Limits,
    ) -> Self {
        let id = ListenerId(0);
        let (release, gate) = oneshot::channel::<()>();
        let gate = Box::pin(gate.map(|_| ()));
        let responder = responder(engine(ResponseCode::NoError, &[id], gate));
        let directory = tempfile::tempdir().unwrap();
        let (certificate, tls) = certificate(directory.path());
        let mut server = Server::new(&responder, limits);
        let tls = Some(tls).filter(|_| transport != Transport::Https);
        let config =
            ListenerConfig { transport, timeouts, stream_limits: streams, tls, ..listener(0) };
        let bound = server.bind(&[config], &Acme::default()).unwrap().remove(0);
        let address = bound.address;
        server.serve(id, bound);
        Self { responder, server, address, certificate, release }
    }

    fn client(&self, protocol: &[u8]) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![protocol.to_vec()];
        tls.enable_early_data = true;
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = quinn::TransportConfig::default();
        // It reads no more than this ahead.
        transport.stream_receive_window(8_u32.into());
        config.transport_config(Arc::new(transport));
        let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        endpoint.set_default_client_config(config);
        Client { endpoint, server: self.address }
    }

    fn refused(&self, limit: &str) -> u64 {
        self.responder.metrics().refused.with_label_values(&[limit]).get()
    }

    fn closed(&self, reason: &str) -> u64 {
        self.responder.metrics().closed.with_label_values(&[reason]).get()
    }

    fn responses(&self, code: &str) -> u64 {
        self.responder
            .metrics()
            .quic_responses
            .with_label_values(&["quic://127.0.0.1:0", code])
            .get()
    }

    async fn end(self) {
        let _ = self.release.send(());
        self.server.drain(Duration::from_secs(5)).await;
        let metrics = self.responder.metrics();
        assert_eq!((metrics.quic_connections.get(), metrics.unread.get()), (0, 0));
    }
}

struct Client {
    endpoint: Endpoint,
    server: SocketAddr,
}

impl Client {
    async fn connect(&self) -> Result<Connection, ConnectionError> {
        self.endpoint.connect(self.server, "dns.test").unwrap().await
    }
}

fn certificate(directory: &Path) -> (CertificateDer<'static>, TlsConfig) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let path = |name: &str| directory.join(name);
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let tls = TlsConfig {
        source: CertificateSource::Files { certificate: path("cert.pem"), key: path("key.pem") },
        authorities: None,
        client_auth: ClientAuth::NoCertificate,
        keylog: None,
    };
    (certificate.der().clone(), tls)
}

fn limits(connections: usize, streams: u32, workers: usize) -> StreamLimits {
    StreamLimits { connections: Some(connections), streams, workers }
}

fn short() -> TimeoutsConfig {
    TimeoutsConfig { read: Some(SHORT), write: Some(SHORT), ..TimeoutsConfig::default() }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// Returns a question as DNS over QUIC has it: with the id 0.
fn zero(name: &str) -> Vec<u8> {
    let mut message = question(name);
    message[..2].fill(0);
    message
}

async fn send(connection: &Connection, octets: &[u8]) -> quinn::RecvStream {
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(octets).await.unwrap();
    let _ = send.finish();
    receive
}

async fn ask(connection: &Connection, name: &str) -> ResponseCode {
    let mut stream = send(connection, &framed(&zero(name))).await;
    rcode(&stream.read_to_end(65_537).await.unwrap()[2..])
}

async fn code(connection: &Connection) -> u64 {
    match tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap() {
        ConnectionError::ApplicationClosed(close) => close.error_code.into(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn questions_share_a_connection_and_overtake_each_other() {
    let stage = Stage::new(Transport::Quic, StreamLimits::default(), TimeoutsConfig::default());
    let connection = stage.client(b"doq").connect().await.unwrap();
    let mut late = send(&connection, &framed(&zero("late."))).await;
    for _ in 0..300 {
        assert_eq!(ask(&connection, "now.").await, ResponseCode::NoError);
    }
    let Stage { release, responder, server, .. } = stage;
    release.send(()).unwrap();
    assert_eq!(rcode(&late.read_to_end(512).await.unwrap()[2..]), ResponseCode::NoError);
    server.drain(Duration::from_secs(5)).await;
    assert_eq!(code(&connection).await, 0, "DOQ_NO_ERROR");
    let metrics = responder.metrics();
    let counted = metrics.quic_responses.with_label_values(&["quic://127.0.0.1:0", "0x0"]).get();
    assert_eq!(counted, 301);
}

/// The kernel gives the packets of some connections to the server that takes over, which does not know them.
#[tokio::test]
async fn a_server_that_is_taken_over_tells_all_of_its_clients() {
    let stage = Stage::new(Transport::Quic, StreamLimits::default(), TimeoutsConfig::default());
    let clients: Vec<Client> = (0..16).map(|_| stage.client(b"doq")).collect();
    let mut connections = Vec::new();
    for client in &clients {
        let connection = client.connect().await.unwrap();
        assert_eq!(ask(&connection, "now.").await, ResponseCode::NoError);
        connections.push(connection);
    }
    let directory = tempfile::tempdir().unwrap();
    let (_, tls) = certificate(directory.path());
    let config = listener(stage.address.port());
    let config = ListenerConfig { transport: Transport::Quic, tls: Some(tls), ..config };
    let bound = bind_shared(&[config], &Acme::default()).unwrap().remove(0);
    let id = ListenerId(0);
    let mut next = Server::new(&responder(open(ResponseCode::NoError, &[id])), Limits::default());
    next.serve(id, bound);
    stage.end().await;
    for connection in &connections {
        let told = tokio::time::timeout(Duration::from_secs(5), code(connection)).await;
        assert_eq!(told, Ok(0), "DOQ_NO_ERROR");
    }
}

#[tokio::test]
async fn what_rfc_9250_does_not_allow_ends_the_connection() {
    let stage = Stage::new(Transport::Quic, StreamLimits::default(), TimeoutsConfig::default());
    let client = stage.client(b"doq");
    let good = framed(&zero("now."));
    let mut keepalive = Message::new(0, MessageType::Query, OpCode::Query);
    keepalive.add_query(Question::query("now.".parse().unwrap(), RecordType::A));
    let mut edns = hickory_proto::op::Edns::new();
    let option = hickory_proto::rr::rdata::opt::EdnsOption::Unknown(11, Vec::new());
    edns.options_mut().insert(option);
    keepalive.set_edns(edns);
    let mut response = zero("now.");
    response[2] |= 0x80;
    let cases = [
        framed(&question("now.")),
        [good.clone(), good.clone()].concat(),
        good[..good.len() - 1].to_vec(),
        Vec::new(),
        framed(&[]),
        framed(&keepalive.to_vec().unwrap()),
        framed(&response),
        vec![0; 65_538],
    ];
    for (at, octets) in cases.iter().enumerate() {
        let connection = client.connect().await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        // The server may know enough before it has everything.
        let _ = send.write_all(octets).await;
        let _ = send.finish();
        assert_eq!(code(&connection).await, 2, "DOQ_PROTOCOL_ERROR, case {at}");
    }
    let expected = u64::try_from(cases.len()).unwrap();
    assert_eq!((stage.closed("protocol"), stage.responses("0x2")), (expected, expected));
    stage.end().await;
}

/// CVE-2026-82399: section counts that a client chose made the server allocate for them.
#[tokio::test]
async fn cve_2026_82399_counts_are_checked_before_anything_is_read() {
    let stage = Stage::new(Transport::Quic, StreamLimits::default(), TimeoutsConfig::default());
    let connection = stage.client(b"doq").connect().await.unwrap();
    for at in [4, 6, 8, 10] {
        let mut message = vec![0; 65_535];
        message[..12].copy_from_slice(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message[at..at + 2].copy_from_slice(&[255, 255]);
        let mut stream = send(&connection, &framed(&message)).await;
        let reply = stream.read_to_end(512).await.unwrap();
        // A header alone.
        assert_eq!((reply.len(), reply[5] & 15), (14, 1), "FORMERR");
    }
    stage.end().await;
}

/// CVE-2026-32934: a stream of which an octet comes now and then held a worker for ever.
#[tokio::test]
async fn cve_2026_32934_a_slow_stream_has_a_deadline() {
    let stage = Stage::new(Transport::Quic, limits(9, 9, 1), short());
    let connection = stage.client(b"doq").connect().await.unwrap();
    let (mut stream, _receive) = connection.open_bi().await.unwrap();
    let start = std::time::Instant::now();
    let dripping = async {
        for octet in framed(&zero("now.")) {
            if stream.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 5).await;
        }
    };
    let (code, ()) = tokio::join!(code(&connection), dripping);
    assert_eq!((code, stage.closed("read")), (2, 1));
    assert!((SHORT..20 * SHORT).contains(&start.elapsed()), "{:?}", start.elapsed());
    stage.end().await;
}

/// CVE-2025-47950: a connection could open any number of streams.
#[tokio::test]
async fn cve_2025_47950_a_connection_has_its_streams_and_no_more() {
    let stage = Stage::new(Transport::Quic, limits(9, 3, 99), TimeoutsConfig::default());
    let connection = stage.client(b"doq").connect().await.unwrap();
    let mut late = Vec::new();
    for _ in 0..3 {
        late.push(send(&connection, &framed(&zero("late."))).await);
    }
    // What the server has not allowed with the handshake has to wait.
    assert!(connection.open_bi().now_or_never().is_none(), "a fourth");
    assert!(connection.open_uni().now_or_never().is_none(), "not any");
    let held = stage.responder.metrics().held.with_label_values(&["streams"]);
    until(|| held.get() == 1).await;
    let Stage { release, server, .. } = stage;
    release.send(()).unwrap();
    for mut stream in late {
        assert_eq!(rcode(&stream.read_to_end(512).await.unwrap()[2..]), ResponseCode::NoError);
    }
    assert_eq!(ask(&connection, "now.").await, ResponseCode::NoError);
    server.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_question_for_which_there_is_no_place_is_refused() {
    let stage = Stage::new(Transport::Quic, limits(9, 9, 1), short());
    let connection = stage.client(b"doq").connect().await.unwrap();
    let _late = send(&connection, &framed(&zero("late."))).await;
    let mut refused = send(&connection, &framed(&zero("now."))).await;
    let error = refused.read_to_end(512).await.unwrap_err();
    let excessive = quinn::ReadToEndError::Read(quinn::ReadError::Reset(VarInt::from_u32(4)));
    assert_eq!(error, excessive, "DOQ_EXCESSIVE_LOAD");
    assert_eq!((stage.refused("workers"), stage.responses("0x4")), (1, 1));
    stage.end().await;
}

/// CVE-2025-68151: there was no limit of connections.
#[tokio::test]
async fn cve_2025_68151_connections_are_limited_and_clients_show_their_address() {
    let stage = Stage::new(Transport::Quic, limits(2, 9, 9), TimeoutsConfig::default());
    let client = stage.client(b"doq");
    let mut open = Vec::new();
    for _ in 0..2 {
        let connection = client.connect().await.unwrap();
        let late = send(&connection, &framed(&zero("late."))).await;
        // Its answer says that the one before is under way.
        assert_eq!(ask(&connection, "now.").await, ResponseCode::NoError);
        open.push((connection, late));
    }
    let metrics = stage.responder.metrics();
    assert_eq!((metrics.quic_retries.get(), metrics.quic_connections.get()), (1, 2));
    let refused = client.connect().await.unwrap_err();
    assert!(matches!(refused, ConnectionError::ConnectionClosed(_)), "{refused}");
    assert_eq!((stage.refused("quic_connections"), metrics.quic_retries.get()), (1, 2));
    // One that goes makes room.
    open.remove(0).0.close(0_u32.into(), b"");
    until(|| metrics.quic_connections.get() == 1).await;
    assert!(client.connect().await.is_ok());
    stage.end().await;
}

#[tokio::test]
async fn an_idle_connection_gives_its_place_to_the_newest_or_is_closed() {
    let idle = TimeoutsConfig { idle: Some(4 * SHORT), ..TimeoutsConfig::default() };
    let stage = Stage::new(Transport::Quic, limits(1, 9, 9), idle);
    let client = stage.client(b"doq");
    let first = client.connect().await.unwrap();
    assert_eq!(ask(&first, "now.").await, ResponseCode::NoError);
    // It is in use until the server knows that the client has the reply.
    until(|| stage.responder.metrics().unread.get() == 0).await;
    let second = client.connect().await.unwrap();
    assert_eq!((code(&first).await, stage.closed("evicted")), (4, 1));
    assert_eq!((code(&second).await, stage.closed("idle")), (0, 1));
    stage.end().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_the_connection() {
    let stage = Stage::new(Transport::Quic, limits(9, 9, 9), short());
    let connection = stage.client(b"doq").connect().await.unwrap();
    // Eight octets of the reply fit.
    let _unread = send(&connection, &framed(&zero("now."))).await;
    assert_eq!((code(&connection).await, stage.closed("write")), (4, 1));
    stage.end().await;
}

#[tokio::test]
async fn there_is_no_0_rtt() {
    let stage = Stage::new(Transport::Quic, StreamLimits::default(), TimeoutsConfig::default());
    let client = stage.client(b"doq");
    let connection = client.connect().await.unwrap();
    assert_eq!(ask(&connection, "now.").await, ResponseCode::NoError);
    // The ticket is there with the answer; it does not allow early data.
    let again = client.endpoint.connect(client.server, "dns.test").unwrap();
    assert!(again.into_0rtt().is_err());
    stage.end().await;
}

#[tokio::test]
async fn a_silent_handshake_has_a_deadline() {
    let stage = Stage::new(Transport::Quic, limits(9, 9, 9), short());
    // Another protocol is none.
    assert!(stage.client(b"h3").connect().await.is_err());
    until(|| stage.closed("handshake") == 1).await;
    stage.end().await;
}

type Http3Client = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

async fn http3(connection: &Connection) -> Http3Client {
    let quic = h3_quinn::Connection::new(connection.clone());
    let (mut driver, requests) = h3::client::new(quic).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|context| driver.poll_close(context)).await });
    requests
}

fn post() -> http::request::Builder {
    let builder = Request::post("https://dns.test/dns-query");
    builder.header("content-type", "application/dns-message")
}

async fn http3_post(client: &mut Http3Client, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let mut stream = client.send_request(post().body(()).unwrap()).await.unwrap();
    // The server may have answered before it has everything.
    let _ = stream.send_data(body.into()).await;
    let _ = stream.finish().await;
    let status = stream.recv_response().await.unwrap().status();
    let mut octets = Vec::new();
    while let Some(mut data) = stream.recv_data().await.unwrap() {
        octets.extend(data.copy_to_bytes(data.remaining()));
    }
    (status, octets)
}

#[tokio::test]
async fn http3_takes_a_post_up_to_its_limit() {
    let stage = Stage::new(Transport::Https3, StreamLimits::default(), TimeoutsConfig::default());
    let connection = stage.client(b"h3").connect().await.unwrap();
    let mut client = http3(&connection).await;
    for _ in 0..3 {
        let (status, reply) = http3_post(&mut client, question("now.")).await;
        assert_eq!((status, rcode(&reply)), (StatusCode::OK, ResponseCode::NoError));
    }
    let (status, _) = http3_post(&mut client, vec![0; 65_536]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = http3_post(&mut client, vec![0; 3]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    stage.end().await;
}

/// Sends a request of HTTP/3 whose stream stays open, and returns the status.
async fn http3_unfinished(client: &mut Http3Client, head: Request<()>, body: &[u8]) -> StatusCode {
    let mut stream = client.send_request(head).await.unwrap();
    if !body.is_empty() {
        // The server may have answered, and stopped the stream, before it has everything.
        let _ = stream.send_data(Bytes::copy_from_slice(body)).await;
    }
    stream.recv_response().await.unwrap().status()
}

#[tokio::test]
async fn http3_answers_requests_whose_end_does_not_come() {
    let timeouts = TimeoutsConfig { read: Some(SHORT), ..TimeoutsConfig::default() };
    let stage = Stage::new(Transport::Https3, StreamLimits::default(), timeouts);
    let connection = stage.client(b"h3").connect().await.unwrap();
    let mut client = http3(&connection).await;
    let get = format!("https://dns.test/dns-query?dns={}", URL_SAFE_NO_PAD.encode(zero("now.")));
    let text = Request::post("https://dns.test/dns-query").header("content-type", "text/plain");
    let long = post().header("content-length", "70000");
    let cases = [
        (Request::get(get).body(()).unwrap(), Vec::new(), 200),
        (Request::get("https://dns.test/other").body(()).unwrap(), Vec::new(), 404),
        (Request::put("https://dns.test/dns-query").body(()).unwrap(), Vec::new(), 405),
        (text.body(()).unwrap(), zero("now."), 415),
        (long.body(()).unwrap(), zero("now."), 413),
        (post().body(()).unwrap(), vec![0; 65_536], 413),
        (post().body(()).unwrap(), zero("now."), 408),
        (post().body(()).unwrap(), Vec::new(), 408),
    ];
    for (head, body, expected) in cases {
        let status = http3_unfinished(&mut client, head, &body).await.as_u16();
        assert_eq!(status, expected, "with a body of {} octets", body.len());
        let counts = &stage.responder.metrics().https3_responses;
        let status = expected.to_string();
        assert!(counts.with_label_values(&["https3://127.0.0.1:0", &status]).get() > 0);
    }
    assert_eq!(stage.responder.metrics().panics.get(), 0);
    stage.end().await;
}

/// Returns the client of a connection of a listener that has no socket.
fn asker(responder: &Arc<Responder>) -> Asker {
    let unread = Unread::new(responder.metrics().unread.clone());
    let shared = service::Shared { unread, turns: Arc::new(Semaphore::new(1)) };
    let (id, settings) = (ListenerId(0), Settings::default());
    let service = Service::new(id, responder, Limits::default(), &shared, settings);
    let client = "192.0.2.7:40000".parse().unwrap();
    let local = "192.0.2.53:853".parse().unwrap();
    Asker::new(&service, Arrival { client, local, protocol: Protocol::Quic })
}

#[tokio::test]
async fn a_panic_of_a_stream_is_counted() {
    let responder = responder(open(ResponseCode::NoError, &[ListenerId(0)]));
    let panicked = tokio::spawn(async { panic!("on purpose") }).await;
    assert!(ended_stream::<()>(panicked, &asker(&responder)).is_none());
    assert_eq!(responder.metrics().panics.get(), 1);
}

#[test]
fn long_messages_that_come_slowly_are_bounded_and_short_ones_are_not() {
    let responder = responder(open(ResponseCode::NoError, &[ListenerId(0)]));
    let asker = asker(&responder);
    let refused = || responder.metrics().refused.with_label_values(&["stream_octets"]).get();
    let mut whole = Gathered::new(&asker, 65_535);
    assert_eq!(whole.push(&vec![0; 65_535]), Ok(()));
    assert_eq!((whole.push(&[0]), refused()), (Err(NoRoom::TooLong), 0));
    // Half of 16 MiB are the client's.
    let others = asker.reserve((8 << 20) - (65_535 - 1024)).unwrap();
    let mut message = Gathered::new(&asker, 65_535);
    for _ in 0..1024 {
        assert_eq!(message.push(&[7]), Ok(()));
    }
    assert_eq!((message.push(&[7]), refused()), (Err(NoRoom::Full), 1));
    drop(others);
    assert_eq!((message.push(&[7; 9]), message.octets()), (Ok(()), &[7; 1033][..]));
    drop((whole, message));
    assert!(asker.reserve(8 << 20).is_some(), "all are free again");
}

#[tokio::test]
async fn a_question_that_is_not_complete_keeps_nothing_from_others() {
    let stage = Stage::new(Transport::Quic, limits(1, 9, 1), TimeoutsConfig::default());
    let client = stage.client(b"doq");
    let first = client.connect().await.unwrap();
    let (mut slow, _receive) = first.open_bi().await.unwrap();
    slow.write_all(&[0]).await.unwrap();
    // There is one place among the questions under way, and one for connections.
    assert_eq!(ask(&first, "now.").await, ResponseCode::NoError);
    until(|| stage.responder.metrics().unread.get() == 0).await;
    let second = client.connect().await.unwrap();
    assert_eq!((code(&first).await, stage.closed("evicted")), (4, 1));
    assert_eq!(ask(&second, "now.").await, ResponseCode::NoError);
    stage.end().await;
}

#[tokio::test]
async fn an_http3_request_whose_body_is_not_complete_keeps_nothing_from_others() {
    let stage = Stage::new(Transport::Https3, limits(1, 9, 1), TimeoutsConfig::default());
    let client = stage.client(b"h3");
    let first = client.connect().await.unwrap();
    let mut requests = http3(&first).await;
    let mut slow = requests.send_request(post().body(()).unwrap()).await.unwrap();
    slow.send_data(Bytes::from_static(&[0])).await.unwrap();
    let (status, _) = http3_post(&mut requests, question("now.")).await;
    assert_eq!(status, StatusCode::OK);
    until(|| stage.responder.metrics().unread.get() == 0).await;
    let second = client.connect().await.unwrap();
    assert_eq!((code(&first).await, stage.closed("evicted")), (0x107, 1), "H3_EXCESSIVE_LOAD");
    let (status, _) = http3_post(&mut http3(&second).await, question("now.")).await;
    assert_eq!(status, StatusCode::OK);
    stage.end().await;
}

#[tokio::test]
async fn http3_ends_heads_that_do_not_come_or_do_not_end() {
    // SETTINGS and HEADERS of 1 GiB each, on the control stream and as a request (RFC 9114 §7.2).
    for (unidirectional, prefix) in [
        (true, &[0, 4, 0xc0, 0, 0, 0, 0x40, 0, 0, 0][..]),
        (false, &[1, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]),
    ] {
        let timeouts = TimeoutsConfig { read: Some(SHORT), idle: Some(20 * SHORT), ..short() };
        let stage = Stage::new(Transport::Https3, StreamLimits::default(), timeouts);
        let connection = stage.client(b"h3").connect().await.unwrap();
        let mut stream = if unidirectional {
            connection.open_uni().await.unwrap()
        } else {
            connection.open_bi().await.unwrap().0
        };
        stream.write_all(prefix).await.unwrap();
        let mut sent = 0;
        while sent < 1 << 20 && stream.write_all(&[0; 1024]).await.is_ok() {
            sent += 1024;
        }
        assert!(sent < 512 << 10, "{sent} octets went out");
        stage.end().await;
    }
}

async fn http2(
    stream: tokio::io::DuplexStream,
    window: u32,
) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (requests, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// Serves HTTP/2 on a pipe; returns the client's end and what becomes of the connection.
fn serve_http2(
    settings: Settings,
    limits: Limits,
) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<Option<Closing>>, Arc<Responder>, Stopper) {
    let id = ListenerId(0);
    let responder = responder(open(ResponseCode::NoError, &[id]));
    let unread = Unread::new(responder.metrics().unread.clone());
    let shared = service::Shared { unread, turns: Arc::new(Semaphore::new(1)) };
    let service = Service::new(id, &responder, limits, &shared, settings);
    let client = "192.0.2.7:40000".parse().unwrap();
    let arrival = Arrival { client, local: client, protocol: Protocol::Https };
    let (place, _) =
        service.connections.admit(client.ip(), client.ip(), std::time::Instant::now()).unwrap();
    let (stopper, reading) = stop::stopper();
    let (near, far) = tokio::io::duplex(1 << 20);
    let serving = async move {
        https::serve(near, https::Version::Http2, arrival, &service, place, reading).await
    };
    (far, tokio::spawn(serving), responder, stopper)
}

fn http2_settings() -> Settings {
    let streams = limits(9, 256, 1024);
    Settings { transport: Transport::Https, streams, ..Settings::default() }
}

#[tokio::test(start_paused = true)]
async fn replies_that_are_not_read_are_bounded_and_end_the_connection() {
    let limits = Limits { tcp_unread: 100, ..Limits::default() };
    let (far, served, responder, _stopper) = serve_http2(http2_settings(), limits);
    // The client takes no octet of any reply.
    let mut client = http2(far, 0).await;
    let mut replies = Vec::new();
    for _ in 0..200 {
        client.ready().await.unwrap();
        let request = post().body(Full::new(question("now.").into())).unwrap();
        replies.push(tokio::spawn(client.send_request(request)));
    }
    let start = tokio::time::Instant::now();
    let closing = served.await.unwrap();
    assert_eq!(closing, Some(Closing::Write));
    assert!(start.elapsed() <= Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(responder.metrics().held.with_label_values(&["tcp_unread"]).get() > 0);
    until(|| responder.metrics().unread.get() == 0).await;
}

#[tokio::test]
async fn http2_answers_many_requests_of_a_connection_and_the_last_at_the_end() {
    let (far, served, _responder, stopper) = serve_http2(http2_settings(), Limits::default());
    let mut client = http2(far, 65_535).await;
    let mut replies = Vec::new();
    for _ in 0..400 {
        client.ready().await.unwrap();
        let request = post().body(Full::new(question("now.").into())).unwrap();
        replies.push(tokio::spawn(client.send_request(request)));
    }
    for reply in replies {
        let reply = reply.await.unwrap().unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(rcode(&body), ResponseCode::NoError);
    }
    stopper.stop();
    assert_eq!(served.await.unwrap(), None);
}
