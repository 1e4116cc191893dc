//! Follows one kind: asks what the reflector says, tells it what happened, and hands what comes to a sink.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::client::Api;
use super::exchange::{Failure, Piece, Response, send};
use super::measure::Measure;
use crate::Timing;
use crate::api::backoff::Delay;
use crate::api::lines::{Line, Lines, MOST_BYTES_A_LINE};
use crate::api::page;
use crate::api::reflector::Reflector;
use crate::api::step::{End, Health, Input, Mark, Refusal, Request, Then};
use crate::api::translate::version_of;
use crate::api::watch::{self, WatchEvent};
use crate::api::words::in_words;

/// What is made of what comes: the one part in which followers differ. `batch` takes what the receiver is told.
pub(super) trait Sink {
    /// What the receiver is told.
    type Change: Send;

    /// Returns path and query of a request. `length` is how long the server is asked to keep a watch open.
    fn url(&self, request: &Request, length: Duration) -> String;

    /// A watch is opened behind another stream.
    fn restarted(&mut self) {}

    /// The server has sent something.
    fn heard(&mut self) {}

    /// An object is there, as a part of a list or by a change.
    fn upsert(&mut self, json: &str, seen: Seen, batch: &mut Vec<Self::Change>);

    /// An object is gone.
    fn delete(&mut self, json: &str, seen: Seen, batch: &mut Vec<Self::Change>);

    /// An object is too large to be read.
    fn too_large(&mut self);

    /// The server refuses; returns why, in words, with the remedy.
    fn refused(&mut self, refusal: &Refusal) -> String;

    /// A list begins or ends.
    fn mark(&mut self, mark: Mark, batch: &mut Vec<Self::Change>);

    /// The server is followed, or is not any more for this reason.
    fn health(&mut self, health: Health, reason: &str, batch: &mut Vec<Self::Change>);
}

/// Where an object was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It is a part of a list.
    InList,
    /// It has changed.
    InWatch,
}

/// Follows one kind.
pub(super) struct Follower<S: Sink> {
    api: Arc<Api>,
    timing: Timing,
    queue: mpsc::Sender<Vec<S::Change>>,
    sink: S,
    reflector: Reflector,
    batch: Vec<S::Change>,
    /// The last request opened a stream of changes: the next one is a restart.
    has_watched: bool,
}

/// Nobody listens any more.
struct Closed;

impl<S: Sink> Follower<S> {
    /// Returns a follower that has not asked for anything yet.
    pub(super) fn new(
        api: Arc<Api>,
        timing: Timing,
        queue: mpsc::Sender<Vec<S::Change>>,
        sink: S,
    ) -> Self {
        let reflector = Reflector::new(timing.stable_after);
        Self { api, timing, queue, sink, reflector, batch: Vec::new(), has_watched: false }
    }

