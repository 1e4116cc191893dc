//! DNS over HTTPS with HTTP/2. dnsperf 2.10 takes notice of a reply that comes in one record of TLS only when it has
//! waited 100 ms for the next.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::connections::Outcome;
use crate::question::encode_all;
use crate::workload::Question;

/// Connections.
const CONNECTIONS: usize = 8;

/// Questions under way on each.
const STREAMS: usize = 16;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// When to ask.
#[derive(Clone, Copy, Debug)]
struct Pace {
    start: Instant,
    time: Duration,
    /// Between two questions of one of the streams.
    pause: Duration,
}

/// Asks the questions in turn (POST, RFC 8484 §4.1); `rate` of them a second, or as many as are answered.
///
/// # Errors
/// There is no HTTP/2 at the port, or no answer at all.
pub(crate) fn ask(
    port: u16,
    certificate: &Path,
    questions: &[Question],
    rate: Option<f64>,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let messages: Vec<Bytes> = encode_all(questions)?.into_iter().map(Bytes::from).collect();
    let tls = TlsConnector::from(Arc::new(tls(certificate)?));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let mut outcome = local.block_on(&runtime, async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(connect(&tls, port).await?);
        }
        let streams = (CONNECTIONS * STREAMS) as f64;
        let pause = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(streams / rate));
        Ok::<_, anyhow::Error>(
            all(&connections, messages, Pace { start: Instant::now(), time, pause }).await,
        )
    })?;
    ensure!(!outcome.times.is_empty(), "no answer over HTTPS on port {port}");
    outcome.times.sort_unstable();
    Ok(outcome)
}

fn tls(certificate: &Path) -> anyhow::Result<ClientConfig> {
    let pem = fs::read(certificate).with_context(|| format!("read {}", certificate.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).context("read the certificate")?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn connect(tls: &TlsConnector, port: u16) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connect")?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let stream = tls.connect(name, stream).await.context("TLS")?;
    let (send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.context("HTTP/2")?;
    // It ends with the last sender.
    tokio::task::spawn_local(connection);
    Ok(send)
}

async fn all(
    connections: &[SendRequest<Full<Bytes>>],
    messages: Vec<Bytes>,
    pace: Pace,
) -> Outcome {
    let (messages, mut streams) = (Rc::new(messages), JoinSet::new());
    let every = CONNECTIONS * STREAMS;
    for number in 0..every {
        let connection = connections[number % CONNECTIONS].clone();
        let messages = Rc::clone(&messages);
        streams.spawn_local(async move {
            let mine = messages.iter().cycle().skip(number).step_by(every);
            ask_in_turn(connection, mine, pace).await
        });
    }
    let mut outcome = Outcome::default();
    while let Some(done) = streams.join_next().await {
        outcome = outcome.with(done.unwrap_or_default());
    }
    outcome
}

async fn ask_in_turn<'m>(
    mut connection: SendRequest<Full<Bytes>>,
    messages: impl Iterator<Item = &'m Bytes>,
    pace: Pace,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut due = Duration::ZERO;
    for message in messages {
        let wait = due.saturating_sub(pace.start.elapsed());
        if !wait.is_zero() {
            sleep(wait).await;
        }
        if pace.start.elapsed() >= pace.time {
            break;
        }
        let before = Instant::now();
        match timeout(PATIENCE, exchange(&mut connection, message.clone())).await {
            Ok(Ok(())) => outcome.times.push(before.elapsed()),
            Ok(Err(_)) | Err(_) => outcome.lost += 1,
        }
        due += pace.pause;
    }
    outcome
}

async fn exchange(connection: &mut SendRequest<Full<Bytes>>, message: Bytes) -> anyhow::Result<()> {
    connection.ready().await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(Uri::from_static("https://localhost/dns-query"))
        .header(CONTENT_TYPE, "application/dns-message")
        .body(Full::new(message))?;
    let response = connection.send_request(request).await?;
    ensure!(response.status().is_success(), "the server says {}", response.status());
    let reply = response.into_body().collect().await?.to_bytes();
    // QR, and NOERROR or NXDOMAIN.
    ensure!(
        reply.len() > 11 && reply[2] & 0x80 != 0 && matches!(reply[3] & 0x0f, 0 | 3),
        "no answer"
    );
    Ok(())
}
