//! A container runtime as far as `portolan ipam gc` asks one: CRI's `ListPodSandbox` over gRPC, on a Unix socket.

use std::convert::Infallible;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;

/// Serves the ids of these sandboxes at a socket for as long as the test lives; with another gRPC status than 0, that
/// error.
///
/// # Panics
/// The socket cannot be made.
pub fn serve(socket: &Path, sandboxes: &[&str], status: u8) {
    let listener = StdListener::bind(socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let message = list(sandboxes);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept(listener, message, status));
    });
}

async fn accept(listener: StdListener, message: Vec<u8>, status: u8) {
    let listener = UnixListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let message = message.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let message = message.clone();
            async move { answer(&request, &message, status) }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
    }
}

type Answer = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn answer(
    request: &Request<Incoming>,
    message: &[u8],
    status: u8,
) -> Result<Response<Answer>, Infallible> {
    assert_eq!(request.uri().path(), "/runtime.v1.RuntimeService/ListPodSandbox");
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    if status != 0 {
        frame.clear();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(status)));
    trailers.insert("grpc-message", HeaderValue::from_static("the test says so"));
    let body = Full::new(Bytes::from(frame)).with_trailers(async { Some(Ok(trailers)) });
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(body.boxed()).unwrap())
}

/// Encodes `ListPodSandboxResponse`: items (1), each with id (1) and state (3), as protobuf does.
fn list(sandboxes: &[&str]) -> Vec<u8> {
    let mut message = Vec::new();
    for id in sandboxes {
        let mut item = vec![0x0a, u8::try_from(id.len()).unwrap()];
        item.extend(id.as_bytes());
        item.extend([0x18, 1]);
        message.extend([0x0a, u8::try_from(item.len()).unwrap()]);
        message.extend(item);
    }
    message
}
