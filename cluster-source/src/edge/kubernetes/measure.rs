//! What is measured of one request.

use std::sync::Arc;
use std::time::Instant;

use super::exchange::{Failure, Response};
use crate::Observer;

/// The clock of one request.
pub(super) struct Measure {
    observer: Arc<dyn Observer>,
    host: Arc<str>,
    started: Instant,
}

impl Measure {
    /// Starts the clock, before the request waits for anything.
    pub(super) fn start(observer: &Arc<dyn Observer>, host: Arc<str>) -> Self {
        Self { observer: Arc::clone(observer), host, started: Instant::now() }
    }

    /// The request may be sent.
    pub(super) fn admitted(&self) {
        self.observer.admitted(&self.host, self.started.elapsed());
    }

    /// The head of a response is there, or there is none.
    pub(super) fn answered(&self, answer: &Result<Response, Failure>) {
        let status = match answer {
            Ok(_) => Some(http::StatusCode::OK.as_u16()),
            Err(Failure::Refused { status, .. }) => Some(*status),
            Err(Failure::NoAnswer(_)) => None,
        };
        self.observer.answered(&self.host, status);
        if answer.is_err() {
            self.over();
        }
    }

    /// As much of the response is there as the request is about.
    pub(super) fn over(&self) {
        self.observer.requested(&self.host, self.started.elapsed());
    }
}
