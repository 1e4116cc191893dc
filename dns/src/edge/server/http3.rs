//! DNS over HTTP/3 (RFC 8484, RFC 9114): a connection, each of whose streams is a request.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use hyper::{Request, StatusCode};
use quinn::VarInt;

use super::asker::Asker;
use super::closing::Closing;
use super::connections::Place;
use super::doh::{self, MAX_HEAD, MAX_MESSAGE};
use super::exchanges::Exchange;
use super::gathered::Gathered;
use super::http3_streams::{Bounded, BoundedConnection};
use super::https;
use super::service::Service;
use super::stop::Reading;
use super::streams::{Ended, Incoming, Streams, ended_stream};
use crate::wire::Arrival;

type Requests = h3::server::Connection<BoundedConnection, Bytes>;
type Stream = Bounded<h3_quinn::BidiStream<Bytes>>;

/// The error codes of RFC 9114 §8.1.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);

/// How long the last octets of a connection may take to leave.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Serves a connection until one side ends it; says why, when that was the server.
pub(super) async fn serve(
    connection: quinn::Connection,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    reading: Reading,
) -> Option<Closing> {
    let mut streams = Streams::new(service, arrival, place);
    let mut requests = match begin(connection.clone(), service.settings().read).await {
        Ok(requests) => requests,
        Err(closing) => return end(&connection, closing),
    };
    let closing = serve_requests(&connection, &mut requests, &mut streams, reading).await;
    // Before the library does when it is dropped, which gives no reason.
    end(&connection, closing)
}

fn end(connection: &quinn::Connection, closing: Option<Closing>) -> Option<Closing> {
    let load = closing.is_some_and(|closing| closing != Closing::Idle);
    connection.close(if load { EXCESSIVE_LOAD } else { NO_ERROR }, b"");
    closing
}

async fn serve_requests(
    connection: &quinn::Connection,
    requests: &mut Requests,
    streams: &mut Streams<Requests>,
    mut reading: Reading,
) -> Option<Closing> {
    match streams.take(requests, &mut reading).await {
        Ended::Stopped => drop(reading),
        Ended::Gone => return None,
        Ended::Closing(closing) | Ended::ByStream(closing) => return Some(closing),
    }
    let closing = finish(requests, streams).await;
    if closing.is_none() {
        // The end of the connection would overtake what the client has not got yet; it goes when it has.
        let _ = tokio::time::timeout(LAST_WRITE, connection.closed()).await;
    }
    closing
}

/// Begins HTTP/3, for which the client has to allow the streams that it takes; an error says why the server ends the
/// connection, if it does.
async fn begin(
    connection: quinn::Connection,
    limit: Duration,
) -> Result<Requests, Option<Closing>> {
    let mut builder = h3::server::builder();
    builder.max_field_section_size(MAX_HEAD.into()).send_grease(false);
    let building = builder.build(BoundedConnection::new(connection));
    match tokio::time::timeout(limit, building).await {
        Ok(built) => built.map_err(|_| None),
        Err(_) => Err(Some(Closing::Read)),
    }
}

/// Waits for the requests under way, and refuses others; says why if the client is not waited for any longer.
async fn finish(requests: &mut Requests, streams: &mut Streams<Requests>) -> Option<Closing> {
    let _ = requests.shutdown(0).now_or_never();
    while !streams.tasks.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = streams.tasks.join_next() => {
                let _ = ended_stream(ended, &streams.asker);
            }
            refused = requests.next() => if refused.is_none() {
                break;
            },
            closing = streams.exchanges.expired(streams.patience) => return Some(closing),
        }
    }
    None
}

impl Incoming for Requests {
    type Stream = RequestResolver<BoundedConnection, Bytes>;
    type Ending = Closing;

    async fn next(&mut self) -> Option<Self::Stream> {
        self.accept().await.ok().flatten()
    }

    async fn answer(stream: Self::Stream, asker: Asker, exchange: Exchange) -> Result<(), Closing> {
        serve_stream(stream, &asker, exchange).await
    }
}

/// Answers the request of a stream; an error ends the connection.
async fn serve_stream(
    resolver: RequestResolver<BoundedConnection, Bytes>,
    asker: &Asker,
    mut exchange: Exchange,
) -> Result<(), Closing> {
    let settings = asker.service.settings();
    let resolving = tokio::time::timeout(settings.read, resolver.resolve_request()).await;
    let Ok((request, mut stream)) = resolving.map_err(|_| Closing::Read)? else {
        // The library has told the client.
        return Ok(());
    };
    let (head, ()) = Request::into_parts(request);
    let (_worker, outcome) = {
        let body = pin!(body(&mut stream, asker));
        https::answer(&head, body, asker, &mut exchange).await
    };
    let (mut stream, mut receive) = stream.split();
    // What the client may still send, such as the end of a GET, is of no use (RFC 9114 §4.1).
    if receive.recv_data().now_or_never().is_none_or(|read| !matches!(read, Ok(None))) {
        receive.stop_sending(Code::H3_NO_ERROR);
    }
    drop(receive);
    let response = doh::response(outcome);
    let status = response.status();
    let counts = &asker.service.responder.metrics().https3_responses;
    counts.with_label_values(&[&*settings.server, status.as_str()]).inc();
    exchange.replied(response.body().len());
    let (head, octets) = response.into_parts();
    // Who does not read it loses the connection; who has gone away knows why.
    if stream.send_response(hyper::Response::from_parts(head, ())).await.is_ok()
        && stream.send_data(octets).await.is_ok()
    {
        let _ = stream.finish().await;
    }
    Ok(())
}

async fn body<'a>(
    stream: &mut RequestStream<Stream, Bytes>,
    asker: &'a Asker,
) -> Result<Gathered<'a>, StatusCode> {
    let mut body = Gathered::new(asker, MAX_MESSAGE);
    while let Some(mut data) = stream.recv_data().await.map_err(|_| StatusCode::BAD_REQUEST)? {
        while data.has_remaining() {
            let chunk = data.chunk();
            body.push(chunk).map_err(https::refusal)?;
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(body)
}
