//! What clients have asked: a bounded log and counters to assert on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Request;
use hyper::header::USER_AGENT;
use tokio::sync::watch;

use crate::request_info::{RequestInfo, Verb};
use crate::service::{Answering, Service};

/// Requests remembered; the oldest are forgotten first.
const CAPACITY: usize = 32_768;

/// Verbs and resources counted; a client that invents more is not counted.
const MAX_COUNTERS: usize = 512;

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Verb and path parts.
    pub info: RequestInfo,
    /// The path as sent.
    pub path: String,
    /// The query string as sent.
    pub query: String,
    /// The User-Agent header.
    pub user_agent: String,
    /// Status code of the answer.
    pub status: u16,
}

/// The requests answered so far; clones share them.
#[derive(Clone, Debug)]
pub struct RequestLog {
    entries: Arc<Mutex<Entries>>,
    total: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    recent: VecDeque<LogEntry>,
    counters: BTreeMap<(Verb, String), u64>,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self { entries: Arc::default(), total: watch::Sender::new(0) }
    }
}

impl RequestLog {
    /// Returns the remembered requests, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<LogEntry> {
        self.lock().recent.iter().cloned().collect()
    }

    /// Returns the remembered requests of one verb and plural resource name, oldest first.
    #[must_use]
    pub fn of(&self, verb: Verb, resource: &str) -> Vec<LogEntry> {
        let entries = self.lock();
        let all = entries.recent.iter();
        all.filter(|e| e.info.verb == verb && e.info.resource == resource).cloned().collect()
    }

    /// Returns how many requests of a verb and plural resource name there were.
    #[must_use]
    pub fn count(&self, verb: Verb, resource: &str) -> u64 {
        let counters = &self.lock().counters;
        counters.get(&(verb, resource.to_owned())).copied().unwrap_or(0)
    }

    /// Waits until there were at least that many requests of a verb and resource.
    pub async fn wait_for(&self, verb: Verb, resource: &str, count: u64) {
        let mut totals = self.total.subscribe();
        // The sender is a field of self, so waiting cannot fail.
        let _ = totals.wait_for(|_| self.count(verb, resource) >= count).await;
    }

    /// Waits for the next request of any kind.
    pub async fn wait_for_next(&self) {
        // The sender is a field of self, so waiting cannot fail.
        let _ = self.total.subscribe().changed().await;
    }

    /// Forgets all requests and counters.
    pub fn clear(&self) {
        *self.lock() = Entries::default();
    }

    fn record(&self, entry: LogEntry) {
        let mut entries = self.lock();
        let counter = (entry.info.verb, entry.info.resource.clone());
        if entries.counters.len() < MAX_COUNTERS || entries.counters.contains_key(&counter) {
            *entries.counters.entry(counter).or_default() += 1;
        }
        if entries.recent.len() == CAPACITY {
            entries.recent.pop_front();
        }
        entries.recent.push_back(entry);
        drop(entries);
        self.total.send_modify(|total| *total += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records what another service answers.
pub struct Recorder {
    /// Where it is recorded.
    pub log: RequestLog,
    /// What answers.
    pub inner: Arc<dyn Service>,
}

impl Service for Recorder {
    fn call(&self, request: Request<Bytes>) -> Answering<'_> {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let mut entry = LogEntry {
            info: RequestInfo::new(request.method(), request.uri()),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            user_agent: user_agent.unwrap_or_default().to_owned(),
            status: 0,
        };
        Box::pin(async move {
            let response = self.inner.call(request).await;
            entry.status = response.status().as_u16();
            self.log.record(entry);
            response
        })
    }
}
