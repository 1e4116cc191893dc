//! Whether an upstream answers.
//!
//! Every failed probe in a row counts, and any valid reply ends the row. A query that fails begins the probing and
//! counts for nothing itself: names that an upstream is slow with say little about the upstream, and anybody may ask
//! for them. Probing goes on until the upstream answers, so that one that nobody asks any more comes back by itself.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The longest time between two probes, unless `health_check` asks for a longer one. With the second that a probe
/// waits for its reply, an upstream that comes back is known within two.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// The health of one upstream.
#[derive(Debug)]
pub(crate) struct Health {
    max_fails: Option<NonZeroU32>,
    fails: AtomicU32,
    is_probed: AtomicBool,
}

impl Health {
    /// Returns the health of an upstream that has not been asked yet. With no `max_fails` it stays healthy
    /// whatever happens, and is never probed.
    pub(crate) fn new(max_fails: Option<NonZeroU32>) -> Self {
        Self { max_fails, fails: AtomicU32::new(0), is_probed: AtomicBool::new(false) }
    }

    /// Says whether queries go to the upstream.
    pub(crate) fn is_healthy(&self) -> bool {
        self.max_fails.is_none_or(|max| self.fails.load(Ordering::Relaxed) < max.get())
    }

    /// Counts a valid reply.
    pub(crate) fn succeeded(&self) {
        // Read first: upstreams usually answer, and then no line of the cache has to change hands.
        if self.fails.load(Ordering::Relaxed) != 0 {
            self.fails.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failed probe, and says whether the upstream is unhealthy since this one.
    pub(crate) fn probe_failed(&self) -> bool {
        let add = |fails: u32| Some(fails.saturating_add(1));
        // The update cannot fail, because every number has a next one.
        let before = self.fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let before = before.unwrap_or(u32::MAX);
        self.max_fails.is_some_and(|max| before.checked_add(1) == Some(max.get()))
    }

    /// Says whether the caller, whose query has failed, has to begin probing: nobody does yet.
    pub(crate) fn begins_probing(&self) -> bool {
        // Read first, for the sake of queries by the thousand that fail while the upstream is probed.
        self.max_fails.is_some()
            && !self.is_probed.load(Ordering::Relaxed)
            && !self.is_probed.swap(true, Ordering::AcqRel)
    }

    /// Says whether no probe has failed since the last valid reply.
    pub(crate) fn has_answered(&self) -> bool {
        self.fails.load(Ordering::Relaxed) == 0
    }

    /// Ends the probing. Only who probes counts failures, so that an upstream is not left unhealthy without a prober,
    /// whatever happens meanwhile: the next query that fails begins the probing anew.
    pub(crate) fn end_probing(&self) {
        self.is_probed.store(false, Ordering::Release);
    }
}

/// Returns the time until the next probe after some failed ones: it doubles up to 1 s, less up to a quarter by
/// chance, so that many servers do not probe in step.
pub(crate) fn probe_delay(interval: Duration, failed: u32, random: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
    let longest = MAX_INTERVAL.max(interval);
    let delay = interval.saturating_mul(factor).min(longest);
    let jitter = delay / 1024 * (random % 256);
    delay.saturating_sub(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_probes_in_a_row_count() {
        let health = Health::new(NonZeroU32::new(2));
        assert!(health.is_healthy() && health.begins_probing() && !health.begins_probing());
        assert!(!health.probe_failed() && health.is_healthy() && !health.has_answered());
        assert!(health.probe_failed() && !health.is_healthy() && !health.has_answered());
        assert!(!health.probe_failed(), "it was unhealthy before");
        health.succeeded();
        assert!(health.is_healthy() && health.has_answered());
        assert!(!health.begins_probing(), "the prober has to end first");
        health.end_probing();
        assert!(health.begins_probing(), "a failure since then is not left without a prober");
        assert!(!health.probe_failed() && health.is_healthy(), "the row starts anew");
    }

    #[test]
    fn without_max_fails_nothing_is_unhealthy_or_probed() {
        let health = Health::new(None);
        assert!((0..100).all(|_| !health.probe_failed()));
        assert!(health.is_healthy() && !health.begins_probing());
    }

    #[test]
    fn probe_delays_double_up_to_a_bound() {
        let seconds = |failed| probe_delay(Duration::from_millis(500), failed, 0).as_secs_f64();
        let delays: Vec<_> = [1, 2, 3, 4, 5, 6, 100].map(seconds).into();
        assert_eq!(delays, [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let often = |failed| probe_delay(Duration::from_millis(100), failed, 0).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6].map(often), [100, 200, 400, 800, 1000, 1000]);
        let minute = Duration::from_secs(60);
        assert_eq!(probe_delay(minute, 9, 0), minute);
        for random in 0..512 {
            let delay = probe_delay(Duration::from_secs(4), 1, random);
            assert!(delay > Duration::from_secs(3) && delay <= Duration::from_secs(4));
        }
    }
}
