//! The window of past changes that watches and pages are served from.

use std::collections::VecDeque;
use std::sync::Arc;

use super::object::Object;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It came into being.
    Created,
    /// It was replaced.
    Updated,
    /// It went away.
    Deleted,
}

/// One change; each has a revision of its own.
#[derive(Clone, Debug)]
pub struct Change {
    /// Revision this change made.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The object after the change; for a deletion its last state at the new revision.
    pub object: Arc<Object>,
    /// The object before the change.
    pub previous: Option<Arc<Object>>,
}

/// The asked revision is older than the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision that can still be asked for.
    pub oldest: u64,
}

/// A bounded window of changes whose revisions follow one another without gaps.
#[derive(Debug)]
pub struct History {
    changes: VecDeque<Change>,
    capacity: usize,
    compacted: u64,
}

impl History {
    /// Returns an empty window after `revision` that keeps at most `capacity` changes.
    pub fn new(capacity: usize, revision: u64) -> Self {
        Self { changes: VecDeque::new(), capacity, compacted: revision }
    }

    /// Appends a change; the oldest one falls out of a full window.
    pub fn push(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > self.capacity {
            if let Some(oldest) = self.changes.pop_front() {
                self.compacted = oldest.revision;
            }
        }
    }

    /// Forgets every change up to and including `revision`.
    pub fn compact(&mut self, revision: u64) {
        self.changes.retain(|change| change.revision > revision);
        self.compacted = self.compacted.max(revision);
    }

    /// Returns the changes after `revision`, oldest first.
    ///
    /// # Errors
    /// When changes after `revision` have been forgotten.
    pub fn since(
        &self,
        revision: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &Change>, Compacted> {
        if revision < self.compacted {
            return Err(Compacted { oldest: self.compacted });
        }
        let skip = usize::try_from(revision - self.compacted).unwrap_or(usize::MAX);
        Ok(self.changes.range(skip.min(self.changes.len())..))
    }
}
