//! DNS over QUIC (RFC 9250): a connection, each of whose streams is a question.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};

use super::asker::{Answer, Asker};
use super::closing::Closing;
use super::connections::Place;
use super::doq::{self, Code, MAX_STREAM};
use super::exchanges::{Exchange, Patience};
use super::gathered::{Gathered, NoRoom};
use super::quic::close;
use super::responder::Received;
use super::service::Service;
use super::stop::Reading;
use super::streams::{Ended, Incoming, Streams, ended_stream};
use crate::wire::Arrival;

/// How long a client may take for the last replies.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// What ends a connection.
type Ending = (Code, Option<Closing>);

/// Serves a connection until one side ends it; says why, when that was the server.
pub(super) async fn serve(
    mut connection: Connection,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    mut reading: Reading,
) -> Option<Closing> {
    let mut streams = Streams::new(service, arrival, place);
    let ending = match streams.take(&mut connection, &mut reading).await {
        Ended::Stopped => {
            drop(reading);
            finish(&mut streams).await
        }
        Ended::Gone => return None,
        Ended::Closing(closing) => ended_by(closing),
        Ended::ByStream(ending) => ending,
    };
    if ending.0 != Code::NoError {
        count(&streams.asker, ending.0);
    }
    close(&connection, ending.0);
    ending.1
}

/// Waits for the questions under way, and for a moment until the client has their replies: it may be gone.
async fn finish(streams: &mut Streams<Connection>) -> Ending {
    let write = streams.patience.write.min(LAST_WRITE);
    let patience = Patience { idle: LAST_WRITE, write };
    while !streams.tasks.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = streams.tasks.join_next() => {
                if let Some(Err(ending)) = ended_stream(ended, &streams.asker) {
                    return ending;
                }
            }
            _ = streams.exchanges.expired(patience) => break,
        }
    }
    (Code::NoError, None)
}

impl Incoming for Connection {
    type Stream = (SendStream, RecvStream);
    type Ending = Ending;

    async fn next(&mut self) -> Option<Self::Stream> {
        self.accept_bi().await.ok()
    }

    async fn answer(
        (send, receive): Self::Stream,
        asker: Asker,
        exchange: Exchange,
    ) -> Result<(), Ending> {
        serve_stream(send, receive, &asker, exchange).await
    }
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
    let mut repeated = Vec::new();
    let reply = match asker.receive(message, &mut repeated) {
        Received::Written => repeated,
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
