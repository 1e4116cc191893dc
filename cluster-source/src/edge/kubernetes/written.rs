//! Follows the objects of one kind as they are written, for who needs more of them than the model holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::client::Api;
use super::exchange::{Failure, Piece, Response, send};
use crate::Timing;
use crate::api::lines::{Line, Lines, MOST_BYTES_A_LINE};
use crate::api::reflector::Reflector;
use crate::api::step::{End, Health, Input, Mark, Refusal, Request, Then};
use crate::api::translate::version_of;
use crate::api::watch::{self, WatchEvent};
use crate::api::words::{explain_at, in_words};
use crate::api::{page, request};

/// A kind as URLs name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WrittenKind {
    /// `v1`, or `GROUP/VERSION`.
    pub api_version: &'static str,
    /// The name in URLs.
    pub plural: &'static str,
}

/// What is told of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WrittenChange {
    /// A list begins: what it does not name until its end is gone.
    ListStart,
    /// An object is there, or has changed: its JSON.
    There(String),
    /// An object is gone: the JSON of what it was.
    Gone(String),
    /// The list is complete.
    ListEnd,
    /// The server is followed.
    Live,
    /// It is not, for the reason given with its remedy.
    Lost(String),
}

impl WrittenKind {
    /// Returns the group; empty for the core group.
    pub(crate) fn group(&self) -> &'static str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    fn path(&self) -> String {
        let root = if self.group().is_empty() { "api" } else { "apis" };
        format!("/{root}/{}/{}", self.api_version, self.plural)
    }
}

/// Follows one kind.
pub(super) struct Follower {
    pub(super) kind: WrittenKind,
    pub(super) api: Arc<Api>,
    pub(super) timing: Timing,
    pub(super) queue: mpsc::Sender<Vec<WrittenChange>>,
}

/// Nobody listens any more.
struct Closed;

struct Progress {
    reflector: Reflector,
    batch: Vec<WrittenChange>,
}

impl Follower {
    /// Follows the kind until nobody listens.
    pub(super) async fn run(self) {
        let reflector = Reflector::new(self.timing.stable_after);
        let mut progress = Progress { reflector, batch: Vec::new() };
        let queue = self.queue.clone();
        tokio::select! {
            () = queue.closed() => {}
            () = self.follow(&mut progress) => {}
        }
    }

    async fn follow(&self, progress: &mut Progress) {
        while let Ok(then) = self.exchange(progress).await {
            let Then::Ask(delay) = then else { continue };
            let (base, cap) = (self.timing.backoff_base, self.timing.backoff_cap);
            tokio::time::sleep(delay.duration(base, cap, rand::random())).await;
        }
    }

    /// Makes one request and takes all that its response brings.
    async fn exchange(&self, progress: &mut Progress) -> Result<Then, Closed> {
        let request = progress.reflector.request();
        let length = self.timing.watch_length.mul_f64(1.0 + rand::random::<f64>());
        let url = request::url_at(self.kind.path(), &request, length);
        let connection = self.api.connection().await;
        match send(&connection.client, &url, self.timing.response).await {
            Ok(response) => {
                self.decide(Input::Opened, "", progress);
                match request {
                    Request::Stream | Request::Watch { .. } => {
                        self.take_stream(response, progress).await
                    }
                    Request::FirstPage | Request::Page { .. } | Request::Whole => {
                        self.take_page(response, progress).await
                    }
                }
            }
            Err(Failure::Refused { refusal, .. }) => self.refused(refusal, progress).await,
            Err(Failure::NoAnswer(reason)) => {
                self.api.renew().await;
                let over = Input::Over { end: End::Failed, lived: Duration::ZERO };
                self.step(over, &reason, progress).await
            }
        }
    }

