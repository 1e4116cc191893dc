//! A connection that carries questions and replies: many at a time, each reply as soon as it is there
//! (RFC 7766 §6.2.1.1, §7).
//!
//! What is answered from memory is answered here, one question after the other, so that a client that asks much at
//! once waits for itself and not for others; what needs I/O waits beside it. No question is taken while the client
//! does not read the replies that it has.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::time::Instant;

use super::closing::Closing;
use super::connections::Place;
use super::responder::Received;
use super::scratch::Scratch;
use super::service::Service;
use super::stop::Reading;
use crate::Protocol;
use crate::wire::Arrival;

type Answering = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

struct Connection<'a, S> {
    service: &'a Service,
    arrival: Arrival,
    place: &'a Place,
    stream: S,
    scratch: &'a mut Scratch,
    /// Something written may still be held back: TLS gathers records.
    is_unflushed: bool,
    /// What waits for I/O, which most connections never have.
    waiting: Option<FuturesUnordered<Answering>>,
    /// How many questions it may still ask.
    left: u64,
    /// Nothing more is read: the client has closed its side, or the server has stopped.
    is_over: bool,
    /// Since when the server stops.
    stopping: Option<Instant>,
    /// Since when the connection waits for what it waits for; none when that begins with the next wait.
    since: Option<Instant>,
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
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    arrival: Arrival,
    service: &Service,
    place: &Place,
    reading: Reading,
    scratch: &mut Scratch,
) -> io::Result<Option<Closing>> {
    let mut connection = Connection {
        service,
        arrival,
        place,
        stream,
        scratch,
        is_unflushed: false,
        waiting: None,
        left: service.settings().max_queries.unwrap_or(u64::MAX),
        is_over: false,
        stopping: None,
        since: None,
        held: None,
    };
    let ended = connection.run(reading).await;
    connection.scratch.clear();
    let closing = ended?;
    // The end of TCP alone comes with the end of the socket.
    let says_so = arrival.protocol == Protocol::Tls;
    if says_so && closing.is_none_or(|closing| closing == Closing::Queries) {
        let limit = service.settings().write;
        let _ = tokio::time::timeout(limit, connection.stream.shutdown()).await;
    }
    Ok(closing)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self, reading: Reading) -> io::Result<Option<Closing>> {
        // Dropped when nothing more can come, so that who waits for that does not wait for the replies.
        let mut reading = Some(reading);
        let mut expecting = Expecting::Question;
        // The first question has mostly come with the connection.
        if let Some(read) = poll_fn(|context| self.poll_read(context)).now_or_never() {
            read?;
        }
        loop {
            if self.give_answers() {
                // At once: a client that is gone is noticed by it, and asks upstreams no more.
                self.write_now()?;
            }
            if self.may_take() && self.scratch.input.has_message() {
                let turn = turn(self.service).await;
                self.take_some();
                drop(turn);
                let has_more = self.scratch.input.has_message();
                if !has_more || self.scratch.output.octets() >= WRITE_AT {
                    self.write_now()?;
                }
                if has_more {
                    // Others are served between the questions of one client.
                    tokio::task::yield_now().await;
                }
                continue;
            }
            self.write_now()?;
            let has_work = self.left > 0 && self.scratch.input.has_message();
            if self.is_over && !has_work {
                reading = None;
            }
            let is_through = self.is_over || self.left == 0;
            if is_through && !has_work && self.number_waiting() == 0 && self.has_written() {
                return Ok((self.left == 0).then_some(Closing::Queries));
            }
            expecting = self.expect(expecting);
            match self.wait(expecting, reading.as_mut()).await? {
                Event::Stop => self.stopping = Some(Instant::now()),
                Event::LastCall => self.look_once_more(),
                Event::Over(closing) => return Ok(Some(closing)),
                Event::Progress => {}
            }
        }
    }

    /// Returns how many questions wait for I/O.
    fn number_waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, FuturesUnordered::len)
    }

    /// Gives the client the answers that were waited for and are there; says whether there were any.
    fn give_answers(&mut self) -> bool {
        let before = self.number_waiting();
        while let Some(Some(reply)) = poll_fn(|context| self.poll_answer(context)).now_or_never() {
            self.give(reply);
        }
        self.number_waiting() < before
    }

    /// Waits for the answer to a question that waits; none when none does.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<Option<Vec<u8>>>> {
        match self.waiting.as_mut().filter(|waiting| !waiting.is_empty()) {
            Some(waiting) => waiting.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }

    /// Says whether the next question may be taken, and counts the limit that keeps it back.
    fn may_take(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        let limits = &self.service.limits;
        // A client that has read everything may always ask: its own reading sets it free, whatever others do.
        let output = &self.scratch.output;
        let held = if self.number_waiting() >= limits.tcp_pipelined {
            Some("tcp_pipelined")
        } else if output.is_empty() {
            None
        } else if output.octets() >= limits.tcp_unread {
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
            if !self.may_take() || !self.take_next(now) || !self.scratch.input.has_message() {
                return;
            }
            now = std::time::Instant::now();
            if now - start > TURN || self.scratch.output.octets() >= WRITE_AT {
                return;
            }
        }
    }

    /// Answers the next question when it can be, or lets it wait; says whether it was answered. One that waits ends the
    /// turn: the client may be gone before its answer comes, and nobody asks an upstream for it then.
    fn take_next(&mut self, now: std::time::Instant) -> bool {
        let Self { service, arrival, scratch, .. } = self;
        let Scratch { input, reply, .. } = &mut **scratch;
        let Some(message) = input.next() else { return false };
        self.left -= 1;
        let responder = &service.responder;
        match responder.receive(service.id, message, *arrival, now, reply) {
            Received::Written => {
                self.is_given();
                let Scratch { output, reply, .. } = &mut *self.scratch;
                output.push(reply);
            }
            Received::Reply(reply) => self.give(reply),
            Received::Question(question) => {
                let answer = Arc::clone(responder).answer(service.id, question);
                let mut answering: Answering = Box::pin(answer);
                match answering.as_mut().now_or_never() {
                    Some(reply) => self.give(reply),
                    None => {
                        self.waiting.get_or_insert_default().push(answering);
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
            self.scratch.output.push(&reply);
        }
    }

    /// Notes that the client has something to read again.
    fn is_given(&mut self) {
        if self.scratch.output.is_empty() {
            self.since = None;
        }
    }

    /// Writes what the client takes at once.
    fn write_now(&mut self) -> io::Result<()> {
        while !self.has_written() {
            let Some(written) = poll_fn(|context| self.poll_write(context)).now_or_never() else {
                break;
            };
            written?;
        }
        Ok(())
    }

    /// Writes what the client takes, and after the last octet lets all of it leave.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, scratch, .. } = self;
        if scratch.output.is_empty() {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.is_unflushed = false;
            return Poll::Ready(Ok(()));
        }
        let octets = ready!(Pin::new(stream).poll_write(context, scratch.output.pending()))?;
        Poll::Ready(self.wrote(octets))
    }

    fn wrote(&mut self, octets: usize) -> io::Result<()> {
        if octets == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.is_unflushed = true;
        if self.scratch.output.wrote(octets) {
            self.since = None;
        }
        Ok(())
    }

    /// Reads what there is.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, scratch, .. } = self;
        let octets = ready!(pin!(stream.read_buf(scratch.input.room())).poll(context))?;
        self.is_over |= octets == 0;
        Poll::Ready(Ok(()))
    }

    fn has_written(&self) -> bool {
        self.scratch.output.is_empty() && !self.is_unflushed
    }

    fn wants_input(&self) -> bool {
        let has_message = || self.scratch.input.has_message();
        !self.is_over && self.left > 0 && self.held.is_none() && !has_message()
    }

    /// Returns what the connection waits for, from when on if that is something else than before.
    fn expect(&mut self, before: Expecting) -> Expecting {
        let expecting = if !self.has_written() {
            Expecting::Reading
        } else if self.wants_input() && self.scratch.input.has_octets() {
            Expecting::Rest
        } else if self.number_waiting() == 0 {
            Expecting::Question
        } else {
            Expecting::Nothing
        };
        // When a reply is read is seen where it is written.
        if expecting != before && expecting != Expecting::Reading {
            self.since = None;
        }
        match expecting {
            Expecting::Reading | Expecting::Nothing => self.place.is_in_use(),
            // The first octets of a message are cheap to send.
            Expecting::Question | Expecting::Rest => {
                let since = self.since().into_std();
                self.place.is_idle_since(since);
            }
        }
        expecting
    }

    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
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

    /// Waits until something happens.
    ///
    /// What has happened is seen before anything is waited for that would have to be forgotten again.
    async fn wait(
        &mut self,
        expecting: Expecting,
        reading: Option<&mut Reading>,
    ) -> io::Result<Event> {
        let since = self.since();
        let limit = self.time_limit(expecting);
        let last_call = self.last_call(expecting, since);
        let reading = reading.filter(|_| !self.is_over && self.stopping.is_none());
        if reading.as_ref().is_some_and(|reading| reading.has_stopped()) {
            return Ok(Event::Stop);
        }
        if self.place.is_evicted() {
            return Ok(Event::Over(Closing::Evicted));
        }
        let mut stopped = pin!(stop(reading));
        poll_fn(|context| {
            if let Poll::Ready(progress) = self.poll_progress(context) {
                return Poll::Ready(progress.map(|()| Event::Progress));
            }
            if stopped.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Event::Stop));
            }
            if self.place.poll_evicted(context).is_ready() {
                return Poll::Ready(Ok(Event::Over(Closing::Evicted)));
            }
            let limit = limit.map(|(limit, closing)| (since + limit, Event::Over(closing)));
            let last_call = last_call.map(|moment| (moment, Event::LastCall));
            let next = last_call.into_iter().chain(limit).min_by_key(|(moment, _)| *moment);
            let Some((moment, event)) = next else { return Poll::Pending };
            self.scratch.alarm.poll_until(moment, context).map(|()| Ok(event))
        })
        .await
    }

    /// Writes, gives an answer that was waited for, or reads.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_written()
            && let Poll::Ready(written) = self.poll_write(context)
        {
            return Poll::Ready(written);
        }
        if let Poll::Ready(Some(reply)) = self.poll_answer(context) {
            self.give(reply);
            return Poll::Ready(Ok(()));
        }
        if self.wants_input() { self.poll_read(context) } else { Poll::Pending }
    }

    /// Returns until when a client may ask while the server stops: a client that has just connected, or read a reply,
    /// may be about to.
    fn last_call(&self, expecting: Expecting, since: Instant) -> Option<Instant> {
        let stopping = self.stopping.filter(|_| !self.is_over)?;
        let quiet = match expecting {
            Expecting::Question | Expecting::Rest => since.max(stopping) + LAST_PAUSE,
            Expecting::Reading | Expecting::Nothing => stopping + LAST_QUESTIONS,
        };
        Some(quiet.min(stopping + LAST_QUESTIONS))
    }

    /// Reads what the client has sent already, and then no more.
    fn look_once_more(&mut self) {
        for _ in 0..LAST_READS {
            let read = poll_fn(|context| self.poll_read(context)).now_or_never();
            if self.is_over || !matches!(read, Some(Ok(()))) {
                break;
            }
        }
        self.is_over = true;
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
        None => pending().await,
    }
}
