//! Which messages of a thread are samples.
//!
//! Where little is asked each is one. Where much is asked they are so far apart that a thread takes about a thousand in
//! a second. The distances are random, for questions come in patterns: one for A, one for AAAA.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The most messages that a sample stands for on average: not so many that a thread goes on for long as if much were
/// asked when that is over.
const MOST: u32 = 256;

/// How far samples of a thread are apart where much is asked.
const APART: Duration = Duration::from_millis(1);

/// Time that a thread saves while samples are further apart, for as many that come at once: 64.
const MOST_SAVED: Duration = Duration::from_millis(64);

thread_local! {
    static PACE: Pace = const { Pace::new() };
}

/// How a thread goes on.
struct Pace {
    /// How many messages are left until the next sample, with it.
    left: Cell<u32>,
    /// How many messages a sample stands for on average.
    distance: Cell<u32>,
    /// How many the next one stands for.
    weight: Cell<u32>,
    last: Cell<Option<Instant>>,
    /// The time that is saved.
    saved: Cell<Duration>,
    /// How many samples there were.
    number: Cell<u64>,
}

/// Takes note of a message of this thread, and returns how many it stands for if it is a sample.
pub(super) fn turn(now: Instant) -> Option<u64> {
    PACE.with(|pace| pace.turn(now, || RandomState::new().hash_one(pace.number.get())))
}

impl Pace {
    const fn new() -> Self {
        Self {
            left: Cell::new(1),
            distance: Cell::new(1),
            weight: Cell::new(1),
            last: Cell::new(None),
            saved: Cell::new(MOST_SAVED),
            number: Cell::new(0),
        }
    }

    fn turn(&self, now: Instant, random: impl FnOnce() -> u64) -> Option<u64> {
        let left = self.left.get();
        if left > 1 {
            self.left.set(left - 1);
            return None;
        }
        let weight = self.weight.get();
        let since = self.last.replace(Some(now)).map(|last| now.saturating_duration_since(last));
        let (distance, saved) =
            go_on(self.distance.get(), self.saved.get(), since.unwrap_or_default());
        self.distance.set(distance);
        self.saved.set(saved);
        let next = spread(distance, random());
        self.left.set(next);
        self.weight.set(next);
        self.number.set(self.number.get().wrapping_add(1));
        Some(weight.into())
    }
}

/// Returns how many messages a sample stands for, on average, and the time that is saved, after a sample that came so
/// long behind the last one.
fn go_on(distance: u32, saved: Duration, since: Duration) -> (u32, Duration) {
    let saved = saved.saturating_add(since).min(MOST_SAVED);
    match saved.checked_sub(APART) {
        Some(left) if saved == MOST_SAVED => ((distance / 2).max(1), left),
        Some(left) => (distance, left),
        None => ((distance * 2).min(MOST), Duration::ZERO),
    }
}

/// Returns a number from 1 to twice the mean less one, by a random number.
fn spread(mean: u32, random: u64) -> u32 {
    let numbers = u64::from(mean) * 2 - 1;
    u32::try_from(1 + random % numbers).unwrap_or(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the weights of the samples of a thread that gets so many messages in a second.
    fn samples(pace: &Pace, start: Instant, rate: u32, seconds: u32) -> Vec<u64> {
        let mut random = 7_u64;
        let message = |at: u32| {
            let now = start + Duration::from_secs(1) * at / rate;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            pace.turn(now, || random >> 33)
        };
        (0..rate * seconds).filter_map(message).collect()
    }

    #[test]
    fn where_little_is_asked_each_message_is_a_sample() {
        assert_eq!(samples(&Pace::new(), Instant::now(), 100, 3), [1; 300]);
    }

    #[test]
    fn a_few_that_come_at_once_are_samples_each() {
        let (pace, now) = (Pace::new(), Instant::now());
        let weights: Vec<u64> = (0..60).filter_map(|_| pace.turn(now, || 1)).collect();
        assert_eq!(weights, [1; 60]);
        let later = now + Duration::from_secs(1);
        let weights: Vec<u64> = (0..60).filter_map(|_| pace.turn(later, || 1)).collect();
        assert_eq!(weights, [1; 60]);
    }

    #[test]
    fn where_much_is_asked_samples_are_few_and_stand_for_all() {
        let (pace, start) = (Pace::new(), Instant::now());
        for rate in [10_000, 100_000, 1_000_000] {
            let samples = samples(&pace, start, rate, 2);
            assert!((800..10_000).contains(&samples.len()), "{rate}: {}", samples.len());
            let all: u64 = samples.iter().sum();
            let part = all as f64 / f64::from(rate * 2);
            assert!((0.99..1.01).contains(&part), "{rate}: {all}");
        }
        // What is asked afterwards is seen soon.
        let calm = start + Duration::from_secs(100);
        let samples = samples(&pace, calm, 100, 60);
        assert_eq!(samples.last(), Some(&1));
    }

    #[test]
    fn every_other_question_is_not_every_other_sample() {
        let (pace, start) = (Pace::new(), Instant::now());
        let mut random = 1_u64;
        let mut sampled = [0_u64; 2];
        for at in 0..400_000_u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let now = start + Duration::from_micros(2) * at;
            if let Some(weight) = pace.turn(now, || random >> 33) {
                sampled[(at % 2) as usize] += weight;
            }
        }
        let part = sampled[0] as f64 / (sampled[0] + sampled[1]) as f64;
        assert!((0.4..0.6).contains(&part), "{sampled:?}");
    }
}
