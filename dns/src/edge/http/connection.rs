//! One connection.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Handler, HttpReply, HttpRequest, is_stopped};

/// How long a client may take for the head of a request, and how long it may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the head of a request may be, in octets.
const HEAD_SIZE: usize = 16 << 10;

/// How long a connection may last; then the request that is being answered is the last.
const LIFETIME: Duration = Duration::from_secs(60);

/// How long that last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Serves the requests of one connection until the client, its time or the server is done.
pub(super) async fn serve(stream: TcpStream, handler: Handler, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request| answer(request, handler.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service);
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
    let uri = request.uri();
    let request = HttpRequest {
        method: request.method().clone(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
    };
    let HttpReply { status, content_type, body } = handler(request).await;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
