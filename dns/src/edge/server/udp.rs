//! DNS over UDP.
//!
//! ```text
//!  seats ─▶ a thread receives a batch ─▶ answers that are ready: sent some at a time
//!                                     └▶ the rest: the seat goes to another thread; then one by one
//!                                                    └▶ what waits for others: a task of its own
//! ```
//!
//! So an answer that takes long holds up none that is ready, and threads do not take turns for those that are.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use datagrams::{BATCH, Batch, Datagram, SLICE, Wait};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::datagram::{DatagramSocket, Way};
use super::responder::{Question, Received};
use super::seats::Seats;
use super::service::Service;
use super::stop::Reading;
use super::waiting::WaitingPlace;
use crate::Protocol;
use crate::direct::{ReadAhead, TOGETHER};
use crate::wire::Arrival;

/// How many batches are answered that came in before the stop signal.
const MOST_QUEUED: usize = 16_384 / BATCH;

/// How often receivers are woken while the threads stop.
const WAKE: Duration = Duration::from_millis(1);

/// Replies that are ready wait no longer than this for one that takes long.
const SOON: Duration = Duration::from_micros(200);

/// How long a datagram may take inside of the kernel from the choice of its socket to the queue.
const STRAGGLERS: Duration = Duration::from_millis(50);

type Answering = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// Serves a socket until the stop signal, with `seats` threads that receive and one more, then waits for the questions
/// under way. When this is dropped, all of it ends at once.
pub(super) async fn serve(
    socket: DatagramSocket,
    service: Arc<Service>,
    mut reading: Reading,
    seats: usize,
) {
    let (living, mut all_gone) = mpsc::channel::<Infallible>(1);
    let running = Running(Arc::new(Receiver {
        socket,
        service,
        seats: Seats::new(seats),
        most: seats,
        waiting: Mutex::default(),
        runtime: Handle::current(),
    }));
    for _ in 0..=seats {
        let receiver = Arc::clone(&running.0);
        let (reading, living) = (reading.clone(), living.clone());
        let run = move || {
            receiver.run(reading);
            drop((receiver, living));
        };
        if let Err(error) = thread::Builder::new().name("dns-udp".into()).spawn(run) {
            tracing::error!(%error, "a thread that receives over UDP cannot be started");
        }
    }
    drop(living);
    reading.stopped().await;
    running.0.stop();
    drop(reading);
    while !running.0.seats.are_free() {
        // One may have taken what was sent to wake the others.
        tokio::time::sleep(WAKE).await;
        running.0.socket.wake(1);
    }
    // Nothing is ever sent: this is the last thread going away.
    let _ = all_gone.recv().await;
    let mut waiting = std::mem::take(&mut *running.0.waiting());
    while waiting.join_next().await.is_some() {}
}

/// What the threads of a socket share.
#[derive(Debug)]
struct Receiver {
    socket: DatagramSocket,
    service: Arc<Service>,
    seats: Seats,
    /// How many seats there are.
    most: usize,
    waiting: Mutex<JoinSet<()>>,
    runtime: Handle,
}

/// Ends everything when it is dropped.
struct Running(Arc<Receiver>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
        self.0.waiting().abort_all();
    }
}

/// What a thread works on.
struct Work {
    batch: Batch,
    /// Some messages of the batch, read.
    ahead: Vec<ReadAhead>,
    /// The questions that are put off.
    later: Vec<Later>,
}

impl Default for Work {
    fn default() -> Self {
        let ahead = vec![ReadAhead::default(); TOGETHER];
        Self { batch: Batch::default(), ahead, later: Vec::with_capacity(BATCH) }
    }
}

/// A question whose answer was not ready.
struct Later {
    number: usize,
    way: Way,
    question: Question,
}

impl Receiver {
    /// Makes the threads stop.
    fn stop(&self) {
        self.socket.receive_no_more();
        self.seats.close();
        self.socket.wake(self.most);
    }

    /// Receives and answers until the seats are closed, then what has come in before.
    fn run(self: &Arc<Self>, reading: Reading) {
        // Plugins start tasks and timers.
        let _runtime = self.runtime.enter();
        // What else runs here, such as the changes of a cluster, should not hold up answers.
        if let Err(error) = datagrams::ask_for_slice(SLICE) {
            tracing::debug!(%error, "answers over UDP may have to wait for other threads");
        }
        let mut work = Work::default();
        while let Some(seat) = self.seats.take() {
            while work.later.is_empty() && !self.seats.are_closed() {
                self.receive(Wait::ForOne, &mut work);
            }
            drop(seat);
            self.answer_later(&mut work);
        }
        self.answer_queued(&mut work);
        drop(reading);
        // The kernel may have chosen this socket for a datagram just before, and queue it just now.
        thread::sleep(STRAGGLERS);
        self.answer_queued(&mut work);
    }

    /// Answers the datagrams that are there.
    fn answer_queued(self: &Arc<Self>, work: &mut Work) {
        for _ in 0..MOST_QUEUED {
            if self.receive(Wait::No, work) == 0 {
                return;
            }
            self.answer_later(work);
        }
    }

