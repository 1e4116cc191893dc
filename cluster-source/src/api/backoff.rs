//! How long to wait before a retry.

use std::time::Duration;

/// When to send the next request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delay {
    /// At once: nothing failed.
    None,
    /// After a failure.
    Backoff {
        /// How many attempts failed in a row, this one included.
        failures: u32,
        /// What the server asked for (`Retry-After`).
        at_least: Duration,
    },
}

/// The longest wait that a server may ask for.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(120);

impl Delay {
    /// Returns the time to wait. The first retry is immediate; the second waits about `base`, each further
    /// one twice as long, up to `cap`. `random`, from 0 to 1, takes away up to half, so that many clients
    /// of one server do not come back together.
    pub(crate) fn duration(self, base: Duration, cap: Duration, random: f64) -> Duration {
        let Self::Backoff { failures, at_least } = self else {
            return Duration::ZERO;
        };
        let exponential = match failures {
            0 | 1 => Duration::ZERO,
            more => base.saturating_mul(1 << (more - 2).min(20)).min(cap),
        };
        let jittered = exponential.mul_f64(1.0 - 0.5 * random.clamp(0.0, 1.0));
        jittered.max(at_least.min(MOST_RETRY_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_honour_the_server() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(30));
        let after = |failures, at_least_s| {
            let at_least = Duration::from_secs(at_least_s);
            Delay::Backoff { failures, at_least }.duration(base, cap, 0.0).as_millis()
        };
        let delays: Vec<_> = (0..6).map(|failures| after(failures, 0)).collect();
        assert_eq!(delays, [0, 0, 100, 200, 400, 800]);
        assert_eq!((after(40, 0), after(u32::MAX, 0)), (30_000, 30_000));
        assert_eq!((after(1, 7), after(1, 100_000)), (7_000, 120_000));
        assert_eq!(Delay::None.duration(base, cap, 0.5), Duration::ZERO);
        let jittered = Delay::Backoff { failures: 2, at_least: Duration::ZERO };
        assert_eq!(jittered.duration(base, cap, 1.0), Duration::from_millis(50));
    }
}
