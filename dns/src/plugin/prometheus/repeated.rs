//! Counts replies that are sent again.

use prometheus::{Histogram, IntCounter};

use super::zone::octets;
use crate::{Again, Count};

/// The series of one kind of request with one kind of response.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) requests: IntCounter,
    pub(super) request_sizes: Histogram,
    pub(super) duration: Histogram,
    /// Of clients that ask for DNSSEC records.
    pub(super) dnssec_ok: Option<IntCounter>,
    pub(super) responses: IntCounter,
    pub(super) response_sizes: Histogram,
}

impl Count for Series {
    fn count(&self, again: Again<'_>) {
        let elapsed = again.elapsed.as_secs_f64();
        for sizes in again.sizes {
            self.request_sizes.observe(octets(sizes.question));
            self.duration.observe(elapsed);
            self.response_sizes.observe(octets(sizes.reply));
        }
        self.requests.inc_by(again.number());
        if let Some(requests) = &self.dnssec_ok {
            requests.inc_by(again.number());
        }
        self.responses.inc_by(again.number());
    }
}