    /// Receives a batch, sends the answers that are ready and puts off the rest. Returns how many came in.
    fn receive(&self, wait: Wait, work: &mut Work) -> usize {
        let received = match self.socket.receive(&mut work.batch, wait) {
            Ok(received) => received,
            Err(error) => {
                // An ICMP error for an earlier reply, or no memory for a moment: neither ends the service.
                if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                    tracing::debug!(%error, "receiving over UDP failed");
                }
                return 0;
            }
        };
        let start = Instant::now();
        for first in (0..received).step_by(TOGETHER) {
            self.receive_some(first..received.min(first + TOGETHER), start, work);
        }
        received
    }

    /// Does so with some of a batch that came in at `start`: as many as make one call worth it, but the first need not
    /// wait until the last of a batch is answered.
    fn receive_some(&self, numbers: Range<usize>, start: Instant, work: &mut Work) {
        let Work { batch, ahead, later } = work;
        let Service { responder, id, .. } = &*self.service;
        let ahead = ahead.get_mut(..numbers.len()).unwrap_or_default();
        let messages = batch.messages(numbers.clone());
        let mut together = responder.together(*id, messages, ahead, start);
        for (place, number) in numbers.enumerate() {
            let Some((datagram, reply)) = batch.datagram(number) else { continue };
            let way = self.note(&datagram);
            let message = datagram.message;
            if message.is_empty() && way.client.port() == way.local.port() {
                // Sent to wake the receiver, by itself.
                continue;
            }
            match together.receive(place, message, arrival(way), reply) {
                Received::Written => batch.queue(number),
                Received::Reply(Some(message)) => {
                    *reply = message;
                    batch.queue(number);
                }
                Received::Reply(None) => {}
                Received::Question(question) => later.push(Later { number, way, question }),
            }
        }
        drop(together);
        self.send(batch);
    }

    /// Counts what the kernel dropped before a datagram, and returns the way of its reply.
    fn note(&self, datagram: &Datagram<'_>) -> Way {
        if let Some(all) = datagram.dropped {
            let dropped = self.socket.dropped_since(all);
            self.service.responder.metrics().udp_dropped.inc_by(dropped.into());
        }
        self.socket.way(datagram.from, datagram.to)
    }

    /// Answers the questions whose answers were not ready.
    fn answer_later(self: &Arc<Self>, Work { batch, later, .. }: &mut Work) {
        let mut start = Instant::now();
        for Later { number, way, question } in later.drain(..) {
            let Some((datagram, reply)) = batch.datagram(number) else { continue };
            if let Some(answer) = self.answer(datagram.message, way, question) {
                *reply = answer;
                batch.queue(number);
            }
            if start.elapsed() > SOON {
                self.send(batch);
                start = Instant::now();
            }
        }
        self.send(batch);
    }

    /// Answers a question if it can be done from memory; what waits for others moves to a task of its own.
    fn answer(self: &Arc<Self>, message: &[u8], way: Way, question: Question) -> Option<Vec<u8>> {
        let (service, start) = (&self.service, Instant::now());
        let responder = &service.responder;
        let mut answering: Answering = Box::pin(Arc::clone(responder).answer(service.id, question));
        let unwatched = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(reply) = answering.as_mut().poll(unwatched) {
            return reply;
        }
        let whose = responder.whose(service.id, message, arrival(way));
        if let Some(place) = service.waiting.enter(whose) {
            self.wait(way, answering, place);
            return None;
        }
        responder.metrics().refused.with_label_values(&["udp_waiting"]).inc();
        responder.overloaded(service.id, message, arrival(way), start)
    }

    /// Sends the answer when it is there. The task watches what the answer waits for.
    fn wait(self: &Arc<Self>, way: Way, answering: Answering, place: WaitingPlace) {
        let receiver = Arc::clone(self);
        let wait = async move {
            if let Some(message) = answering.await {
                receiver.reply(way, message).await;
            }
            drop(place);
        };
        let mut waiting = self.waiting();
        // Forgets those that are through.
        while waiting.try_join_next().is_some() {}
        waiting.spawn_on(wait, &self.runtime);
    }

    /// Sends a reply from a task, which must not wait for the kernel.
    async fn reply(self: Arc<Self>, way: Way, message: Vec<u8>) {
        let mut sent = self.socket.reply(way, &message, Wait::No);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            let waiting = move || self.socket.reply(way, &message, Wait::ForOne);
            sent = tokio::task::spawn_blocking(waiting).await.unwrap_or_else(|e| Err(e.into()));
        }
        if let Err(error) = sent {
            not_sent(way.client, &error);
        }
    }

    fn send(&self, batch: &mut Batch) {
        batch.send(self.socket.as_fd(), |client, error| not_sent(client, &error));
    }

    fn waiting(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client is out of reach, or the question came from a forged address.
fn not_sent(client: SocketAddr, error: &io::Error) {
    tracing::debug!(%client, %error, "a reply over UDP could not be sent");
}

fn arrival(way: Way) -> Arrival {
    let (client, local) = (canonical(way.client), canonical(way.local));
    Arrival { client, local, protocol: Protocol::Udp }
}

/// Takes an IPv4 address out of its IPv6 mapping.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
