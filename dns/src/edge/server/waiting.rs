//! Questions over UDP that wait for I/O: how many, and of which server block.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;

/// The places of a listener for questions that wait.
///
/// Where there are several server blocks, one may have as many as it leaves free: alone half of all. So a block
/// whose upstream is silent cannot keep the others from waiting for theirs.
#[derive(Debug)]
pub(super) struct Waiting {
    limit: usize,
    counts: Mutex<Counts>,
    gauge: IntGauge,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_block: HashMap<Option<usize>, usize>,
}

/// A place; dropping it makes room.
#[derive(Debug)]
pub(super) struct WaitingPlace {
    waiting: Arc<Waiting>,
    block: Option<usize>,
}

/// Whose question waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Whose {
    /// The number of its server block; none when that has gone with another configuration.
    pub(super) block: Option<usize>,
    /// How many server blocks there are.
    pub(super) blocks: usize,
}

impl Waiting {
    /// Returns this many places, counted by a metric.
    pub(super) fn new(limit: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self { limit, counts: Mutex::default(), gauge })
    }

    /// Takes a place; none when the block may not have one more.
    pub(super) fn enter(self: &Arc<Self>, whose: Whose) -> Option<WaitingPlace> {
        let mut counts = self.counts();
        let free = self.limit.saturating_sub(counts.all);
        let of_block = counts.by_block.get(&whose.block).copied().unwrap_or_default();
        let may = if whose.blocks > 1 { of_block < free } else { free > 0 };
        if !may {
            return None;
        }
        counts.all += 1;
        *counts.by_block.entry(whose.block).or_default() += 1;
        drop(counts);
        self.gauge.inc();
        Some(WaitingPlace { waiting: Arc::clone(self), block: whose.block })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while it is held.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.waiting.gauge.dec();
        let mut counts = self.waiting.counts();
        counts.all -= 1;
        if let Some(count) = counts.by_block.get_mut(&self.block) {
            *count -= 1;
            if *count == 0 {
                counts.by_block.remove(&self.block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(waiting: &Arc<Waiting>, block: usize, blocks: usize) -> Vec<WaitingPlace> {
        std::iter::from_fn(|| waiting.enter(Whose { block: Some(block), blocks })).collect()
    }

    #[test]
    fn a_block_alone_has_all_places_and_one_of_several_what_it_leaves_free() {
        let waiting = Waiting::new(16, IntGauge::new("waiting", "Waiting.").unwrap());
        let alone = take(&waiting, 0, 1);
        assert_eq!(alone.len(), 16);
        drop(alone);
        let first = take(&waiting, 0, 2);
        let second = take(&waiting, 1, 2);
        assert_eq!((first.len(), second.len(), waiting.gauge.get()), (8, 4, 12));
        drop(first);
        assert_eq!(take(&waiting, 1, 2).len(), 4, "eight of sixteen");
        drop(second);
        assert!(waiting.counts().by_block.is_empty() && waiting.gauge.get() == 0);
    }
}
