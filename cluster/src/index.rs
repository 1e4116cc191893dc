//! From a name or an address to the objects that have it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::KeyRef;
use crate::difference::Changed;
use crate::table::{Near, Slot, Table, place_of};

/// What objects are found by.
pub(crate) trait Relation {
    /// The objects.
    type Object: Keyed;
    /// What finds them.
    type Key<'a>: Copy + Hash + Ord;

    /// Returns what finds the object.
    fn keys(object: &Self::Object) -> Vec<Self::Key<'_>>;

    /// Says whether the key finds the object.
    fn has(object: &Self::Object, key: Self::Key<'_>) -> bool;
}

/// Gives the name that objects are sorted and replaced by.
pub(crate) trait Keyed: Eq {
    /// Returns the namespace and name.
    fn key(&self) -> KeyRef<'_>;
}

/// A persistent multimap. Objects under one key are sorted by namespace and name, so that readers see
/// the same order whatever the order of the events.
///
/// Keys are hashed with a seed of the process's own, because whoever asks chooses them.
pub(crate) struct Index<R: Relation> {
    table: Table<R::Object>,
    hasher: RandomState,
    len: usize,
}

impl<R: Relation> Default for Index<R> {
    fn default() -> Self {
        Self { table: Table::default(), hasher: RandomState::default(), len: 0 }
    }
}

impl<R: Relation> Clone for Index<R> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), hasher: self.hasher.clone(), len: self.len }
    }
}

impl<R: Relation> Index<R> {
    /// Returns the objects under a key.
    pub(crate) fn get(&self, key: R::Key<'_>) -> &[Arc<R::Object>] {
        self.table.get(self.hash(key), |object| R::has(object, key))
    }

    /// Begins a lookup, by the hash of its key; see [`Table::near`].
    pub(crate) fn near(&self, hash: u32) -> Near<'_, R::Object> {
        self.table.near(hash)
    }

    /// Iterates over what is under each key, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<R::Object>> {
        self.table.iter()
    }

    /// Returns what differs from an older index: each name whose object is another one, with the object that was there
    /// and the one that is. Sorted by name.
    pub(crate) fn since<'a>(&'a self, old: &'a Self) -> Vec<Changed<'a, R::Object>> {
        let (now, before) = self.table.unshared(&old.table);
        let mut changed: BTreeMap<KeyRef<'a>, Changed<'a, R::Object>> = BTreeMap::new();
        for object in before {
            changed.insert(object.key(), Changed { old: Some(object), new: None });
        }
        for object in now {
            changed.entry(object.key()).or_insert(Changed { old: None, new: None }).new =
                Some(object);
        }
        let is_another = |changed: &Changed<'_, R::Object>| match (changed.old, changed.new) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            _ => true,
        };
        changed.into_values().filter(is_another).collect()
    }

    /// Returns how many objects of both are looked at to find what differs.
    #[cfg(test)]
    pub(crate) fn unshared_count(&self, old: &Self) -> (usize, usize) {
        let (now, before) = self.table.unshared(&old.table);
        (now.len(), before.len())
    }

    /// Returns the number of objects, each counted as often as it has keys.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an object under its keys, in the place of the one with the same name.
    pub(crate) fn replace<'a>(&mut self, old: Option<&'a R::Object>, new: &'a Arc<R::Object>) {
        let mut keys = R::keys(new);
        keys.sort_unstable();
        keys.dedup();
        if let Some(old) = old {
            let gone = R::keys(old).into_iter().filter(|key| keys.binary_search(key).is_err());
            self.take_from(gone, old);
        }
        for key in keys {
            self.put(key, new);
        }
    }

    /// Takes an object from under its keys.
    pub(crate) fn remove(&mut self, old: &R::Object) {
        self.take_from(R::keys(old).into_iter(), old);
    }

    fn put(&mut self, key: R::Key<'_>, new: &Arc<R::Object>) {
        let hash = self.hash(key);
        let len = &mut self.len;
        self.table.change(hash, |slots| {
            match place_of(slots, hash, |object| R::has(object, key)) {
                Ok(at) => {
                    let mut objects = slots[at].objects().to_vec();
                    match objects.binary_search_by(|other| other.key().cmp(&new.key())) {
                        Ok(same) => objects[same] = Arc::clone(new),
                        Err(between) => {
                            objects.insert(between, Arc::clone(new));
                            *len += 1;
                        }
                    }
                    slots[at] = Slot::of(hash, objects).unwrap_or_default();
                }
                Err(at) => {
                    slots.insert(at, Slot::One(hash, Arc::clone(new)));
                    *len += 1;
                }
            }
        });
    }

    fn take_from<'a>(&mut self, keys: impl Iterator<Item = R::Key<'a>>, old: &R::Object) {
        for key in keys {
            let hash = self.hash(key);
            let len = &mut self.len;
            self.table.change(hash, |slots| {
                let Ok(at) = place_of(slots, hash, |object| R::has(object, key)) else {
                    return;
                };
                let objects = slots[at].objects();
                let rest: Vec<_> =
                    objects.iter().filter(|other| other.key() != old.key()).cloned().collect();
                *len -= objects.len() - rest.len();
                match Slot::of(hash, rest) {
                    Some(slot) => slots[at] = slot,
                    None => drop(slots.remove(at)),
                }
            });
        }
    }

    /// Returns the hash of a key.
    pub(crate) fn hash(&self, key: R::Key<'_>) -> u32 {
        let [_, _, _, _, hash @ ..] = self.hasher.hash_one(key).to_le_bytes();
        u32::from_le_bytes(hash)
    }
}

/// The same objects, whatever the order in which they came.
impl<R: Relation> PartialEq for Index<R> {
    fn eq(&self, other: &Self) -> bool {
        let has = |object: &Arc<R::Object>| {
            let mut keys = R::keys(object).into_iter();
            keys.all(|key| other.get(key).iter().any(|found| **found == **object))
        };
        self.len == other.len && self.iter().all(has)
    }
}

impl<R: Relation<Object: fmt::Debug>> fmt::Debug for Index<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
