//! Encrypted upstreams, with certificates that are made for the test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hickory_proto::op::Message;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::fake_upstream::{Seen, reply_to, serve_connection};
use super::testing::TestFiles;

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The certificates of an authority and of a client, with the client's key.
pub(super) struct Pems {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Which certificate of its own authority a server wants from clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientCertificate {
    None,
    Required,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(["dns.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Returns what a server needs that shows the authority's own certificate.
    pub(super) fn server_itself(&self) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.0.key().serialize_der()).into();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![self.0.der().clone()], key).unwrap())
    }

    pub(super) fn pems(&self) -> Pems {
        let (key, params) = (KeyPair::generate().unwrap(), CertificateParams::default());
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Pems { ca: self.0.pem(), certificate, key: key.serialize_pem() }
    }

    /// Returns `ca.pem`, and `client.pem` with `client.key`.
    pub(super) fn files(&self) -> TestFiles {
        let Pems { ca, certificate, key } = self.pems();
        TestFiles::new([("ca.pem", &ca), ("client.pem", &certificate), ("client.key", &key)])
    }

    /// Returns what a server with a certificate for these names needs.
    pub(super) fn server(
        &self,
        names: &[&str],
        wanted: ClientCertificate,
        protocols: &[&[u8]],
    ) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wanted == ClientCertificate::Required {
            let mut roots = RootCertStore::empty();
            roots.add(self.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// What a server does with an encrypted connection.
pub(super) type Speaker =
    dyn Fn(TlsStream<TcpStream>, SocketAddr) -> BoxFuture<'static, ()> + Send + Sync;

/// Accepts TLS on a port of 127.0.0.1.
pub(super) struct SecureServer {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
    _tasks: JoinSet<()>,
}

impl SecureServer {
    pub(super) async fn start(config: Arc<ServerConfig>, speak: Arc<Speaker>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let accepted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let acceptor = TlsAcceptor::from(config);
            while let Ok((stream, from)) = listener.accept().await {
                let (acceptor, speak) = (acceptor.clone(), Arc::clone(&speak));
                accepted.lock().unwrap().spawn(async move {
                    // An error is a client that does not like the certificate.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        speak(stream, from).await;
                    }
                });
            }
        });
        Self { address, connections, _tasks: tasks }
    }

    /// Closes every connection.
    pub(super) fn hang_up(&self) {
        self.connections.lock().unwrap().abort_all();
    }
}

/// An upstream by DNS over TLS that answers everything with an address.
pub(super) struct TlsUpstream {
    pub(super) server: SecureServer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TlsUpstream {
    /// Starts an upstream that closes a connection after so many queries.
    pub(super) async fn start(config: Arc<ServerConfig>, queries: usize) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let speak = move |stream, from| {
            let recorded = Arc::clone(&recorded);
            let script: Arc<super::fake_upstream::Script> = Arc::new(move |seen: Seen| {
                recorded.lock().unwrap().push(seen.clone());
                vec![reply_to(&seen.message).to_vec().unwrap()]
            });
            let serve = async move {
                // An error is the client's hanging up.
                let _ = serve_connection(stream, from, queries, script).await;
            };
            Box::pin(serve) as BoxFuture<'static, ()>
        };
        Self { server: SecureServer::start(config, Arc::new(speak)).await, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A request as an upstream by DNS over HTTPS sees it.
#[derive(Clone, Debug)]
pub(super) struct SeenRequest {
    pub(super) head: http::request::Parts,
    pub(super) message: Message,
    pub(super) from: SocketAddr,
}

/// What an upstream by DNS over HTTPS says to a request; none is silence.
pub(super) type Respond = dyn Fn(&SeenRequest) -> Option<Response<Full<Bytes>>> + Send + Sync;

/// An upstream by DNS over HTTPS.
pub(super) struct DohUpstream {
    pub(super) server: SecureServer,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl DohUpstream {
    pub(super) async fn start(config: Arc<ServerConfig>, respond: Arc<Respond>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let speak = move |stream, from| {
            let (recorded, respond) = (Arc::clone(&recorded), Arc::clone(&respond));
            let service = service_fn(move |request: Request<Incoming>| {
                let (recorded, respond) = (Arc::clone(&recorded), Arc::clone(&respond));
                async move {
                    let seen = seen_request(request, from).await;
                    recorded.lock().unwrap().push(seen.clone());
                    match respond(&seen) {
                        Some(response) => Ok::<_, Infallible>(response),
                        None => std::future::pending().await,
                    }
                }
            });
            let serve = async move {
                let builder = http2::Builder::new(TokioExecutor::new());
                // An error is the client's hanging up.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            };
            Box::pin(serve) as BoxFuture<'static, ()>
        };
        Self { server: SecureServer::start(config, Arc::new(speak)).await, seen }
    }

    /// Starts an upstream that answers everything with an address.
    pub(super) async fn good(authority: &Authority) -> Self {
        let config =
            authority.server(&["dns.example", "127.0.0.1"], ClientCertificate::None, &[b"h2"]);
        Self::start(config, Arc::new(|seen| Some(good_response(seen)))).await
    }

    pub(super) fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }
}

/// Returns the response with one address record.
pub(super) fn good_response(seen: &SeenRequest) -> Response<Full<Bytes>> {
    let body = Full::from(reply_to(&seen.message).to_vec().unwrap());
    Response::builder().header("content-type", "application/dns-message").body(body).unwrap()
}

async fn seen_request(request: Request<Incoming>, from: SocketAddr) -> SeenRequest {
    let (head, body) = request.into_parts();
    let octets = match head.uri.query().and_then(|query| query.strip_prefix("dns=")) {
        Some(text) => URL_SAFE_NO_PAD.decode(text).unwrap(),
        None => body.collect().await.unwrap().to_bytes().to_vec(),
    };
    SeenRequest { message: Message::from_vec(&octets).unwrap(), head, from }
}
