//! Bounds how many lines failures may write.

use std::time::{Duration, Instant};

/// How many lines a [`LineBudget`] lets pass in each [`WINDOW`].
pub(super) const LINES: u32 = 1_000;

/// The length of a window.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// Lets the first lines of a window pass and counts the others, so that a dead upstream under load does not
/// become a disk full of logs.
#[derive(Debug, Default)]
pub(super) struct LineBudget {
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    end: Instant,
    passed: u32,
    dropped: u64,
}

impl LineBudget {
    /// Says whether one more line may pass.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let fresh = || Window { end: now + WINDOW, passed: 0, dropped: 0 };
        let window = self.window.get_or_insert_with(fresh);
        if window.passed < LINES {
            window.passed += 1;
            return true;
        }
        window.dropped += 1;
        false
    }

    /// Ends a window that is over; returns how many lines it dropped, if any.
    pub(super) fn expire(&mut self, now: Instant) -> Option<u64> {
        let window = self.window.take_if(|window| window.end <= now)?;
        (window.dropped > 0).then_some(window.dropped)
    }
}
