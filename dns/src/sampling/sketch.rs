//! Counts what comes most with few counters.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

/// Counters for what comes most (space-saving: Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and
/// Top-k Elements in Data Streams", 2005): what has no counter gets the smallest one, with what that has counted.
///
/// Of `n` in all, counts are too high by at most `n` divided by the number of counters, and what is more than that has a
/// counter.
pub(super) struct Sketch<K> {
    most: usize,
    hasher: RandomState,
    tallies: Vec<Tally>,
    /// What each counts.
    counted: Vec<K>,
}

/// A counter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    hash: u64,
    /// What was counted, or more.
    pub(super) count: u64,
    /// How much of it others may have been.
    error: u64,
}

impl<K: Copy + Eq + Hash> Sketch<K> {
    /// Returns a sketch with so many counters, whose memory is there from here on.
    pub(super) fn new(most: usize) -> Self {
        let (tallies, counted) = (Vec::with_capacity(most), Vec::with_capacity(most));
        Self { most, hasher: RandomState::new(), tallies, counted }
    }

    /// Counts something. It allocates nothing.
    pub(super) fn add(&mut self, what: K, weight: u64) {
        let hash = self.hasher.hash_one(what);
        let all = self.tallies.iter_mut().zip(&self.counted);
        if let Some((tally, _)) =
            all.into_iter().find(|(tally, counted)| tally.hash == hash && **counted == what)
        {
            tally.count += weight;
            return;
        }
        if self.tallies.len() < self.most {
            self.tallies.push(Tally { hash, count: weight, error: 0 });
            self.counted.push(what);
            return;
        }
        let all = self.tallies.iter_mut().zip(&mut self.counted);
        if let Some((tally, counted)) = all.min_by_key(|(tally, _)| tally.count) {
            *tally = Tally { hash, count: tally.count + weight, error: tally.count };
            *counted = what;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.tallies.clear();
        self.counted.clear();
    }

    /// Returns what is counted, in no order.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (K, Tally)> {
        self.counted.iter().copied().zip(self.tallies.iter().copied())
    }
}

impl Tally {
    /// Returns the counter of both.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { hash: self.hash, count: self.count + other.count, error: self.error + other.error }
    }

    /// Says whether at least half of the count is sure.
    pub(super) fn stands_out(self) -> bool {
        self.error <= self.count / 2
    }
}

impl<K> fmt::Debug for Sketch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch").field("tallies", &self.tallies.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_never_too_low_and_too_high_by_no_more_than_is_said(
            stream in prop::collection::vec((0..40_u32, 1..5_u64), 0..400),
        ) {
            let mut sketch = Sketch::new(8);
            let mut exact = BTreeMap::<u32, u64>::new();
            for (what, weight) in &stream {
                sketch.add(*what, *weight);
                *exact.entry(*what).or_default() += weight;
            }
            let all: u64 = exact.values().sum();
            let found: BTreeMap<u32, Tally> = sketch.tallies().collect();
            prop_assert!(found.len() <= 8);
            for (what, tally) in &found {
                let truth = exact[what];
                prop_assert!(truth <= tally.count && tally.count - tally.error <= truth);
                prop_assert!(tally.error <= all / 8);
            }
            for (what, truth) in exact {
                prop_assert!(truth <= all / 8 || found.contains_key(&what), "{}", what);
            }
        }
    }

    #[test]
    fn a_full_sketch_takes_more_without_memory() {
        let mut sketch = Sketch::new(4);
        let allocated = allocation_counter::measure(|| (0..100).for_each(|it| sketch.add(it, 1)));
        assert_eq!(allocated.count_total, 0);
        assert!(sketch.tallies().all(|(_, tally)| !tally.stands_out()), "each came once");
        sketch.clear();
        assert_eq!(sketch.tallies().count(), 0);
    }
}
