//! Carries writes out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cluster_source::{ApiServer, Bucket};
use http::Request;
use tokio::sync::watch;

use super::elector::Term;
use crate::failure::{Failure, Found, Written};
use crate::resource::{Resource, Target};
use crate::write::Write;

/// How fast is written: so many requests a second in the long run, so many at once after a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteRate {
    /// Requests a second; at least 1.
    pub per_second: u32,
    /// Requests at once; at least 1.
    pub burst: u32,
}

/// Hears what is written.
pub trait WriteObserver: Send + Sync + 'static {
    /// A write of a kind is over: `ok`, or [`Failure::as_str`].
    fn written(&self, resource: Resource, verb: &'static str, result: &'static str);
}

impl WriteObserver for () {
    fn written(&self, _: Resource, _: &'static str, _: &'static str) {}
}

/// Writes to an API server within a rate. Clones share it.
#[derive(Clone)]
pub struct Writer {
    server: ApiServer,
    bucket: Arc<Mutex<Bucket>>,
    observer: Arc<dyn WriteObserver>,
    /// The longest wait for an answer.
    wait: Duration,
    /// Until when this process may write; none when it always may.
    term: Option<watch::Receiver<Term>>,
}

impl Writer {
    /// Returns a writer. `wait` limits the wait for each answer; what is not answered by then is looked at.
    pub fn new(
        server: ApiServer,
        rate: WriteRate,
        wait: Duration,
        observer: Arc<dyn WriteObserver>,
    ) -> Self {
        let bucket = Bucket::new(rate.per_second, rate.burst, Instant::now());
        Self { server, bucket: Arc::new(Mutex::new(bucket)), observer, wait, term: None }
    }

    /// Returns a writer of the same server with a rate of its own, which may always write.
    pub fn with_rate(&self, rate: WriteRate) -> Self {
        Self::new(self.server.clone(), rate, self.wait, Arc::clone(&self.observer))
    }

    /// Returns the writer with another limit for the wait for each answer.
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Returns the writer, which shares the rate, for a leader: it begins no write behind its term.
    pub fn of_leader(&self, term: watch::Receiver<Term>) -> Self {
        Self { term: Some(term), ..self.clone() }
    }

    /// Carries a write out. One that fails, or of which nobody knows, is followed by a look at the object.
    pub async fn write(&self, write: &Write) -> Written {
        self.admit().await;
        if !self.may_write() {
            return Written::NotDone { failure: Failure::NotLeading, found: Found::Unknown };
        }
        let result = match write.request() {
            Ok(request) => self.exchange(request).await,
            Err(error) => Err(Failure::NoAnswer(error.to_string())),
        };
        let word = result.as_ref().map_or_else(Failure::as_str, |_| "ok");
        self.observer.written(write.target.resource, write.change.verb(), word);
        match result {
            Ok(json) => Written::Done(json),
            Err(failure) => {
                let found = self.look(&write.target).await.unwrap_or(Found::Unknown);
                Written::NotDone { failure, found }
            }
        }
    }

    /// Looks at an object.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub async fn look(&self, target: &Target) -> Result<Found, Failure> {
        let request = Request::get(target.path()).body(Vec::new());
        let request = request.map_err(|error| Failure::NoAnswer(error.to_string()))?;
        self.admit().await;
        match self.exchange(request).await {
            Ok(json) => Ok(Found::There(json)),
            Err(Failure::Refused { code: 404, .. }) => Ok(Found::Nothing),
            Err(failure) => Err(failure),
        }
    }

    fn may_write(&self) -> bool {
        let until = self.term.as_ref().map(|term| *term.borrow());
        until.is_none_or(|until| until.is_some_and(|until| until > Instant::now()))
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<String, Failure> {
        self.server.exchange(request, self.wait).await.map_err(Failure::from)
    }

    async fn admit(&self) {
        let wait = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(Instant::now())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("wait", &self.wait).finish_non_exhaustive()
    }
}
