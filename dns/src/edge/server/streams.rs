//! A connection each of whose streams is a question: what DNS over QUIC and over HTTP/3 have in common.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::task::{JoinError, JoinSet};

use super::asker::Asker;
use super::closing::Closing;
use super::connections::Place;
use super::exchanges::{Exchange, Exchanges, Patience};
use super::service::Service;
use super::stop::Reading;
use crate::wire::Arrival;

/// Where the streams of a connection come from.
pub(super) trait Incoming {
    /// A stream that the client has begun.
    type Stream;

    /// Why a stream ends the connection.
    type Ending: Send + 'static;

    /// Waits for the next stream; none when the client has gone, which is its own business. Nothing is lost when the
    /// wait is given up.
    fn next(&mut self) -> impl Future<Output = Option<Self::Stream>> + Send;

    /// Answers the question of a stream; an error ends the connection.
    fn answer(
        stream: Self::Stream,
        asker: Asker,
        exchange: Exchange,
    ) -> impl Future<Output = Result<(), Self::Ending>> + Send + 'static;
}

/// The streams of a connection that are open.
pub(super) struct Streams<I: Incoming> {
    /// Asks for the client.
    pub(super) asker: Asker,
    /// The questions under way.
    pub(super) exchanges: Arc<Exchanges>,
    /// For how long the client is waited for.
    pub(super) patience: Patience,
    /// Answer the questions.
    pub(super) tasks: JoinSet<Result<(), I::Ending>>,
    /// How many streams the client may have open.
    most: usize,
}

/// Why no more streams are taken.
pub(super) enum Ended<E> {
    /// The listener stops. What had come until then is under way.
    Stopped,
    /// The client has gone.
    Gone,
    /// The server does not wait any longer for the client, or needs its place.
    Closing(Closing),
    /// A stream ends the connection.
    ByStream(E),
}

impl<I: Incoming> Streams<I> {
    /// Returns no streams, on a connection that is idle from here on.
    pub(super) fn new(service: &Arc<Service>, arrival: Arrival, place: Place) -> Self {
        let settings = service.settings();
        Self {
            asker: Asker::new(service, arrival),
            exchanges: Exchanges::new(place, &service.shared.unread),
            patience: Patience { idle: settings.idle, write: settings.write },
            tasks: JoinSet::new(),
            most: usize::try_from(settings.streams.streams).unwrap_or(usize::MAX),
        }
    }

    /// Takes streams until something ends that.
    pub(super) async fn take(
        &mut self,
        incoming: &mut I,
        reading: &mut Reading,
    ) -> Ended<I::Ending> {
        loop {
            tokio::select! {
                biased;
                () = reading.stopped() => break,
                () = self.exchanges.evicted() => return Ended::Closing(Closing::Evicted),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if let Some(Err(ending)) = ended_stream(ended, &self.asker) {
                        return Ended::ByStream(ending);
                    }
                }
                stream = incoming.next() => match stream {
                    Some(stream) => self.open(stream),
                    None => return Ended::Gone,
                },
                closing = self.exchanges.expired(self.patience) => return Ended::Closing(closing),
            }
        }
        while let Some(Some(stream)) = incoming.next().now_or_never() {
            self.open(stream);
        }
        Ended::Stopped
    }

    fn open(&mut self, stream: I::Stream) {
        self.tasks.spawn(I::answer(stream, self.asker.clone(), self.exchanges.begin()));
        // The client has to wait with the next.
        if self.tasks.len() == self.most {
            self.asker.service.responder.metrics().held.with_label_values(&["streams"]).inc();
        }
    }
}

/// Returns what the task of a stream came to; none after a panic, which is counted.
pub(super) fn ended_stream<T>(ended: Result<T, JoinError>, asker: &Asker) -> Option<T> {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        asker.service.responder.metrics().panics.inc();
    }
    ended.ok()
}