    async fn take_stream(
        &self,
        mut response: Response,
        progress: &mut Progress,
    ) -> Result<Then, Closed> {
        let mut lines = Lines::new(MOST_BYTES_A_LINE);
        self.flush(progress).await?;
        loop {
            let bytes = match response.next(self.timing.watch_idle).await {
                Piece::Bytes(bytes) => bytes,
                Piece::Over(end) => {
                    let over = Input::Over { end, lived: response.lived() };
                    return self.step(over, in_words(end), progress).await;
                }
            };
            let mut stop = None;
            lines.push(&bytes, |line| {
                if stop.is_none() {
                    stop = self.take_line(line, &response, progress);
                }
            });
            match stop {
                None => self.flush(progress).await?,
                Some(Input::Refused(refusal)) => return self.refused(refusal, progress).await,
                Some(input) => return self.step(input, in_words(End::Garbage), progress).await,
            }
        }
    }

    /// Takes a line of a watch; returns what ends the watch, if the line does.
    fn take_line(
        &self,
        line: Line<'_>,
        response: &Response,
        progress: &mut Progress,
    ) -> Option<Input> {
        let Line::Whole(line) = line else {
            tracing::warn!(resource = self.kind.plural, "object above 16 MiB left out");
            return None;
        };
        let (json, change) = match watch::parse(line) {
            Some(WatchEvent::Upsert(json)) => (json, WrittenChange::There(json.to_owned())),
            Some(WatchEvent::Delete(json)) => (json, WrittenChange::Gone(json.to_owned())),
            Some(WatchEvent::Bookmark { resource_version, ends_list }) => {
                self.decide(Input::Bookmark { resource_version, ends_list }, "", progress);
                return None;
            }
            Some(WatchEvent::Error(refusal)) => return Some(Input::Refused(refusal)),
            None => return Some(Input::Over { end: End::Garbage, lived: response.lived() }),
        };
        progress.batch.push(change);
        if progress.reflector.is_following() {
            self.decide(Input::Change { resource_version: version_of(json) }, "", progress);
        }
        None
    }

    async fn take_page(
        &self,
        mut response: Response,
        progress: &mut Progress,
    ) -> Result<Then, Closed> {
        let body = match response.whole(self.timing.response).await {
            Ok(body) => body,
            Err(end) => {
                let over = Input::Over { end, lived: response.lived() };
                return self.step(over, in_words(end), progress).await;
            }
        };
        let Some(page) = page::parse(&body) else {
            let over = Input::Over { end: End::Garbage, lived: response.lived() };
            return self.step(over, in_words(End::Garbage), progress).await;
        };
        let there = page.items.iter().map(|json| WrittenChange::There((*json).to_owned()));
        progress.batch.extend(there);
        let input = Input::Page { resource_version: page.resource_version, more: page.more };
        self.step(input, "", progress).await
    }

    async fn refused(&self, refusal: Refusal, progress: &mut Progress) -> Result<Then, Closed> {
        if refusal.code == 401 {
            self.api.renew().await;
        }
        let reason = explain_at(self.kind, &refusal);
        self.step(Input::Refused(refusal), &reason, progress).await
    }

    /// Lets the reflector decide and hands everything on.
    async fn step(
        &self,
        input: Input,
        reason: &str,
        progress: &mut Progress,
    ) -> Result<Then, Closed> {
        let then = self.decide(input, reason, progress);
        self.flush(progress).await.map(|()| then)
    }

    fn decide(&self, input: Input, reason: &str, progress: &mut Progress) -> Then {
        let step = progress.reflector.step(input);
        match step.mark {
            Some(Mark::ListStart) => progress.batch.push(WrittenChange::ListStart),
            Some(Mark::ListEnd) => progress.batch.push(WrittenChange::ListEnd),
            None => {}
        }
        match step.health {
            Health::Same => {}
            Health::Live => progress.batch.push(WrittenChange::Live),
            Health::Lost => progress.batch.push(WrittenChange::Lost(reason.to_owned())),
        }
        step.then
    }

    async fn flush(&self, progress: &mut Progress) -> Result<(), Closed> {
        if progress.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut progress.batch);
        self.queue.send(batch).await.map_err(|_| Closed)
    }
}
