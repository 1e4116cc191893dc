//! Counts replies that are sent again.

use std::sync::{Mutex, PoisonError};

use prometheus::local::LocalHistogram;
use prometheus::{Histogram, IntCounter};

use super::zone::octets;
use crate::{Again, Count};

/// The series of one kind of request with one kind of response.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) requests: IntCounter,
    /// Of clients that ask for DNSSEC records.
    pub(super) dnssec_ok: Option<IntCounter>,
    pub(super) responses: IntCounter,
    pub(super) distributions: Mutex<Distributions>,
}

/// Histograms that are filled for several replies without atomic operations, and then added to those that are shown.
#[derive(Debug)]
pub(super) struct Distributions {
    request_sizes: LocalHistogram,
    duration: LocalHistogram,
    response_sizes: LocalHistogram,
}

impl Distributions {
    pub(super) fn of(
        request_sizes: &Histogram,
        duration: &Histogram,
        response_sizes: &Histogram,
    ) -> Self {
        Self {
            request_sizes: request_sizes.local(),
            duration: duration.local(),
            response_sizes: response_sizes.local(),
        }
    }

    fn add(&self, again: Again<'_>) {
        let elapsed = again.elapsed.as_secs_f64();
        for sizes in again.sizes {
            self.request_sizes.observe(octets(sizes.question));
            self.duration.observe(elapsed);
            self.response_sizes.observe(octets(sizes.reply));
        }
        for filled in [&self.request_sizes, &self.duration, &self.response_sizes] {
            filled.flush();
        }
    }
}

impl Count for Series {
    fn count(&self, again: Again<'_>) {
        self.requests.inc_by(again.number());
        if let Some(requests) = &self.dnssec_ok {
            requests.inc_by(again.number());
        }
        self.responses.inc_by(again.number());
        // Nothing panics while it is held.
        self.distributions.lock().unwrap_or_else(PoisonError::into_inner).add(again);
    }
}
