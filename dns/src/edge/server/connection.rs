//! A connection that carries questions and replies: many at a time, each reply as soon as it is there
//! (RFC 7766 §6.2.1.1, §7).
//!
//! What is answered from memory is answered here, one question after the other, so that a client that asks much at
//! once waits for itself and not for others; what needs I/O waits beside it. No question is taken while the client
//! does not read the replies that it has.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::time::Instant;

use super::connections::Place;
use super::frames::{Input, Output};
use super::responder::Received;
use super::service::Service;
use super::stop::Reading;
use crate::Protocol;
use crate::wire::Arrival;

/// Why a connection is closed by the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// Nothing was asked for a while.
    Idle,
    /// The rest of a message, or of a TLS handshake, did not come.
    Read,
    /// Replies were not read.
    Write,
    /// Another connection got its place.
    Evicted,
    /// It has asked as many questions as it may.
    Queries,
    /// The TLS handshake failed.
    Handshake,
    /// The client broke the protocol.
    Protocol,
}

impl Closing {
    /// Returns the name as metrics spell it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Read => "read",
            Self::Write => "write",
            Self::Evicted => "evicted",
            Self::Queries => "queries",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

struct Connection<'a, S> {
    service: &'a Service,
    arrival: Arrival,
    place: &'a Place,
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    input: Input,
    output: Output,
    /// Room for one reply.
    reply: Vec<u8>,
    /// Something written may still be held back: TLS gathers records.
    is_unflushed: bool,
    waiting: FuturesUnordered<Answering>,
    /// How many questions it may still ask.
    left: u64,
    /// Nothing more is read: the client has closed its side, or the server has stopped.
    is_over: bool,
    /// Since when the server stops.
    stopping: Option<Instant>,
    /// Since when the connection waits for what it waits for.
    since: Instant,
    /// Held back by a limit, to be counted once.
    held: Option<&'static str>,
}

/// What a connection waits for its client to do, which has a time limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expecting {
    /// To ask.
    Question,
    /// To send the rest of a message.
    Rest,
    /// To read a reply.
    Reading,
    /// Nothing: an upstream has to answer.
    Nothing,
}

/// Serves a connection until one side ends it; says why, when that was the server.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(
    stream: S,
    arrival: Arrival,
    service: &Service,
    place: &Place,
    reading: Reading,
) -> io::Result<Option<Closing>> {
    let (reader, writer) = tokio::io::split(stream);
    let mut connection = Connection {
        service,
        arrival,
        place,
        reader,
        writer,
        input: Input::default(),
        output: Output::new(&service.shared.unread),
        reply: Vec::new(),
        is_unflushed: false,
        waiting: FuturesUnordered::new(),
        left: service.settings().max_queries.unwrap_or(u64::MAX),
        is_over: false,
        stopping: None,
        since: Instant::now(),
        held: None,
    };
    let closing = connection.run(reading).await?;
    // The end of TCP alone comes with the end of the socket.
    let says_so = arrival.protocol == Protocol::Tls;
    if says_so && closing.is_none_or(|closing| closing == Closing::Queries) {
        let limit = service.settings().write;
        let _ = tokio::time::timeout(limit, connection.writer.shutdown()).await;
    }
    Ok(closing)
}

