//! How fast an API server is asked: a token bucket, as client-go has one.

use std::time::{Duration, Instant};

/// A token bucket: `burst` requests at once, `qps` a second in the long run.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_request: Duration,
    burst: u32,
    /// When the bucket will be full again, were nothing asked any more.
    full_at: Instant,
}

impl Bucket {
    /// Returns a full bucket; both numbers are at least 1.
    pub fn new(qps: u32, burst: u32, now: Instant) -> Self {
        let per_request = Duration::from_secs(1) / qps.max(1);
        Self { per_request, burst: burst.max(1), full_at: now }
    }

    /// Takes a token and returns how long its request has to wait.
    pub fn take(&mut self, now: Instant) -> Duration {
        self.full_at = self.full_at.max(now) + self.per_request;
        // What is missing beyond the burst has not been earned yet.
        let missing = self.full_at.duration_since(now);
        missing.saturating_sub(self.per_request * self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3, start);
        let waits: Vec<u128> = (0..6).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        let later = start + Duration::from_secs(10);
        assert_eq!(bucket.take(later), Duration::ZERO, "a pause earns the burst again");
        let waits: Vec<u128> = (0..3).map(|_| bucket.take(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100]);
    }
}
