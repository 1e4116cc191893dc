//! The upstreams of a `forward` at one moment: fixed addresses, and what host names were found to stand for.

use std::net::SocketAddr;
use std::sync::Arc;

use super::target::MAX_UPSTREAMS;
use crate::edge::upstream::Upstream;

/// The upstreams of a `forward` at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    /// One for each TO argument, in the order of the directive.
    entries: Vec<Entry>,
    /// The upstreams of all entries in that order, at most [`MAX_UPSTREAMS`].
    upstreams: Vec<Arc<Upstream>>,
}

/// The upstreams of one TO argument.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The argument.
    label: String,
    upstreams: Vec<Arc<Upstream>>,
    lookup: Lookup,
}

/// How the last lookup of a name ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Lookup {
    Pending,
    Successful,
    Failed(String),
}

impl Entry {
    /// An address, for which nothing is looked up.
    pub(crate) fn fixed(upstream: Arc<Upstream>) -> Self {
        let label = upstream.label.clone();
        Self { label, upstreams: vec![upstream], lookup: Lookup::Successful }
    }

    /// A host name that has not been looked up.
    pub(crate) fn named(label: String) -> Self {
        Self { label, upstreams: Vec::new(), lookup: Lookup::Pending }
    }
}

impl Roster {
    /// Returns the upstreams of these entries.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let upstreams = selected(&entries);
        Self { entries, upstreams }
    }

    /// The upstreams in the order of the directive.
    pub(crate) fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Says whether it is worth waiting: there is no upstream, but a name is still being looked up for the
    /// first time.
    pub(crate) fn is_pending(&self) -> bool {
        let is_pending = |entry: &Entry| entry.lookup == Lookup::Pending;
        self.upstreams.is_empty() && self.entries.iter().any(is_pending)
    }

    /// Says why there is no upstream: `dns.example:53 is not resolved: timed out after 2s`.
    pub(crate) fn why_empty(&self) -> String {
        let why = |entry: &Entry| match &entry.lookup {
            Lookup::Failed(why) => format!("{} is not resolved: {why}", entry.label),
            Lookup::Pending | Lookup::Successful => format!("{} is not resolved yet", entry.label),
        };
        self.entries.iter().map(why).collect::<Vec<_>>().join("; ")
    }

    /// Returns the upstreams after a lookup of the name at this place. Upstreams whose address stays are kept
    /// with their health and connections; the others are made by `make`.
    pub(crate) fn resolved(
        &self,
        at: usize,
        addresses: &[SocketAddr],
        make: impl Fn(SocketAddr) -> Arc<Upstream>,
    ) -> Self {
        let mut entries = self.entries.clone();
        if let Some(entry) = entries.get_mut(at) {
            let kept = |address: &SocketAddr| {
                let upstream = entry.upstreams.iter().find(|known| known.address == *address);
                upstream.map_or_else(|| make(*address), Arc::clone)
            };
            entry.upstreams = addresses.iter().take(MAX_UPSTREAMS).map(kept).collect();
            entry.lookup = Lookup::Successful;
        }
        Self::new(entries)
    }

    /// Returns the upstreams after a lookup that failed: the last good addresses stay.
    pub(crate) fn unresolved(&self, at: usize, why: String) -> Self {
        let mut entries = self.entries.clone();
        if let Some(entry) = entries.get_mut(at) {
            entry.lookup = Lookup::Failed(why);
        }
        Self::new(entries)
    }
}

/// Returns the upstreams of all entries, as many as there may be.
fn selected(entries: &[Entry]) -> Vec<Arc<Upstream>> {
    let counts: Vec<usize> = entries.iter().map(|entry| entry.upstreams.len()).collect();
    let shared = shares(&counts).into_iter().zip(entries);
    shared.flat_map(|(share, entry)| entry.upstreams.iter().take(share)).cloned().collect()
}

/// Returns how many upstreams each entry gives. When they are too many, every entry gives its first ones, so
/// that a name with many addresses leaves room for the others.
fn shares(counts: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; counts.len()];
    let mut left = MAX_UPSTREAMS;
    for round in 0..MAX_UPSTREAMS {
        for (share, count) in shares.iter_mut().zip(counts) {
            if left > 0 && *count > round {
                (*share, left) = (round + 1, left - 1);
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_share() {
        assert_eq!(shares(&[1, 2, 0, 3]), [1, 2, 0, 3]);
        assert_eq!(shares(&[1, 40]), [1, 14]);
        assert_eq!(shares(&[40, 1, 40]), [7, 1, 7]);
        assert_eq!(shares(&[40, 40]), [8, 7]);
        assert_eq!(shares(&[]), [0; 0]);
    }
}
