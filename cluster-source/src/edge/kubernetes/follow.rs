//! Follows one kind: asks what the reflector says, and tells it what happened.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cluster::{Event, Kind};
use tokio::sync::mpsc;

use super::client::Api;
use super::exchange::{Failure, Piece, Response, send};
use super::measure::Measure;
use crate::api::backoff::Delay;
use crate::api::lines::{Line, Lines, MOST_BYTES_A_LINE};
use crate::api::reflector::Reflector;
use crate::api::step::{End, Health, Input, Mark, Refusal, Request, Then};
use crate::api::translate::{Translated, Translator, version_of};
use crate::api::trigger::trigger_time;
use crate::api::watch::{self, WatchEvent};
use crate::api::words::{explain, in_words};
use crate::api::{page, request};
use crate::edge::publisher::Batch;
use crate::programming::Change;
use crate::{Interest, Status, Timing, Unusable};

/// How many bad objects are remembered, to be logged once.
const MOST_REMEMBERED: usize = 1000;

/// Follows one kind.
pub(super) struct Follower {
    pub(super) kind: Kind,
    pub(super) api: Arc<Api>,
    pub(super) interest: Arc<Interest>,
    pub(super) timing: Timing,
    pub(super) status: Arc<Status>,
    pub(super) queue: mpsc::Sender<Batch>,
}

/// The model does not listen any more: the source is being dropped.
struct Closed;

/// What changes while a kind is followed.
struct Progress<'a> {
    reflector: Reflector,
    translator: Translator<'a>,
    batch: Batch,
    logged: HashSet<String>,
    /// The last request opened a stream of changes: the next one is a restart.
    has_watched: bool,
}

impl Follower {
    /// Follows the kind until nobody listens.
    pub(super) async fn run(self) {
        let mut progress = Progress {
            reflector: Reflector::new(self.timing.stable_after),
            translator: Translator::new(self.kind, &self.interest),
            batch: Batch::new(),
            logged: HashSet::new(),
            has_watched: false,
        };
        while let Ok(delay) = self.exchange(&mut progress).await {
            let (base, cap) = (self.timing.backoff_base, self.timing.backoff_cap);
            tokio::time::sleep(delay.duration(base, cap, rand::random())).await;
        }
    }

