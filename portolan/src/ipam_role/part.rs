//! What decides about a part of the cluster, as the loop that drives it sees it.

use cluster_source::{WrittenKind, WrittenObject};
use cluster_writer::{Write, Written};

use super::listing::Known;

/// A kind that a part follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Followed {
    /// As URLs name it.
    pub(super) resource: WrittenKind,
    /// As objects name it.
    pub(super) kind: &'static str,
}

/// Decides about a part of the cluster: a state machine that is told objects and says what to write.
pub(super) trait Part: Send {
    /// Something to be written, or told.
    type Work: Clone + Send + 'static;

    /// The kinds that it follows. Their places in the list are how they are named below.
    fn kinds(&self) -> &'static [Followed];

    /// Takes an object that is there.
    ///
    /// # Errors
    /// The object cannot be used: why, and the remedy. What was known of it counts further.
    fn there(&mut self, kind: usize, object: &WrittenObject) -> Result<(), String>;

    /// Takes that an object is gone.
    fn gone(&mut self, kind: usize, object: &Known);

    /// Everything of every kind has been told once.
    fn synced(&mut self);

    /// Returns at most so many things to do at a time, in seconds since 1970.
    fn work(&mut self, now: u64, most: usize) -> Vec<Self::Work>;

    /// Returns the write; none of what is only told to operators, which is told then.
    fn write(&self, work: &Self::Work) -> Option<Write>;

    /// Returns what the write is about: no two writes of it are under way.
    fn subject(&self, work: &Self::Work) -> String;

    /// Takes what came of a write.
    fn learn(&mut self, work: &Self::Work, written: &Written);

    /// What the write was about may be decided again.
    fn done(&mut self, work: &Self::Work);

    /// Returns when something has to be looked at though nothing changes, in seconds since 1970.
    fn next_deadline(&self) -> Option<u64>;

    /// Brings metrics up to date.
    fn measure(&self);
}
