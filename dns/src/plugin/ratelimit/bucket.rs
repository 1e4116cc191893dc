//! The arithmetic of a token bucket.

/// How many queries a client may ask.
///
/// A bucket holds `burst` tokens and fills at a rate; a query takes one. Of a bucket only the moment is kept at which
/// it will be full again: what is missing is the time until then, and a bucket whose moment has passed is as good as
/// none (the virtual scheduling algorithm of ITU-T I.371).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    /// Nanoseconds in which a token comes.
    interval: u64,
    /// Nanoseconds in which an empty bucket fills.
    capacity: u64,
}

const SECOND: u64 = 1_000_000_000;

impl Rate {
    /// Returns the rate of so many queries a second, and so many at once; both at least 1.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = SECOND / u64::from(per_second.max(1));
        Self { interval, capacity: interval.saturating_mul(burst.max(1).into()) }
    }

    /// Takes a token at a moment from a bucket that will be full at another; both in nanoseconds from the same start.
    /// Returns when it will be full then; none when there is no token.
    pub(super) fn take(self, full_at: u64, now: u64) -> Option<u64> {
        let after = full_at.max(now).saturating_add(self.interval);
        (after - now <= self.capacity).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bucket as one would draw it: tokens in units of the time in which one comes.
    struct Drawn {
        level: u64,
        last: u64,
    }

    impl Drawn {
        fn take(&mut self, interval: u64, burst: u64, now: u64) -> bool {
            self.level = (self.level + now - self.last).min(burst * interval);
            self.last = now;
            let has_token = self.level >= interval;
            if has_token {
                self.level -= interval;
            }
            has_token
        }
    }

    proptest! {
        #[test]
        fn it_is_a_token_bucket(
            per_second in 1_u32..2_000_000,
            burst in 1_u32..50,
            // In parts of the interval, so that buckets run empty and fill.
            gaps in prop::collection::vec(0_u64..4000, 1..200),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut drawn = Drawn { level: u64::from(burst) * rate.interval, last: 0 };
            let (mut full_at, mut now) = (0, 0);
            for gap in gaps {
                now += gap * rate.interval / 1000;
                let taken = rate.take(full_at, now);
                prop_assert_eq!(taken.is_some(), drawn.take(rate.interval, burst.into(), now));
                full_at = taken.unwrap_or(full_at);
            }
        }

        /// What comes through in any time is the rate times it, and a burst. With a burst of one, what comes between
        /// two questions is lost.
        #[test]
        fn a_flood_gets_the_rate(per_second in 1_u32..1000, burst in 2_u32..1000) {
            let rate = Rate::new(per_second, burst);
            let (mut full_at, mut passed) = (0, 0_u32);
            for step in 0..20_000 {
                if let Some(after) = rate.take(full_at, step * (SECOND / 2000)) {
                    (full_at, passed) = (after, passed + 1);
                }
            }
            let most = per_second * 10 + burst;
            prop_assert!(passed <= most && passed + 2 >= most.min(20_000), "{} of {}", passed, most);
        }
    }
}
