//! The limit of requests.

use std::time::{Duration, Instant};

/// A token bucket: `burst` requests at once, and one more after each interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: u32,
    tokens: u32,
    /// When the bucket was full, or the last token came.
    since: Option<Instant>,
}

impl Bucket {
    /// Returns a full bucket. The interval has to be above zero.
    pub(super) const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, tokens: burst, since: None }
    }

    /// Says whether another bucket has the same interval and burst.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.interval, self.burst) == (other.interval, other.burst)
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_token = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        has_token
    }

    fn fill(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let intervals = now.saturating_duration_since(since).as_nanos() / self.interval.as_nanos();
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(intervals).min(self.burst);
        // A full bucket counts from now on; otherwise what is left of an interval counts on.
        self.since = match self.tokens == self.burst {
            true => Some(now),
            false => since.checked_add(self.interval.saturating_mul(intervals)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_each_interval() {
        let mut bucket = Bucket::new(Duration::from_secs(2), 2);
        let start = Instant::now();
        let mut take = |seconds: f64| bucket.take(start + Duration::from_secs_f64(seconds));
        for (seconds, taken) in [
            (0.0, true),
            (0.0, true),
            (0.0, false),
            (1.9, false),
            (2.0, true),
            (3.9, false),
            (4.1, true),
            (5.9, false),
            (6.0, true),
            (1000.0, true),
            (1000.0, true),
            (1000.0, false),
            (1002.0, true),
        ] {
            assert_eq!(take(seconds), taken, "at {seconds}");
        }
    }

    #[test]
    fn nothing_fits_without_a_burst() {
        let mut bucket = Bucket::new(Duration::from_secs(1), 0);
        let start = Instant::now();
        assert!(!bucket.take(start) && !bucket.take(start + Duration::from_secs(10)));
        assert!(bucket.is_like(&Bucket::new(Duration::from_secs(1), 0)));
        assert!(!bucket.is_like(&Bucket::new(Duration::from_secs(1), 1)));
    }
}
