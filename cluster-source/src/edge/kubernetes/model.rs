//! What is followed for the model: objects are translated into its events, and the status says how far it can be trusted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cluster::{Event, Kind};

use tokio::sync::mpsc;

use super::client::Api;
use super::follow::{Follower, Seen, Sink};
use crate::api::request;
use crate::api::step::{Health, Mark, Refusal, Request};
use crate::api::translate::{Translated, Translator};
use crate::api::trigger::trigger_time;
use crate::api::words::explain;
use crate::edge::publisher::Batch;
use crate::programming::Change;
use crate::{Interest, Observer, Status, Timing, Unusable};

/// How many bad objects are remembered, to be logged once.
const MOST_REMEMBERED: usize = 1000;

/// Follows a kind for the model until nobody listens.
pub(super) async fn follow(
    kind: Kind,
    api: Arc<Api>,
    interest: Arc<Interest>,
    timing: Timing,
    status: Arc<Status>,
    queue: mpsc::Sender<Batch>,
) {
    let sink = ModelSink {
        kind,
        interest: &interest,
        observer: api.observer(),
        status: &status,
        translator: Translator::new(kind, &interest),
        logged: HashSet::new(),
    };
    Follower::new(Arc::clone(&api), timing, queue, sink).run().await;
}

/// Tells the model of one kind.
struct ModelSink<'a> {
    kind: Kind,
    interest: &'a Interest,
    observer: &'a dyn Observer,
    status: &'a Status,
    translator: Translator<'a>,
    logged: HashSet<String>,
}

impl ModelSink<'_> {
    /// Puts what an object gives into the batch.
    fn hand_on(
        &mut self,
        translated: Translated,
        triggered: Option<SystemTime>,
        batch: &mut Batch,
    ) {
        for bad in &translated.bad {
            let problem = bad.to_string();
            self.note_bad(&problem);
            if let Some(key) = &bad.key {
                let (kind, uid, problem) = (self.kind, &*translated.uid, &*problem);
                self.observer.unusable(Unusable { kind, key, uid, problem });
            }
        }
        batch.extend(translated.event.map(|event| Change { event, triggered }));
    }

    /// Returns when a change was triggered.
    fn triggered(&self, json: &str, seen: Seen) -> Option<SystemTime> {
        let is_change = self.kind == Kind::EndpointSlice && seen == Seen::InWatch;
        is_change.then(|| trigger_time(json)).flatten()
    }

    fn note_bad(&mut self, problem: &str) {
        self.status.kind(self.kind).count_bad_objects(1);
        if self.logged.len() >= MOST_REMEMBERED {
            self.logged.clear();
        }
        if self.logged.insert(problem.to_owned()) {
            tracing::warn!(problem, "object not usable");
        }
    }
}

impl Sink for ModelSink<'_> {
    type Change = Change;

    fn url(&self, request: &Request, length: Duration) -> String {
        request::url(self.kind, request, self.interest, length)
    }

    fn restarted(&mut self) {
        self.status.kind(self.kind).count_restart();
    }

    fn heard(&mut self) {
        self.status.heard(self.kind);
    }

    fn upsert(&mut self, json: &str, seen: Seen, batch: &mut Batch) {
        let translated = self.translator.upsert(json);
        self.hand_on(translated, self.triggered(json, seen), batch);
    }

    fn delete(&mut self, json: &str, seen: Seen, batch: &mut Batch) {
        let translated = self.translator.delete(json);
        self.hand_on(translated, self.triggered(json, seen), batch);
    }

    fn too_large(&mut self) {
        self.note_bad(&format!("{}: an object above 16 MiB", self.kind));
    }

    fn refused(&mut self, refusal: &Refusal) -> String {
        if self.kind.is_optional() && matches!(refusal.code, 403 | 404) {
            self.status.absent(self.kind);
        }
        explain(self.kind, refusal)
    }

    fn mark(&mut self, mark: Mark, batch: &mut Batch) {
        match mark {
            Mark::ListStart => batch.push(Event::ListStart(self.kind).into()),
            Mark::ListEnd => {
                batch.push(Event::ListEnd(self.kind).into());
                tracing::info!(kind = %self.kind, "list complete");
            }
        }
    }

    fn health(&mut self, health: Health, reason: &str, _: &mut Batch) {
        match health {
            Health::Same => {}
            Health::Live => self.status.live(self.kind),
            Health::Lost => {
                if self.status.lost(self.kind, &reason) {
                    tracing::warn!(kind = %self.kind, reason, "API server not followed");
                }
            }
        }
    }
}
