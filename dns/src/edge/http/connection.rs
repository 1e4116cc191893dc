//! One connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::idle::Place;
use super::{Handler, HttpReply, HttpRequest, WebFile, is_stopped};

/// How long a client may take for the head of a request and for the handshake of TLS, and how long it may be
/// idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the head of a request may be, in octets.
const HEAD_SIZE: u32 = 16 << 10;

/// How many requests a client may have under way on one connection with HTTP/2.
const MAX_STREAMS: u32 = 16;

/// How long a connection may last; then the request that is being answered is the last.
const LIFETIME: Duration = Duration::from_secs(60);

/// How long that last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// What answers, and how it is reached.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) handler: Handler,
    /// With HTTPS.
    pub(super) web: Option<Arc<WebFile>>,
}

/// Serves the requests of one connection until the client, its time or the server is done.
pub(super) async fn serve(
    stream: TcpStream,
    service: Service,
    place: Place,
    stop: watch::Receiver<bool>,
) {
    let Some(file) = service.web else {
        return serve_requests(stream, Version::HTTP_11, service.handler, place, stop).await;
    };
    // Reading files blocks.
    let Ok(web) = tokio::task::spawn_blocking(move || file.current()).await else { return };
    let handshake = timeout(HEAD_TIMEOUT, TlsAcceptor::from(Arc::clone(&web.tls)).accept(stream));
    // A client that we cannot agree with is nobody's concern: it is told by an alert.
    let Ok(Ok(stream)) = handshake.await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let version = if is_http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    serve_requests(stream, version, web.guard(service.handler), place, stop).await;
}

async fn serve_requests<S>(
    stream: S,
    version: Version,
    handler: Handler,
    place: Place,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let place = Arc::new(place);
    let service = service_fn(move |request| {
        let (handler, place) = (handler.clone(), Arc::clone(&place));
        async move {
            place.begin();
            let reply = answer(request, handler).await;
            place.end();
            reply
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_SIZE as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEAD_SIZE);
    // ALPN has decided.
    let is_http2 = version == Version::HTTP_2;
    let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that breaks the protocol or goes away is nobody's concern.
        _ = connection.as_mut() => return,
        () = is_stopped(&mut stop) => {}
        () = sleep(LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_ANSWER, connection).await;
}

/// Answers one request. Its body is never read.
async fn answer(
    request: Request<Incoming>,
    handler: Handler,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (uri, headers) = (request.uri(), request.headers());
    let header = |name| headers.get(name).map(|value: &HeaderValue| value.as_bytes());
    let host = uri.authority().map(|authority| authority.as_str().as_bytes()).or(header(HOST));
    let request = HttpRequest {
        method: request.method().clone(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        host: host.map(|host| String::from_utf8_lossy(host).into_owned()),
        authorization: headers.get(AUTHORIZATION).cloned(),
    };
    let HttpReply { status, content_type, headers, body } = handler(request).await;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
    Ok(response)
}