impl<S: AsyncRead + AsyncWrite> Connection<'_, S> {
    async fn run(&mut self, reading: Reading) -> io::Result<Option<Closing>> {
        // Dropped when nothing more can come, so that who waits for that does not wait for the replies.
        let mut reading = Some(reading);
        let mut expecting = Expecting::Question;
        loop {
            let before = self.waiting.len();
            while let Some(Some(reply)) = self.waiting.next().now_or_never() {
                self.give(reply);
            }
            if self.waiting.len() < before {
                // At once: a client that is gone is noticed by it, and asks upstreams no more.
                self.write_now().await?;
            }
            if self.may_take() && self.input.has_message() {
                let turn = turn(self.service).await;
                self.take_some();
                drop(turn);
                if !self.input.has_message() || self.output.octets() >= WRITE_AT {
                    self.write_now().await?;
                }
                if self.input.has_message() {
                    // Others are served between the questions of one client.
                    tokio::task::yield_now().await;
                }
                continue;
            }
            self.write_now().await?;
            if self.is_over && !(self.input.has_message() && self.left > 0) {
                reading = None;
            }
            let is_through = self.is_over || self.left == 0;
            let has_work = self.input.has_message() && self.left > 0;
            if is_through && !has_work && self.waiting.is_empty() && self.has_written() {
                return Ok((self.left == 0).then_some(Closing::Queries));
            }
            expecting = self.expect(expecting);
            match self.wait(expecting, reading.as_mut()).await? {
                Event::Stop => self.stopping = Some(Instant::now()),
                Event::LastCall => self.look_once_more().await,
                Event::Over(closing) => return Ok(Some(closing)),
                Event::Progress => {}
            }
        }
    }

    /// Says whether the next question may be taken, and counts the limit that keeps it back.
    fn may_take(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        let limits = &self.service.limits;
        // A client that has read everything may always ask: its own reading sets it free, whatever others do.
        let held = if self.waiting.len() >= limits.tcp_pipelined {
            Some("tcp_pipelined")
        } else if self.output.is_empty() {
            None
        } else if self.output.octets() >= limits.tcp_unread {
            Some("tcp_unread")
        } else if self.service.shared.unread.octets() >= limits.tcp_unread_all {
            Some("tcp_unread_all")
        } else {
            None
        };
        if let Some(limit) = held.filter(|_| self.held != held) {
            self.service.responder.metrics().held.with_label_values(&[limit]).inc();
        }
        self.held = held;
        held.is_none()
    }

    /// Takes questions, one at least if it may, until it is somebody else's turn.
    fn take_some(&mut self) {
        let start = std::time::Instant::now();
        let mut now = start;
        for _ in 0..MOST_AT_ONCE {
            if !self.may_take() || !self.take_next(now) {
                return;
            }
            now = std::time::Instant::now();
            if now - start > TURN || self.output.octets() >= WRITE_AT {
                return;
            }
        }
    }

    /// Answers the next question when it can be, or lets it wait; says whether it was answered. One that waits ends the
    /// turn: the client may be gone before its answer comes, and nobody asks an upstream for it then.
    fn take_next(&mut self, now: std::time::Instant) -> bool {
        let Self { service, arrival, input, reply, .. } = self;
        let Some(message) = input.next() else { return false };
        self.left -= 1;
        let responder = &service.responder;
        match responder.receive(service.id, message, *arrival, now, reply) {
            Received::Written => {
                self.is_given();
                self.output.push(&self.reply);
            }
            Received::Reply(reply) => self.give(reply),
            Received::Question(question) => {
                let answer = Arc::clone(responder).answer(service.id, question);
                let mut answering: Answering = Box::pin(answer);
                match answering.as_mut().now_or_never() {
                    Some(reply) => self.give(reply),
                    None => {
                        self.waiting.push(answering);
                        return false;
                    }
                }
            }
        }
        true
    }

    fn give(&mut self, reply: Option<Vec<u8>>) {
        if let Some(reply) = reply {
            self.is_given();
            self.output.push(&reply);
        }
    }

    /// Notes when the client has something to read again.
    fn is_given(&mut self) {
        if self.output.is_empty() {
            self.since = Instant::now();
        }
    }

    /// Writes what the client takes at once.
    async fn write_now(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let Self { writer, output, .. } = self;
            let Some(written) = writer.write(output.pending()).now_or_never() else { break };
            self.wrote(written?)?;
        }
        if self.is_unflushed
            && self.output.is_empty()
            && let Some(flushed) = self.writer.flush().now_or_never()
        {
            flushed?;
            self.is_unflushed = false;
        }
        Ok(())
    }

    fn wrote(&mut self, octets: usize) -> io::Result<()> {
        if octets == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.is_unflushed = true;
        if self.output.wrote(octets) {
            self.since = Instant::now();
        }
        Ok(())
    }

    fn has_written(&self) -> bool {
        self.output.is_empty() && !self.is_unflushed
    }

    fn wants_input(&self) -> bool {
        !self.is_over && self.left > 0 && !self.input.has_message() && self.held.is_none()
    }

    /// Returns what the connection waits for, from when on if that is something else than before.
    fn expect(&mut self, before: Expecting) -> Expecting {
        let expecting = if !self.has_written() {
            Expecting::Reading
        } else if self.wants_input() && self.input.has_octets() {
            Expecting::Rest
        } else if self.waiting.is_empty() {
            Expecting::Question
        } else {
            Expecting::Nothing
        };
        // When a reply is read is seen where it is written.
        if expecting != before && expecting != Expecting::Reading {
            self.since = Instant::now();
        }
        match expecting {
            Expecting::Reading | Expecting::Nothing => self.place.is_in_use(),
            // The first octets of a message are cheap to send.
            Expecting::Question | Expecting::Rest => {
                self.place.is_idle_since(self.since.into_std());
            }
        }
        expecting
    }

    fn time_limit(&self, expecting: Expecting) -> Option<(Duration, Closing)> {
        let settings = self.service.settings();
        match expecting {
            Expecting::Question => Some((settings.idle, Closing::Idle)),
            Expecting::Rest => Some((settings.read, Closing::Read)),
            Expecting::Reading => Some((settings.write, Closing::Write)),
            Expecting::Nothing => None,
        }
    }

    async fn wait(
        &mut self,
        expecting: Expecting,
        reading: Option<&mut Reading>,
    ) -> io::Result<Event> {
        let limit = self.time_limit(expecting);
        let deadline = limit.map(|(limit, closing)| (self.since + limit, closing));
        let wants_input = self.wants_input();
        let has_written = self.has_written();
        let may_stop = !self.is_over && self.stopping.is_none();
        let last_call = self.last_call(expecting);
        let Self { reader, writer, input, output, waiting, place, .. } = self;
        tokio::select! {
            biased;
            () = stop(reading), if may_stop => Ok(Event::Stop),
            () = place.evicted() => Ok(Event::Over(Closing::Evicted)),
            written = write_or_flush(writer, output), if !has_written => {
                match written? {
                    Some(octets) => self.wrote(octets)?,
                    None => self.is_unflushed = false,
                }
                Ok(Event::Progress)
            }
            Some(reply) = waiting.next(), if !waiting.is_empty() => {
                self.give(reply);
                Ok(Event::Progress)
            }
            read = reader.read_buf(input.room()), if wants_input => {
                self.is_over |= read? == 0;
                Ok(Event::Progress)
            }
            () = sleep_until(last_call), if last_call.is_some() => Ok(Event::LastCall),
            closing = expire(deadline) => Ok(Event::Over(closing)),
        }
    }

    /// Returns until when a client may ask while the server stops: a client that has just connected, or read a reply,
    /// may be about to.
    fn last_call(&self, expecting: Expecting) -> Option<Instant> {
        let stopping = self.stopping.filter(|_| !self.is_over)?;
        let quiet = match expecting {
            Expecting::Question | Expecting::Rest => self.since.max(stopping) + LAST_PAUSE,
            Expecting::Reading | Expecting::Nothing => stopping + LAST_QUESTIONS,
        };
        Some(quiet.min(stopping + LAST_QUESTIONS))
    }

    /// Reads what the client has sent already, and then no more.
    async fn look_once_more(&mut self) {
        self.is_over = true;
        for _ in 0..LAST_READS {
            let Some(Ok(1..)) = self.reader.read_buf(self.input.room()).now_or_never() else {
                return;
            };
        }
    }
}