    /// Follows the kind until nobody listens.
    pub(super) async fn run(mut self) {
        let queue = self.queue.clone();
        tokio::select! {
            () = queue.closed() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        while let Ok(delay) = self.exchange().await {
            let (base, cap) = (self.timing.backoff_base, self.timing.backoff_cap);
            tokio::time::sleep(delay.duration(base, cap, rand::random())).await;
        }
    }

    /// Makes one request, takes all that its response brings, and returns the delay before the next.
    async fn exchange(&mut self) -> Result<Delay, Closed> {
        let request = self.reflector.request();
        if self.has_watched && matches!(request, Request::Watch { .. }) {
            self.sink.restarted();
        }
        self.has_watched = matches!(request, Request::Stream | Request::Watch { .. });
        let url = self.sink.url(&request, self.watch_length());
        let connection = self.api.connection().await;
        let measure = self.api.measure(connection.host);
        let pass = self.api.admit().await;
        measure.admitted();
        let answer = send(&connection.client, &url, self.timing.response).await;
        drop(pass);
        measure.answered(&answer);
        let then = match answer {
            Ok(response) => self.take(&request, response, &measure).await?,
            Err(Failure::Refused { refusal, .. }) => self.refused(refusal).await?,
            Err(Failure::NoAnswer(reason)) => {
                self.api.renew().await;
                let over = Input::Over { end: End::Failed, lived: Duration::ZERO };
                self.step(over, &reason).await?
            }
        };
        Ok(match then {
            Then::Ask(delay) => delay,
            Then::Read => Delay::None,
        })
    }

    /// Asks for watches of different lengths, so that they do not all end together.
    fn watch_length(&self) -> Duration {
        self.timing.watch_length.mul_f64(1.0 + rand::random::<f64>())
    }

    async fn take(
        &mut self,
        request: &Request,
        response: Response,
        measure: &Measure,
    ) -> Result<Then, Closed> {
        self.sink.heard();
        self.step(Input::Opened, "").await?;
        match request {
            Request::Stream | Request::Watch { .. } => {
                measure.over();
                self.take_stream(response).await
            }
            Request::FirstPage | Request::Page { .. } | Request::Whole => {
                self.take_page(response, measure).await
            }
        }
    }

    async fn take_stream(&mut self, mut response: Response) -> Result<Then, Closed> {
        let mut lines = Lines::new(MOST_BYTES_A_LINE);
        loop {
            let bytes = match response.next(self.timing.watch_idle).await {
                Piece::Bytes(bytes) => bytes,
                Piece::Over(end) => {
                    let over = Input::Over { end, lived: response.lived() };
                    return self.step(over, in_words(end)).await;
                }
            };
            self.sink.heard();
            let mut stop = None;
            lines.push(&bytes, |line| {
                if stop.is_none() {
                    stop = self.take_line(line, &response);
                }
            });
            match stop {
                None => self.flush().await?,
                Some(Input::Refused(refusal)) => return self.refused(refusal).await,
                Some(input) => return self.step(input, in_words(End::Garbage)).await,
            }
        }
    }

    /// Takes a line of a watch; returns what ends the watch, if the line does.
    fn take_line(&mut self, line: Line<'_>, response: &Response) -> Option<Input> {
        let Line::Whole(line) = line else {
            self.sink.too_large();
            return None;
        };
        let seen = if self.reflector.is_following() { Seen::InWatch } else { Seen::InList };
        let json = match watch::parse(line) {
            Some(WatchEvent::Upsert(json)) => {
                self.sink.upsert(json, seen, &mut self.batch);
                json
            }
            Some(WatchEvent::Delete(json)) => {
                self.sink.delete(json, seen, &mut self.batch);
                json
            }
            Some(WatchEvent::Bookmark { resource_version, ends_list }) => {
                self.decide(Input::Bookmark { resource_version, ends_list }, "");
                return None;
            }
            Some(WatchEvent::Error(refusal)) => return Some(Input::Refused(refusal)),
            None => return Some(Input::Over { end: End::Garbage, lived: response.lived() }),
        };
        // A part of the list is no change, and its version none to go on from.
        if seen == Seen::InWatch {
            self.decide(Input::Change { resource_version: version_of(json) }, "");
        }
        None
    }

    async fn take_page(
        &mut self,
        mut response: Response,
        measure: &Measure,
    ) -> Result<Then, Closed> {
        let body = response.whole(self.timing.response).await;
        measure.over();
        let body = match body {
            Ok(body) => body,
            Err(end) => {
                let over = Input::Over { end, lived: response.lived() };
                return self.step(over, in_words(end)).await;
            }
        };
        self.sink.heard();
        let Some(page) = page::parse(&body) else {
            let over = Input::Over { end: End::Garbage, lived: response.lived() };
            return self.step(over, in_words(End::Garbage)).await;
        };
        for item in &page.items {
            self.sink.upsert(item, Seen::InList, &mut self.batch);
        }
        let input = Input::Page { resource_version: page.resource_version, more: page.more };
        self.step(input, "").await
    }

    async fn refused(&mut self, refusal: Refusal) -> Result<Then, Closed> {
        if refusal.code == 401 {
            self.api.renew().await;
        }
        let reason = self.sink.refused(&refusal);
        self.step(Input::Refused(refusal), &reason).await
    }

    /// Lets the reflector decide and hands everything on.
    async fn step(&mut self, input: Input, reason: &str) -> Result<Then, Closed> {
        let then = self.decide(input, reason);
        self.flush().await.map(|()| then)
    }

    /// Lets the reflector decide; the bounds of lists go into the batch where they belong.
    fn decide(&mut self, input: Input, reason: &str) -> Then {
        let step = self.reflector.step(input);
        if let Some(mark) = step.mark {
            self.sink.mark(mark, &mut self.batch);
        }
        if step.health != Health::Same {
            self.sink.health(step.health, reason, &mut self.batch);
        }
        step.then
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.queue.send(batch).await.map_err(|_| Closed)
    }
}
