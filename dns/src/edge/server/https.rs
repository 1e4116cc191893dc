//! DNS over HTTPS (RFC 8484): a connection that speaks HTTP/2 or HTTP/1.1.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::asker::{Answer, Asker};
use super::closing::Closing;
use super::connections::Place;
use super::doh::{self, Asked, MAX_HEAD, MAX_MESSAGE};
use super::exchanges::{Exchange, Exchanges, Patience};
use super::gathered::{Gathered, NoRoom};
use super::requests::{Begun, Requests};
use super::service::Service;
use super::stop::Reading;
use super::workers::Worker;
use crate::wire::Arrival;

/// What a client may send on a connection before it is read, in octets.
const WINDOW: u32 = 256 << 10;

/// What is written ahead of the client's reading for each stream, in octets.
const SEND_BUFFER: usize = 16 << 10;

/// How often a connection is looked at after the server was told to stop, for questions that have come in.
const LAST_LOOKS: usize = 16;

/// How long the last octets of a connection may take to leave.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// A version of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    /// As the handshake of TLS has it.
    Http1,
    /// As the handshake of TLS has it.
    Http2,
    /// Without TLS: as the first octets say.
    Either,
}

/// The octets of a response, which keep its places until they are written.
#[derive(Debug)]
struct Octets {
    octets: Bytes,
    _exchange: Exchange,
    _worker: Option<Worker>,
}

impl Buf for Octets {
    fn remaining(&self) -> usize {
        self.octets.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.octets.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.octets.advance(count);
    }
}

/// Serves a connection until one side ends it; says why, when that was the server.
pub(super) async fn serve<S>(
    stream: S,
    version: Version,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    mut reading: Reading,
) -> Option<Closing>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchanges = Exchanges::new(place, &service.shared.unread);
    let asker = Arc::new(Asker::new(service, arrival));
    let begun = Begun::default();
    let mut running = Requests::of(&begun);
    let builder = builder(begun, service.settings().streams.streams, version);
    let requests = service_fn(|request: Request<Incoming>| {
        // Begun before the connection is looked at again, so that the end does not overtake it.
        let exchange = exchanges.begin();
        respond(request, Arc::clone(&asker), exchange)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), requests);
    tokio::pin!(connection);
    let settings = service.settings();
    let patience = Patience { idle: settings.idle, write: settings.write };
    tokio::select! {
        biased;
        () = reading.stopped() => {}
        () = exchanges.evicted() => return Some(Closing::Evicted),
        closing = exchanges.expired(patience) => return Some(closing),
        // How a client goes away is its own business.
        _ = poll_fn(|context| running.drive(connection.as_mut(), context)) => return None,
    }
    for _ in 0..LAST_LOOKS {
        let drive = poll_fn(|context| running.drive(connection.as_mut(), context));
        if drive.now_or_never().is_some() {
            return None;
        }
        tokio::task::yield_now().await;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = poll_fn(|context| running.drive(connection.as_mut(), context)) => return None,
        closing = exchanges.expired(patience) => return Some(closing),
        () = exchanges.empty() => {}
    }
    drop(reading);
    let drive = poll_fn(|context| running.drive(connection.as_mut(), context));
    let _ = tokio::time::timeout(LAST_WRITE, drive).await;
    None
}

fn builder(begun: Begun, streams: u32, version: Version) -> auto::Builder<Begun> {
    let mut builder = auto::Builder::new(begun);
    // An idle connection and one whose request does not come are closed by its exchanges.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(MAX_HEAD)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
        Version::Either => builder,
    }
}

/// Responds to a request. What the future needs is moved into it once: it is made for each request.
fn respond(
    request: Request<Incoming>,
    asker: Arc<Asker>,
    mut exchange: Exchange,
) -> impl Future<Output = Result<Response<Full<Octets>>, Infallible>> + Send {
    let (head, body) = request.into_parts();
    async move {
        let body = pin!(gather(body, &asker));
        let (worker, outcome) = answer(&head, body, &asker, &mut exchange).await;
        let response = doh::response(outcome);
        let status = response.status();
        let settings = asker.service.settings();
        let counts = &asker.service.responder.metrics().https_responses;
        counts.with_label_values(&[&*settings.server, status.as_str()]).inc();
        exchange.replied(response.body().len());
        let octets = |octets| Full::new(Octets { octets, _exchange: exchange, _worker: worker });
        Ok(response.map(octets))
    }
}

async fn gather(mut body: Incoming, asker: &Asker) -> Result<Gathered<'_>, StatusCode> {
    let mut gathered = Gathered::new(asker, MAX_MESSAGE);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        // Others than data are trailers, which have no meaning here.
        if let Some(octets) = frame.data_ref() {
            gathered.push(octets).map_err(refusal)?;
        }
    }
    Ok(gathered)
}

/// Returns the status that says that there is no room for a body.
pub(super) fn refusal(no_room: NoRoom) -> StatusCode {
    match no_room {
        NoRoom::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        NoRoom::Full => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Answers a request of any version of HTTP; what it holds until the response is written comes with it.
///
/// It takes its place among the questions under way when it is complete: one whose body does not come keeps none.
pub(super) async fn answer<'a>(
    head: &Parts,
    body: Pin<&mut impl Future<Output = Result<Gathered<'a>, StatusCode>>>,
    asker: &'a Asker,
    exchange: &mut Exchange,
) -> (Option<Worker>, Result<Vec<u8>, StatusCode>) {
    let message = match read(head, body, asker).await {
        Ok(message) => message,
        Err(status) => return (None, Err(status)),
    };
    exchange.asked();
    let Some(worker) = asker.enter().await else {
        return (None, Err(StatusCode::SERVICE_UNAVAILABLE));
    };
    asker.readable(exchange).await;
    let outcome = match asker.ask(message.octets()).await {
        Answer::Reply(reply) => Ok(reply),
        Answer::NoQuery => Err(StatusCode::BAD_REQUEST),
        // As with CoreDNS: HTTP has no way to say nothing.
        Answer::Dropped => Err(StatusCode::INTERNAL_SERVER_ERROR),
    };
    (Some(worker), outcome)
}

/// Returns the message of a request, which has come in time.
async fn read<'a>(
    head: &Parts,
    mut body: Pin<&mut impl Future<Output = Result<Gathered<'a>, StatusCode>>>,
    asker: &'a Asker,
) -> Result<Gathered<'a>, StatusCode> {
    match doh::read_head(head)? {
        Asked::Message(message) => {
            let mut gathered = Gathered::new(asker, MAX_MESSAGE);
            gathered.push(&message).map_err(refusal)?;
            Ok(gathered)
        }
        Asked::Body => {
            if let Some(read) = body.as_mut().now_or_never() {
                return read;
            }
            let limit = asker.service.settings().read;
            // In a place of its own, as most bodies come with their heads.
            let read = Box::pin(tokio::time::timeout(limit, body)).await;
            read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Each request has its future in a place of its own, of a size that the allocator has at hand.
    #[test]
    fn the_future_of_a_request_is_small() {
        let octets = size_of_future(respond);
        assert!(octets < 960, "{octets}");
    }
}
