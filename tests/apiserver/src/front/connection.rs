//! One connection: TLS, HTTP/1.1 or HTTP/2, and the means to reset it.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::api::status::Refusal;
use crate::body::Body;
use crate::service::Service;

/// Time a client has for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request body; etcd refuses objects long before that.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A handle on the connection a request came over, among the request's extensions.
#[derive(Clone, Debug)]
pub struct Connection {
    reset: Arc<Notify>,
    has_certificate: bool,
}

impl Connection {
    /// Resets the connection, as a machine that has lost its state does.
    pub fn reset(&self) {
        self.reset.notify_one();
    }

    /// Whether the client has shown a certificate of the server's authority.
    pub fn has_certificate(&self) -> bool {
        self.has_certificate
    }
}

/// Serves a connection until either side ends it.
pub async fn serve(tcp: TcpStream, tls: TlsAcceptor, service: Arc<dyn Service>) {
    // A second descriptor of the socket: hyper owns the first when the reset is asked for.
    let Ok(socket) = tcp.as_fd().try_clone_to_owned() else {
        return;
    };
    // Events are small; without this each waits for the acknowledgement of the one before.
    let _ = tcp.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(tcp)).await else {
        return;
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let connection = Connection {
        reset: Arc::default(),
        has_certificate: certificates.is_some_and(|chain| !chain.is_empty()),
    };
    let reset = Arc::clone(&connection.reset);
    let answer =
        service_fn(move |request| answer(Arc::clone(&service), connection.clone(), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // How a connection ended concerns its client alone.
        _ = builder.serve_connection(TokioIo::new(stream), answer) => {}
        () = reset.notified() => reset_on_close(&socket),
    }
}

fn reset_on_close(socket: &OwnedFd) {
    // Closing a socket that lingers for no time sends RST instead of FIN.
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

async fn answer(
    service: Arc<dyn Service>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        let message = "the body is too large or broke off";
        return Ok(Refusal::new(413, "RequestEntityTooLarge", message).response());
    };
    let mut request: Request<Bytes> = Request::from_parts(head, body.to_bytes());
    request.extensions_mut().insert(connection);
    Ok(service.call(request).await)
}