enum Event {
    Stop,
    LastCall,
    Over(Closing),
    Progress,
}

/// Waits until a connection may be answered from memory, and counts it when others are in front.
async fn turn(service: &Service) -> Result<SemaphorePermit<'_>, AcquireError> {
    let turns = &service.shared.turns;
    if let Ok(turn) = turns.try_acquire() {
        return Ok(turn);
    }
    service.responder.metrics().held.with_label_values(&["tcp_turns"]).inc();
    turns.acquire().await
}

/// How many questions of a client are answered before others have their turn, at most.
const MOST_AT_ONCE: usize = 32;

/// How long a client's turn is; the question that is being answered then is still answered.
const TURN: Duration = Duration::from_micros(100);

/// How many octets of replies are gathered before they are written.
const WRITE_AT: usize = 16 << 10;

/// How often a connection is read after it may ask no more.
const LAST_READS: usize = 16;

/// How long a client may be silent before its connection is closed because the server stops.
const LAST_PAUSE: Duration = Duration::from_millis(300);

/// How long a client may go on asking while the server stops.
const LAST_QUESTIONS: Duration = Duration::from_millis(900);

/// Waits until the server has been stopping for so long that nobody may ask any more.
pub(super) async fn stopped_for_long(reading: &mut Reading) {
    reading.stopped().await;
    tokio::time::sleep(LAST_QUESTIONS).await;
}

async fn stop(reading: Option<&mut Reading>) {
    match reading {
        Some(reading) => reading.stopped().await,
        None => std::future::pending().await,
    }
}

/// Writes what the client takes and says how much that was; none after the last octet has left.
async fn write_or_flush<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    output: &Output,
) -> io::Result<Option<usize>> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(None);
    }
    writer.write(output.pending()).await.map(Some)
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn expire(deadline: Option<(Instant, Closing)>) -> Closing {
    let Some((moment, closing)) = deadline else { return std::future::pending().await };
    tokio::time::sleep_until(moment).await;
    closing
}
