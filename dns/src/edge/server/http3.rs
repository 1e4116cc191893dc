//! DNS over HTTP/3 (RFC 8484, RFC 9114): a connection, each of whose streams is a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use hyper::{Request, StatusCode};
use quinn::VarInt;
use tokio::task::JoinSet;

use super::asker::{Asker, ended_stream};
use super::connection::Closing;
use super::connections::Place;
use super::doh::{self, MAX_HEAD, MAX_MESSAGE};
use super::exchanges::{Exchange, Exchanges, Patience};
use super::gathered::Gathered;
use super::http3_streams::{Bounded, BoundedConnection};
use super::https;
use super::service::Service;
use super::stop::Reading;
use crate::wire::Arrival;

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
    let closing = serve_requests(connection.clone(), arrival, service, place, reading).await;
    let load = closing.is_some_and(|closing| closing != Closing::Idle);
    connection.close(if load { EXCESSIVE_LOAD } else { NO_ERROR }, b"");
    closing
}

async fn serve_requests(
    connection: quinn::Connection,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    mut reading: Reading,
) -> Option<Closing> {
    let exchanges = Exchanges::new(place, &service.shared.unread);
    let asker = Asker::new(service, arrival);
    let settings = service.settings();
    let patience = Patience { idle: settings.idle, write: settings.write };
    let mut builder = h3::server::builder();
    builder.max_field_section_size(MAX_HEAD.into()).send_grease(false);
    // The client has to allow the streams that it takes to begin.
    let building = builder.build(BoundedConnection::new(connection.clone()));
    let mut requests = match tokio::time::timeout(settings.read, building).await {
        Ok(built) => built.ok()?,
        Err(_) => return Some(Closing::Read),
    };
    let mut streams = JoinSet::new();
    let open = |resolver, streams: &mut JoinSet<_>| {
        let (asker, exchange) = (asker.clone(), exchanges.begin());
        streams.spawn(async move { serve_stream(resolver, &asker, exchange).await });
    };
    loop {
        tokio::select! {
            biased;
            () = reading.stopped() => break,
            () = exchanges.evicted() => return Some(Closing::Evicted),
            Some(ended) = streams.join_next(), if !streams.is_empty() => {
                if let Some(Err(closing)) = ended_stream(ended, &asker) {
                    return Some(closing);
                }
            }
            accepted = requests.accept() => match accepted {
                Ok(Some(resolver)) => open(resolver, &mut streams),
                // How a client goes away is its own business.
                Ok(None) | Err(_) => return None,
            },
            closing = exchanges.expired(patience) => return Some(closing),
        }
    }
    while let Some(Ok(Some(resolver))) = requests.accept().now_or_never() {
        open(resolver, &mut streams);
    }
    drop(reading);
    let _ = requests.shutdown(0).now_or_never();
    while !streams.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = streams.join_next() => {
                let _ = ended_stream(ended, &asker);
            }
            // Others than those above are refused.
            accepted = requests.accept() => match accepted {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            },
            closing = exchanges.expired(patience) => return Some(closing),
        }
    }
    // The end of the connection would overtake what the client has not got yet; it goes when it has.
    let _ = tokio::time::timeout(LAST_WRITE, connection.closed()).await;
    None
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
    let (_worker, outcome) =
        https::answer(&head, body(&mut stream, asker), asker, &mut exchange).await;
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
