//! Which parts of a cluster have changed since an answer was made from it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many parts are told apart; those that share a stamp are taken to change together.
const PARTS: usize = 1 << 14;

/// How many changes are kept apart between two publications; beyond, everything counts as changed.
const MOST_CHANGES: usize = 1 << 12;

/// A stamp for each part of a cluster. It counts up when the part changes, after the snapshot with the change is
/// there to be read.
///
/// Who keeps an answer reads the stamps first, then takes the snapshot and makes the answer; the answer is as good as
/// new while the stamps are the same. One stamp stands for many parts, so that an answer may be thought outdated that
/// is not, and never the other way round.
#[derive(Debug)]
pub struct Stamps {
    parts: Box<[AtomicU32]>,
    everything: AtomicU32,
    changed_at: AtomicU64,
}

/// A part of a cluster that answers depend on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Part(u32);

/// Some parts as they were at one moment.
#[derive(Clone, Debug)]
pub struct Grounds {
    stamps: Arc<Stamps>,
    parts: [(Part, u32); 2],
    everything: u32,
}

/// The parts that have changed since the last publication.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes {
    parts: Vec<Part>,
    everything: bool,
}

impl Part {
    /// Returns the part of a namespace: whether it exists.
    pub fn namespace(name: &str) -> Self {
        Self::of(&("namespace", name))
    }

    /// Returns the part of a Service or ServiceImport of this name, and of its EndpointSlices.
    pub fn service(namespace: &str, name: &str) -> Self {
        Self::of(&("service", namespace, name))
    }

    /// Returns the part of an address: what has it.
    pub fn address(ip: IpAddr) -> Self {
        Self::of(&ip)
    }

    fn of(what: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let number = hasher.finish() % PARTS as u64;
        Self(u32::try_from(number).unwrap_or_default())
    }
}

impl Default for Stamps {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| AtomicU32::new(0)).collect();
        Self { parts, everything: AtomicU32::new(0), changed_at: AtomicU64::new(0) }
    }
}

impl Stamps {
    /// Returns when the published snapshot last changed, in seconds since 1970.
    pub fn changed_at(&self) -> u64 {
        self.changed_at.load(Ordering::Acquire)
    }

    /// Notes the parts of an answer. To be called before the snapshot is taken that the answer is made from.
    pub fn note(self: &Arc<Self>, parts: [Part; 2]) -> Grounds {
        let everything = self.everything.load(Ordering::Acquire);
        let parts = parts.map(|part| (part, self.of(part)));
        Grounds { stamps: Arc::clone(self), parts, everything }
    }

    /// Counts the stamps of what has changed up. To be called when the snapshot is there to be read.
    pub(crate) fn count(&self, changes: &Changes, changed_at: u64) {
        self.changed_at.store(changed_at, Ordering::Release);
        if changes.everything {
            self.everything.fetch_add(1, Ordering::Release);
        }
        for part in &changes.parts {
            if let Some(stamp) = self.parts.get(part.0 as usize) {
                stamp.fetch_add(1, Ordering::Release);
            }
        }
    }

    fn of(&self, part: Part) -> u32 {
        self.parts.get(part.0 as usize).map_or(0, |stamp| stamp.load(Ordering::Acquire))
    }
}

impl Grounds {
    /// Says whether nothing of it has changed.
    pub fn hold(&self) -> bool {
        let stamps = &self.stamps;
        stamps.everything.load(Ordering::Acquire) == self.everything
            && self.parts.iter().all(|(part, stamp)| stamps.of(*part) == *stamp)
    }

    /// Returns when the cluster last changed at all, in seconds since 1970.
    pub fn changed_at(&self) -> u64 {
        self.stamps.changed_at()
    }
}

impl PartialEq for Grounds {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stamps, &other.stamps)
            && (self.parts, self.everything) == (other.parts, other.everything)
    }
}

impl Changes {
    pub(crate) fn add(&mut self, part: Part) {
        if self.parts.len() < MOST_CHANGES {
            self.parts.push(part);
        } else {
            self.add_everything();
        }
    }

    pub(crate) fn add_everything(&mut self) {
        self.everything = true;
        self.parts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(parts: &[Part]) -> Changes {
        let mut changes = Changes::default();
        parts.iter().for_each(|part| changes.add(*part));
        changes
    }

    #[test]
    fn grounds_hold_until_a_part_of_them_changes() {
        let (web, db) = (Part::service("shop", "web"), Part::service("shop", "db"));
        let shop = Part::namespace("shop");
        let stamps = Arc::new(Stamps::default());
        let grounds = stamps.note([shop, web]);
        stamps.count(&changes(&[db, Part::address([10, 0, 0, 1].into())]), 7);
        assert!(grounds.hold());
        assert_eq!(grounds.changed_at(), 7);
        for part in [web, shop] {
            let grounds = stamps.note([shop, web]);
            stamps.count(&changes(&[part]), 8);
            assert!(!grounds.hold(), "{part:?}");
        }
    }

    #[test]
    fn too_many_changes_are_a_change_of_everything() {
        let stamps = Arc::new(Stamps::default());
        let part = |number: usize| Part::service("shop", &number.to_string());
        let parts: Vec<_> = (0..=MOST_CHANGES).map(part).collect();
        let untouched = Part(u32::try_from(PARTS).unwrap());
        for (changed, holds) in [(&parts[..MOST_CHANGES], true), (&parts[..], false)] {
            let grounds = stamps.note([untouched; 2]);
            stamps.count(&changes(changed), 1);
            assert_eq!(grounds.hold(), holds);
        }
    }
}
