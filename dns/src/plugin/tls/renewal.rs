//! When a certificate is renewed, and when a failed attempt is made again.
//!
//! ```text
//! not_before ────────── 2/3 ─────── not_after      a good certificate: at 2/3 of its life, a little earlier by chance
//! failure ─ 1 s ─ 2 s ─ 4 s ┄ 10 min               the authority or the storage is not there
//! failure ─ 1 min ─ 2 min ─ 4 min ┄ 6 h            the authority refuses, which it counts (Let's Encrypt: 5 an hour)
//! ```

use std::time::{Duration, SystemTime};

use thiserror::Error;

/// From when to when a certificate is good (RFC 5280 §4.1.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// Why clients refuse a certificate at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Untimely {
    /// It has ended.
    #[error("has expired, {days} days ago: clients refuse it; renew it")]
    Expired {
        /// Whole days since.
        days: u64,
    },
    /// It begins later.
    #[error("is not valid yet: clients refuse it; check its dates and the clock of this host")]
    Early,
}

/// What kind of failure an attempt ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The authority cannot be reached or does not speak ACME, or the storage cannot be used.
    Unreachable,
    /// The authority refuses.
    Refused,
}

/// The share of a certificate's life by which chance brings its renewal forward, so that servers that started
/// together do not ask together.
const SPREAD: f64 = 1.0 / 24.0;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The least time from one certificate to the next.
const MIN_PAUSE: Duration = Duration::from_secs(1);

impl Validity {
    /// Returns why the certificate cannot be used at a moment (RFC 5280 §4.1.2.5: both ends belong to it).
    pub fn untimely(self, now: SystemTime) -> Option<Untimely> {
        if now < self.not_before {
            return Some(Untimely::Early);
        }
        let since = now.duration_since(self.not_after).ok().filter(|since| !since.is_zero())?;
        Some(Untimely::Expired { days: since.as_secs() / DAY_SECONDS })
    }

    /// Returns the moment at which the certificate is renewed; `chance` is from 0 to 1.
    pub fn renewal(self, chance: f64) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        let early = life.mul_f64(SPREAD * chance.clamp(0.0, 1.0));
        self.not_before + (life * 2 / 3).saturating_sub(early)
    }
}

/// Returns when a certificate that came just now is renewed. One whose life began long ago, so that its renewal would
/// be due, is kept for a third of what is left.
pub fn next_renewal(validity: Validity, now: SystemTime, chance: f64) -> SystemTime {
    let left = validity.not_after.duration_since(now).unwrap_or_default();
    validity.renewal(chance).max(now + (left / 3).max(MIN_PAUSE))
}

/// Returns how long to wait after the latest of so many failures in a row; `chance`, from 0 to 1, makes it up to a
/// quarter shorter.
pub fn retry_delay(kind: Failure, failures: u32, chance: f64) -> Duration {
    let (first, most) = match kind {
        Failure::Unreachable => (Duration::from_secs(1), Duration::from_secs(10 * 60)),
        Failure::Refused => (Duration::from_secs(60), Duration::from_secs(6 * 60 * 60)),
    };
    let doubled =
        first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(most).mul_f64(1.0 - 0.25 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    #[test]
    fn renewal_at_two_thirds_of_the_life_and_a_little_earlier_by_chance() {
        let validity = Validity { not_before: start(), not_after: start() + 90 * DAY };
        assert_eq!(validity.renewal(0.0), start() + 60 * DAY);
        let early = validity.renewal(1.0);
        assert!(early < start() + 57 * DAY && early > start() + 56 * DAY, "{early:?}");
        let upside_down = Validity { not_before: start(), not_after: start() - DAY };
        assert_eq!(upside_down.renewal(0.5), start());
    }

    #[test]
    fn a_certificate_is_good_from_its_first_moment_to_its_last() {
        let validity = Validity { not_before: start(), not_after: start() + DAY };
        let second = Duration::from_secs(1);
        assert_eq!(validity.untimely(start() - second), Some(Untimely::Early));
        assert_eq!([start(), start() + DAY].map(|now| validity.untimely(now)), [None, None]);
        let late = |time| validity.untimely(start() + DAY + time);
        assert_eq!(late(second), Some(Untimely::Expired { days: 0 }));
        assert_eq!(late(3 * DAY - second), Some(Untimely::Expired { days: 2 }));
    }

    #[test]
    fn orders_never_follow_each_other_at_once() {
        let next =
            |from, to| next_renewal(Validity { not_before: from, not_after: to }, start(), 0.0);
        assert_eq!(next(start(), start() + 3 * DAY), start() + 2 * DAY);
        assert_eq!(next(start() - 9 * DAY, start() + 3 * DAY), start() + DAY, "dated back");
        assert_eq!(next(start() - DAY, start()), start() + Duration::from_secs(1));
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_bound() {
        let delays = |kind, failures: &[u32]| -> Vec<u64> {
            failures.iter().map(|count| retry_delay(kind, *count, 0.0).as_secs()).collect()
        };
        assert_eq!(delays(Failure::Unreachable, &[1, 2, 3, 10, 11, 40]), [1, 2, 4, 512, 600, 600]);
        assert_eq!(
            delays(Failure::Refused, &[1, 2, 3, 9, 10, u32::MAX]),
            [60, 120, 240, 15360, 21600, 21600]
        );
        assert_eq!(retry_delay(Failure::Refused, 1, 1.0), Duration::from_secs(45));
    }
}