    /// Makes one request, takes all that its response brings, and returns the delay before the next.
    async fn exchange(&self, progress: &mut Progress<'_>) -> Result<Delay, Closed> {
        let request = progress.reflector.request();
        if progress.has_watched && matches!(request, Request::Watch { .. }) {
            self.status.kind(self.kind).count_restart();
        }
        progress.has_watched = matches!(request, Request::Stream | Request::Watch { .. });
        let url = request::url(self.kind, &request, &self.interest, self.watch_length());
        let connection = self.api.connection().await;
        let measure = self.api.measure(connection.host);
        let pass = self.api.admit().await;
        measure.admitted();
        let answer = send(&connection.client, &url, self.timing.response).await;
        drop(pass);
        measure.answered(&answer);
        let then = match answer {
            Ok(response) => self.take(&request, response, &measure, progress).await?,
            Err(Failure::Refused { refusal, .. }) => self.refused(refusal, progress).await?,
            Err(Failure::NoAnswer(reason)) => {
                self.api.renew().await;
                let over = Input::Over { end: End::Failed, lived: Duration::ZERO };
                self.step(over, &reason, progress).await?
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
        &self,
        request: &Request,
        response: Response,
        measure: &Measure,
        progress: &mut Progress<'_>,
    ) -> Result<Then, Closed> {
        self.status.heard(self.kind);
        self.step(Input::Opened, "", progress).await?;
        match request {
            Request::Stream | Request::Watch { .. } => {
                measure.over();
                self.take_stream(response, progress).await
            }
            Request::FirstPage | Request::Page { .. } | Request::Whole => {
                self.take_page(response, measure, progress).await
            }
        }
    }

    async fn take_stream(
        &self,
        mut response: Response,
        progress: &mut Progress<'_>,
    ) -> Result<Then, Closed> {
        let mut lines = Lines::new(MOST_BYTES_A_LINE);
        loop {
            let bytes = match response.next(self.timing.watch_idle).await {
                Piece::Bytes(bytes) => bytes,
                Piece::Over(end) => {
                    let over = Input::Over { end, lived: response.lived() };
                    return self.step(over, in_words(end), progress).await;
                }
            };
            self.status.heard(self.kind);
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
        progress: &mut Progress<'_>,
    ) -> Option<Input> {
        let Line::Whole(line) = line else {
            self.note_bad(&format!("{}: an object above 16 MiB", self.kind), progress);
            return None;
        };
        let (json, translated) = match watch::parse(line) {
            Some(WatchEvent::Upsert(json)) => (json, progress.translator.upsert(json)),
            Some(WatchEvent::Delete(json)) => (json, progress.translator.delete(json)),
            Some(WatchEvent::Bookmark { resource_version, ends_list }) => {
                self.decide(Input::Bookmark { resource_version, ends_list }, "", progress);
                return None;
            }
            Some(WatchEvent::Error(refusal)) => return Some(Input::Refused(refusal)),
            None => return Some(Input::Over { end: End::Garbage, lived: response.lived() }),
        };
        if progress.reflector.is_following() {
            self.hand_on(translated, self.triggered(json), progress);
            self.decide(Input::Change { resource_version: version_of(json) }, "", progress);
        } else {
            // A part of the list is no change, and its version none to go on from.
            self.hand_on(translated, None, progress);
        }
        None
    }

    async fn take_page(
        &self,
        mut response: Response,
        measure: &Measure,
        progress: &mut Progress<'_>,
    ) -> Result<Then, Closed> {
        let body = response.whole(self.timing.response).await;
        measure.over();
        let body = match body {
            Ok(body) => body,
            Err(end) => {
                let over = Input::Over { end, lived: response.lived() };
                return self.step(over, in_words(end), progress).await;
            }
        };
        self.status.heard(self.kind);
        let Some(page) = page::parse(&body) else {
            let over = Input::Over { end: End::Garbage, lived: response.lived() };
            return self.step(over, in_words(End::Garbage), progress).await;
        };
        for item in &page.items {
            let translated = progress.translator.upsert(item);
            self.hand_on(translated, None, progress);
        }
        let input = Input::Page { resource_version: page.resource_version, more: page.more };
        self.step(input, "", progress).await
    }

    /// Returns when a change was triggered.
    fn triggered(&self, json: &str) -> Option<SystemTime> {
        (self.kind == Kind::EndpointSlice).then(|| trigger_time(json)).flatten()
    }

    /// Puts what an object gives into the batch.
    fn hand_on(
        &self,
        translated: Translated,
        triggered: Option<SystemTime>,
        progress: &mut Progress<'_>,
    ) {
        for bad in &translated.bad {
            let problem = bad.to_string();
            self.note_bad(&problem, progress);
            if let Some(key) = &bad.key {
                let (kind, uid, problem) = (self.kind, &*translated.uid, &*problem);
                self.api.observer().unusable(Unusable { kind, key, uid, problem });
            }
        }
        progress.batch.extend(translated.event.map(|event| Change { event, triggered }));
    }

    fn note_bad(&self, problem: &str, progress: &mut Progress<'_>) {
        self.status.kind(self.kind).count_bad_objects(1);
        if progress.logged.len() >= MOST_REMEMBERED {
            progress.logged.clear();
        }
        if progress.logged.insert(problem.to_owned()) {
            tracing::warn!(problem, "object not usable");
        }
    }

    async fn refused(&self, refusal: Refusal, progress: &mut Progress<'_>) -> Result<Then, Closed> {
        if refusal.code == 401 {
            self.api.renew().await;
        }
        if self.kind.is_optional() && matches!(refusal.code, 403 | 404) {
            self.status.absent(self.kind);
        }
        let reason = explain(self.kind, &refusal);
        self.step(Input::Refused(refusal), &reason, progress).await
    }

    /// Lets the reflector decide and hands everything on to the model.
    async fn step(
        &self,
        input: Input,
        reason: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Then, Closed> {
        let then = self.decide(input, reason, progress);
        self.flush(progress).await.map(|()| then)
    }

    /// Lets the reflector decide; the bounds of lists go into the batch where they belong.
    fn decide(&self, input: Input, reason: &str, progress: &mut Progress<'_>) -> Then {
        let step = progress.reflector.step(input);
        match step.mark {
            Some(Mark::ListStart) => progress.batch.push(Event::ListStart(self.kind).into()),
            Some(Mark::ListEnd) => {
                progress.batch.push(Event::ListEnd(self.kind).into());
                tracing::info!(kind = %self.kind, "list complete");
            }
            None => {}
        }
        match step.health {
            Health::Same => {}
            Health::Live => self.status.live(self.kind),
            Health::Lost => {
                if self.status.lost(self.kind, &reason) {
                    tracing::warn!(kind = %self.kind, reason, "API server not followed");
                }
            }
        }
        step.then
    }

    async fn flush(&self, progress: &mut Progress<'_>) -> Result<(), Closed> {
        if progress.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut progress.batch);
        self.queue.send(batch).await.map_err(|_| Closed)
    }
}
