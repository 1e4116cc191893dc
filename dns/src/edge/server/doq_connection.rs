//! DNS over QUIC (RFC 9250): a connection, each of whose streams is a question.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use quinn::{Connection, RecvStream, SendStream};
use tokio::task::JoinSet;

use super::asker::{Answer, Asker, ended_stream};
use super::connection::Closing;
use super::connections::Place;
use super::doq::{self, Code, MAX_STREAM};
use super::exchanges::{Exchange, Exchanges, Patience};
use super::gathered::{Gathered, NoRoom};
use super::quic::close;
use super::responder::Received;
use super::service::Service;
use super::stop::Reading;
use crate::wire::Arrival;

/// How long a client may take for the last replies.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// What ends a connection.
type Ending = (Code, Option<Closing>);

/// Serves a connection until one side ends it; says why, when that was the server.
pub(super) async fn serve(
    connection: Connection,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    mut reading: Reading,
) -> Option<Closing> {
    let exchanges = Exchanges::new(place, &service.shared.unread);
    let asker = Asker::new(service, arrival);
    let settings = service.settings();
    let patience = Patience { idle: settings.idle, write: settings.write };
    let mut streams = JoinSet::new();
    let open = |(send, receive), streams: &mut JoinSet<_>| {
        let (asker, exchange) = (asker.clone(), exchanges.begin());
        streams.spawn(async move { serve_stream(send, receive, &asker, exchange).await });
    };
    let ending = loop {
        tokio::select! {
            biased;
            () = reading.stopped() => break None,
            () = exchanges.evicted() => {
                break Some((Code::ExcessiveLoad, Some(Closing::Evicted)));
            }
            Some(ended) = streams.join_next(), if !streams.is_empty() => {
                if let Some(Err(ending)) = ended_stream(ended, &asker) {
                    break Some(ending);
                }
            }
            accepted = connection.accept_bi() => match accepted {
                Ok(stream) => open(stream, &mut streams),
                // How a client goes away is its own business.
                Err(_) => return None,
            },
            closing = exchanges.expired(patience) => break Some(ended_by(closing)),
        }
    };
    let ending = match ending {
        Some(ending) => ending,
        None => {
            while let Some(Ok(stream)) = connection.accept_bi().now_or_never() {
                open(stream, &mut streams);
            }
            drop(reading);
            finish(&mut streams, &exchanges, &asker).await
        }
    };
    if ending.0 != Code::NoError {
        count(&asker, ending.0);
    }
    close(&connection, ending.0);
    ending.1
}

/// Waits for the questions under way, and for a moment until the client has their replies: it may be gone.
async fn finish(
    streams: &mut JoinSet<Result<(), Ending>>,
    exchanges: &Exchanges,
    asker: &Asker,
) -> Ending {
    let write = asker.service.settings().write;
    let patience = Patience { idle: LAST_WRITE, write: write.min(LAST_WRITE) };
    while !streams.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = streams.join_next() => {
                if let Some(Err(ending)) = ended_stream(ended, asker) {
                    return ending;
                }
            }
            _ = exchanges.expired(patience) => break,
        }
    }
    (Code::NoError, None)
}

fn ended_by(closing: Closing) -> Ending {
    let code = if closing == Closing::Idle { Code::NoError } else { Code::ExcessiveLoad };
    (code, Some(closing))
}

fn count(asker: &Asker, code: Code) {
    let settings = asker.service.settings();
    let counts = &asker.service.responder.metrics().quic_responses;
    counts.with_label_values(&[&*settings.server, code.label()]).inc();
}

/// Answers the question of a stream; an error ends the connection.
async fn serve_stream(
    mut send: SendStream,
    mut receive: RecvStream,
    asker: &Asker,
    mut exchange: Exchange,
) -> Result<(), Ending> {
    let limit = asker.service.settings().read;
    let mut stream = Gathered::new(asker, MAX_STREAM);
    match tokio::time::timeout(limit, read_to_end(&mut receive, &mut stream)).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(NoRoom::TooLong))) => return Err(protocol_error()),
        Ok(Ok(Err(NoRoom::Full))) => {
            let _ = receive.stop(Code::ExcessiveLoad.number().into());
            reset(&mut send, asker, Code::ExcessiveLoad);
            return Ok(());
        }
        // The client does not want to know any more (RFC 9250 §4.3.1).
        Ok(Err(_)) => return Ok(()),
        Err(_) => return Err((Code::ProtocolError, Some(Closing::Read))),
    }
    let message =
        doq::message_of(stream.octets()).map_err(|code| (code, Some(Closing::Protocol)))?;
    exchange.asked();
    let Some(_worker) = asker.enter().await else {
        reset(&mut send, asker, Code::ExcessiveLoad);
        return Ok(());
    };
    asker.readable(&exchange).await;
    let reply = match asker.receive(message) {
        Received::Reply(reply) => reply.ok_or_else(protocol_error)?,
        Received::Question(question) => {
            doq::check(question.query()).map_err(|code| (code, Some(Closing::Protocol)))?;
            match asker.answer(question).await {
                Answer::Reply(reply) => reply,
                Answer::NoQuery | Answer::Dropped => {
                    reset(&mut send, asker, Code::Unspecified);
                    return Ok(());
                }
            }
        }
    };
    let Some(reply) = doq::framed(&reply) else { return Ok(()) };
    exchange.replied(reply.len());
    // Who does not read it loses the connection; who has gone away knows why.
    if send.write_all(&reply).await.is_ok() && send.finish().is_ok() {
        count(asker, Code::NoError);
        // Until the client has it: that it reads nothing shows in time.
        let _ = send.stopped().await;
    }
    Ok(())
}

/// Reads a stream until the client has ended it, or there is no room for it.
async fn read_to_end(
    receive: &mut RecvStream,
    stream: &mut Gathered<'_>,
) -> Result<Result<(), NoRoom>, quinn::ReadError> {
    while let Some(chunk) = receive.read_chunk(usize::MAX, true).await? {
        if let Err(no_room) = stream.push(&chunk.bytes) {
            return Ok(Err(no_room));
        }
    }
    Ok(Ok(()))
}

fn protocol_error() -> Ending {
    (Code::ProtocolError, Some(Closing::Protocol))
}

fn reset(send: &mut SendStream, asker: &Asker, code: Code) {
    let _ = send.reset(code.number().into());
    count(asker, code);
}
