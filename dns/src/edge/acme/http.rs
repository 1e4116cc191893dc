//! Requests to an authority: HTTPS, each on a connection of its own. They are few and far between.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::HOST;
use ::http::{HeaderValue, Request, Response, Uri};
use bytes::Bytes;
use hickory_proto::rr::Name;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::edge::upstream::{look_up, system_roots};
use crate::plugin::tls::acme::AcmeConfig;

/// The longest time of one request, from the lookup of the address to the last octet.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time until one address accepts a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest answer, in octets.
const MAX_BODY: usize = 1 << 20;

/// Why an authority cannot be asked.
#[derive(Debug, Error)]
pub(super) enum HttpError {
    /// The certificates of `ca_root` cannot be read.
    #[error("cannot read {path}: {why}; the option 'ca_root' names a PEM file")]
    Roots {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The URL is none that can be asked.
    #[error("{0} is no URL of a server")]
    Url(String),
    /// The host has no address.
    #[error("{host} has no address: {why}; check the name and the option 'resolver'")]
    Lookup {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// No connection was made.
    #[error("cannot connect to {address}: {why}; check that the server may reach it")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// The authority's own certificate is not trusted.
    #[error(
        "TLS with {host}: {why}; for a private authority name the file of its CA with the option 'ca_root'"
    )]
    Tls {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// The connection broke, or what came is too long.
    #[error("the answer of {host}: {why}")]
    Answer {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("no answer of {0} within {TIMEOUT:?}")]
    Timeout(String),
}

/// Asks authorities; clones share it.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    tls: Arc<ClientConfig>,
    resolver: Option<String>,
}

impl Connector {
    /// Reads the CAs of the host, and those of `ca_root`. Blocks.
    ///
    /// # Errors
    /// The latter cannot be read.
    pub(super) fn new(config: &AcmeConfig) -> Result<Self, HttpError> {
        let mut roots = system_roots();
        if let Some(path) = &config.ca_root {
            let refused = |why: String| HttpError::Roots { path: path.display().to_string(), why };
            let octets = fs::read(path).map_err(|error| refused(error.to_string()))?;
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
            let (added, _) = roots.add_parsable_certificates(read.unwrap_or_default());
            if added == 0 {
                return Err(refused("it has no certificate that can be used".to_owned()));
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(Inner { tls: Arc::new(tls), resolver: config.resolver.clone() })))
    }
}

impl HttpClient for Connector {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let answered = timeout(TIMEOUT, inner.send(request)).await;
            let answered = answered.unwrap_or_else(|_| Err(HttpError::Timeout(host)));
            answered.map_err(|error| instant_acme::Error::Other(Box::new(error)))
        })
    }
}

impl Inner {
    async fn send(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, HttpError> {
        let url = request.uri().clone();
        let host = url.host().ok_or_else(|| HttpError::Url(url.to_string()))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_encrypted = url.scheme_str() != Some("http");
        let port = url.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let stream = connect(&self.addresses(bare, port).await?).await?;
        let request = in_origin_form(request, &url)?;
        if !is_encrypted {
            return exchange(stream, request, host).await;
        }
        let name = ServerName::try_from(bare.to_owned());
        let name = name.map_err(|_| HttpError::Url(url.to_string()))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        let refused =
            |error: io::Error| HttpError::Tls { host: bare.to_owned(), why: error.to_string() };
        exchange(tls.map_err(refused)?, request, host).await
    }

    /// Returns the addresses of a host, which may be one itself.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let failed = |why: String| HttpError::Lookup { host: host.to_owned(), why };
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let found: Vec<SocketAddr> = match self.resolver.as_deref().filter(|_| !is_address) {
            None => {
                let found = lookup_host((host, port)).await;
                found.map_err(|error| failed(error.to_string()))?.collect()
            }
            Some(resolver) => {
                let mut at =
                    lookup_host(resolver).await.map_err(|error| failed(error.to_string()))?;
                let resolver =
                    at.next().ok_or_else(|| failed(format!("{resolver} has none either")))?;
                let mut name = Name::from_ascii(host).map_err(|error| failed(error.to_string()))?;
                name.set_fqdn(true);
                let found = look_up(&name, resolver).await.map_err(failed)?;
                found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
            }
        };
        if found.is_empty() { Err(failed("there is none".to_owned())) } else { Ok(found) }
    }
}

/// Connects to the first address that can be connected to.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, HttpError> {
    let mut last = HttpError::Url(String::new());
    for address in addresses {
        let why = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing within {CONNECT:?}"),
        };
        last = HttpError::Connect { address: *address, why };
    }
    Err(last)
}

/// Makes a request one for the server itself: a path, and the host in its field (RFC 9112 §3.2.1).
fn in_origin_form(
    mut request: Request<BodyWrapper<Bytes>>,
    url: &Uri,
) -> Result<Request<BodyWrapper<Bytes>>, HttpError> {
    let refused = || HttpError::Url(url.to_string());
    let authority = url.authority().ok_or_else(refused)?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| refused())?;
    request.headers_mut().insert(HOST, host);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| refused())?;
    Ok(request)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<BodyWrapper<Bytes>>,
    host: &str,
) -> Result<BytesResponse, HttpError> {
    let broken =
        |error: hyper::Error| HttpError::Answer { host: host.to_owned(), why: error.to_string() };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with this request.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let response: Response<Incoming> = sender.send_request(request).await.map_err(broken)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body =
        body.map_err(|error| HttpError::Answer { host: host.to_owned(), why: error.to_string() })?;
    Ok(BytesResponse { parts, body: Box::new(body.to_bytes()) })
}
