//! Secondary indexes: from an address or a Service to the objects that have it.

use std::hash::Hash;
use std::sync::Arc;

use equivalent::Equivalent;
use imbl::HashMap;

use crate::{EndpointSlice, ObjectKey, Pod, Service};

/// A persistent multimap. Objects under one key are sorted by namespace and name, so that readers see
/// the same order whatever the order of the events.
#[derive(Clone, Debug)]
pub(crate) struct Index<K, V> {
    entries: HashMap<K, Arc<[Arc<V>]>>,
}

/// Gives the key that objects are sorted and replaced by.
pub(crate) trait Keyed {
    fn key(&self) -> &ObjectKey;
}

impl Keyed for Service {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Keyed for EndpointSlice {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Keyed for Pod {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone, V: Keyed> Index<K, V> {
    /// Returns the objects under a key.
    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> &[Arc<V>] {
        self.entries.get(key).map_or(&[], |objects| objects)
    }

    /// Puts the object under the key, in the place of the object with the same name.
    pub(crate) fn insert(&mut self, key: K, object: &Arc<V>) {
        let mut objects = self.get(&key).to_vec();
        match objects.binary_search_by(|other| other.key().cmp(object.key())) {
            Ok(at) => objects[at] = Arc::clone(object),
            Err(at) => objects.insert(at, Arc::clone(object)),
        }
        self.entries.insert(key, objects.into());
    }

    /// Takes the object of this name from under the key.
    pub(crate) fn remove(&mut self, key: &K, name: &ObjectKey) {
        let Some(objects) = self.entries.get(key) else {
            return;
        };
        let rest: Vec<_> = objects.iter().filter(|other| other.key() != name).cloned().collect();
        if rest.is_empty() {
            self.entries.remove(key);
        } else {
            self.entries.insert(key.clone(), rest.into());
        }
    }
}
