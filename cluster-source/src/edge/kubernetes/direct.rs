//! An API server for those who write: one request at a time, and objects followed as they are written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use thiserror::Error;
use tokio::sync::mpsc;

use super::client::Api;
use super::exchange::{Failure, send_request};
use super::follow::Follower;
use super::written::{WrittenChange, WrittenKind, WrittenSink};
use crate::{Access, RequestLimits, SourceError, Timing};

/// Batches of changes that wait for who follows a kind; then its watch waits.
const MOST_BATCHES: usize = 64;

/// An API server. Clones share its connection and credentials.
#[derive(Clone)]
pub struct ApiServer {
    api: Arc<Api>,
    timing: Timing,
}

/// Why there is no good answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unanswered {
    /// The API server refuses: nothing has changed, unless the code is above 499.
    #[error("HTTP {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
        /// How long the server asks to wait.
        retry_after: Duration,
    },
    /// No answer, or not a whole one: what was asked for may have been done.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

impl ApiServer {
    /// Reads the configuration and credentials. The server is not contacted.
    ///
    /// # Errors
    /// The access is not configured so that it can work.
    pub async fn open(access: Access, timing: Timing) -> Result<Self, SourceError> {
        let (limits, observer) = (RequestLimits::default(), Arc::new(()));
        let api = Api::new(access, timing.connect, limits, observer).await?;
        Ok(Self { api: Arc::new(api), timing })
    }

    /// Sends a request and returns the body of its answer, which has a status below 300. `wait` limits the wait for the
    /// head, and again that for each part of the body.
    ///
    /// # Errors
    /// The server refuses, or there is no whole answer.
    pub async fn exchange(
        &self,
        request: Request<Vec<u8>>,
        wait: Duration,
    ) -> Result<String, Unanswered> {
        let client = self.api.connection().await.client;
        let no_answer = |text: &str| Unanswered::NoAnswer(text.to_owned());
        match send_request(&client, request, wait).await {
            Ok(mut response) => {
                let octets = response.whole(wait).await;
                let octets = octets.map_err(|_| no_answer("it ends in the middle"))?;
                String::from_utf8(octets).map_err(|_| no_answer("it is not UTF-8"))
            }
            Err(Failure::Refused { refusal, .. }) => {
                if refusal.code == 401 {
                    self.api.renew().await;
                }
                let (code, message) = (refusal.code, refusal.message);
                Err(Unanswered::Refused { code, message, retry_after: refusal.retry_after })
            }
            Err(Failure::NoAnswer(reason)) => {
                self.api.renew().await;
                Err(Unanswered::NoAnswer(reason))
            }
        }
    }

    /// Follows the objects of a kind as they are written, on the current tokio runtime, until the receiver is dropped.
    /// The list comes first; that the server cannot be reached is told and tried again for as long.
    pub fn follow(&self, kind: WrittenKind) -> mpsc::Receiver<Vec<WrittenChange>> {
        self.follow_some(kind, None)
    }

    /// Follows one object of a kind as [`Self::follow`] does.
    pub fn follow_one(&self, kind: WrittenKind, name: &str) -> mpsc::Receiver<Vec<WrittenChange>> {
        self.follow_some(kind, Some(name.to_owned()))
    }

    fn follow_some(
        &self,
        kind: WrittenKind,
        name: Option<String>,
    ) -> mpsc::Receiver<Vec<WrittenChange>> {
        let (queue, changes) = mpsc::channel(MOST_BATCHES);
        let (api, timing) = (Arc::clone(&self.api), self.timing.clone());
        let sink = WrittenSink { kind, name };
        tokio::spawn(Follower::new(api, timing, queue, sink).run());
        changes
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}
