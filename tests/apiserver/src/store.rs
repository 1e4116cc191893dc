//! The store: every object, one revision counter as in etcd, and a window of past changes.
//!
//! It knows nothing of HTTP, selectors or defaulting; `api` decides what to put into it.

pub mod addresses;
pub mod history;
pub mod object;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::resource::{CRD_ID, Resources};
use addresses::Addresses;
use history::{Change, ChangeKind, Compacted, History};
use object::{Key, Object};

/// The store as its users share it.
#[derive(Debug)]
pub struct Store {
    state: Mutex<State>,
    revision: watch::Sender<u64>,
    bookmarks: watch::Sender<u64>,
}

impl Store {
    /// Returns an empty store whose window holds `history` changes.
    pub fn new(history: usize) -> Self {
        // 0 means "any" in the API, so the first revision is 1.
        let revision = 1;
        let state = State {
            revision,
            objects: BTreeMap::new(),
            history: History::new(history, revision),
            resources: Resources::built_in(),
            addresses: Addresses::default(),
        };
        Self {
            revision: watch::Sender::new(state.revision),
            state: Mutex::new(state),
            bookmarks: watch::Sender::new(0),
        }
    }

    /// Locks the state to read it.
    pub fn read(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock must not hide its own message.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes the watches.
    pub fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.read();
        let result = change(&mut state);
        self.revision.send_replace(state.revision);
        result
    }

    /// Follows the revision.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Follows the demand for bookmarks.
    pub fn bookmarks(&self) -> watch::Receiver<u64> {
        self.bookmarks.subscribe()
    }

    /// Has every watch that allows bookmarks send one now.
    pub fn send_bookmarks(&self) {
        self.bookmarks.send_modify(|count| *count += 1);
    }
}

/// Everything the lock protects.
#[derive(Debug)]
pub struct State {
    revision: u64,
    objects: BTreeMap<Key, Arc<Object>>,
    history: History,
    /// The resources served now.
    pub resources: Resources,
    /// Cluster addresses of Services.
    pub addresses: Addresses,
}

impl State {
    /// Returns the revision of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the object at a key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// Returns the changes after a revision, oldest first.
    ///
    /// # Errors
    /// When they have been forgotten.
    pub fn since(
        &self,
        revision: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &Change>, Compacted> {
        self.history.since(revision)
    }

    /// Forgets all past changes.
    pub fn compact(&mut self) {
        self.history.compact(self.revision);
    }

    /// Creates or replaces an object at a new revision.
    pub fn put(&mut self, key: Key, value: Value) -> Arc<Object> {
        self.revision += 1;
        let object = Arc::new(Object::new(key.clone(), value, self.revision));
        let previous = self.objects.insert(key, Arc::clone(&object));
        if let Some(previous) = &previous {
            self.addresses.release(&previous.value);
        }
        self.addresses.occupy(&object.value);
        if object.key.resource == CRD_ID {
            self.resources.define(&object.value);
        }
        let kind = match previous {
            Some(_) => ChangeKind::Updated,
            None => ChangeKind::Created,
        };
        self.record(kind, &object, previous);
        object
    }

    /// Removes an object at a new revision; returns its last state.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let previous = self.objects.remove(key)?;
        self.revision += 1;
        self.addresses.release(&previous.value);
        if key.resource == CRD_ID {
            self.resources.undefine(&previous.value);
        }
        let last = Object::new(key.clone(), previous.value.clone(), self.revision);
        let last = Arc::new(last);
        self.record(ChangeKind::Deleted, &last, Some(previous));
        Some(last)
    }

    /// Iterates over a resource, in one namespace or all, after a key, as of a revision.
    ///
    /// The current revision is read from the live map; an older one is the live map with the
    /// later changes undone, so that pages and exact reads need no copies.
    ///
    /// # Errors
    /// When changes after the revision have been forgotten.
    pub fn scan<'a>(
        &'a self,
        range: &'a Range,
        revision: u64,
    ) -> Result<Box<dyn Iterator<Item = Arc<Object>> + 'a>, Compacted> {
        let live = self
            .objects
            .range((range.start(), Bound::Unbounded))
            .take_while(|(key, _)| range.is_before_end(key));
        if revision >= self.revision {
            return Ok(Box::new(live.map(|(_, object)| Arc::clone(object))));
        }
        let mut past: BTreeMap<&Key, Option<&Arc<Object>>> =
            live.map(|(key, object)| (key, Some(object))).collect();
        for change in self.history.since(revision)?.rev() {
            if range.contains(&change.object.key) {
                past.insert(&change.object.key, change.previous.as_ref());
            }
        }
        Ok(Box::new(past.into_values().flatten().map(Arc::clone)))
    }

    fn record(&mut self, kind: ChangeKind, object: &Arc<Object>, previous: Option<Arc<Object>>) {
        self.history.push(Change {
            revision: self.revision,
            kind,
            object: Arc::clone(object),
            previous,
        });
    }
}

/// A resource, in one namespace or all of them, from the start or after a key.
#[derive(Clone, Debug)]
pub struct Range {
    /// Identity of the resource.
    pub resource: String,
    /// The one namespace, or all.
    pub namespace: Option<String>,
    /// The last key of the previous page, as namespace and name.
    pub after: Option<(String, String)>,
}

impl Range {
    /// Whether a key is of this resource and namespace and after the start.
    pub fn contains(&self, key: &Key) -> bool {
        let after = match &self.after {
            Some((namespace, name)) => (&key.namespace, &key.name) > (namespace, name),
            None => true,
        };
        after && self.is_before_end(key)
    }

    fn is_before_end(&self, key: &Key) -> bool {
        let namespace = self.namespace.as_ref();
        key.resource == self.resource && namespace.is_none_or(|only| *only == key.namespace)
    }

    fn start(&self) -> Bound<Key> {
        let key = |namespace: &str, name: &str| Key {
            resource: self.resource.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match &self.after {
            Some((namespace, name)) => Bound::Excluded(key(namespace, name)),
            None => Bound::Included(key(self.namespace.as_deref().unwrap_or(""), "")),
        }
    }
}
