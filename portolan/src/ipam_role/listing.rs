//! Which objects of a kind there are: what a list does not name is gone.

use std::collections::{BTreeMap, BTreeSet};

use cluster_source::WrittenObject;
use serde::Deserialize;

/// An object that is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Known {
    /// Its namespace; empty for kinds that have none.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its UID; empty when the object does not say.
    pub(super) uid: String,
}

/// The objects of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    uids: BTreeMap<(String, String), String>,
    /// What the list under way has not named.
    unseen: BTreeSet<(String, String)>,
    /// Those that cannot be used, and why.
    bad: BTreeMap<(String, String), String>,
    is_listed: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    uid: String,
}

/// Returns the UID of an object; empty when it does not say.
pub(super) fn uid_of(object: &WrittenObject) -> String {
    object.decode::<Wire>().map(|wire| wire.metadata.uid).unwrap_or_default()
}

impl Listing {
    /// A list begins.
    pub(super) fn start(&mut self) {
        self.unseen = self.uids.keys().cloned().collect();
    }

    /// Takes an object that is there; returns it as it is known, and another of its name that is gone.
    pub(super) fn there(&mut self, object: &WrittenObject) -> (Known, Option<Known>) {
        let key = (object.namespace.clone(), object.name.clone());
        self.unseen.remove(&key);
        let uid = uid_of(object);
        let before = self.uids.insert(key.clone(), uid.clone()).filter(|before| *before != uid);
        let known = Known { namespace: key.0, name: key.1, uid };
        let before = before.map(|uid| Known { uid, ..known.clone() });
        (known, before)
    }

    /// Takes that an object is gone; returns it as it was known.
    pub(super) fn gone(&mut self, object: &WrittenObject) -> Known {
        let key = (object.namespace.clone(), object.name.clone());
        let known = self.forget(key);
        let uid = if known.uid.is_empty() { uid_of(object) } else { known.uid };
        Known { uid, ..known }
    }

    /// The list is complete; returns what is gone.
    pub(super) fn end(&mut self) -> Vec<Known> {
        self.is_listed = true;
        let unseen = std::mem::take(&mut self.unseen);
        unseen.into_iter().map(|key| self.forget(key)).collect()
    }

    /// Says whether there has been a whole list.
    pub(super) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Notes why an object cannot be used, or that it can; says whether that is another reason than before.
    pub(super) fn judge(&mut self, known: &Known, problem: Option<&String>) -> bool {
        let key = (known.namespace.clone(), known.name.clone());
        match problem {
            Some(problem) => self.bad.insert(key, problem.clone()).as_ref() != Some(problem),
            None => {
                self.bad.remove(&key);
                false
            }
        }
    }

    /// Returns how many objects cannot be used.
    pub(super) fn bad(&self) -> usize {
        self.bad.len()
    }

    fn forget(&mut self, key: (String, String)) -> Known {
        let uid = self.uids.remove(&key).unwrap_or_default();
        self.bad.remove(&key);
        Known { namespace: key.0, name: key.1, uid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, uid: &str) -> WrittenObject {
        let json = format!(r#"{{"metadata":{{"name":"{name}","uid":"{uid}"}}}}"#);
        WrittenObject::sent(json).unwrap()
    }

    fn names(gone: &[Known]) -> Vec<String> {
        gone.iter().map(|known| format!("{} {}", known.name, known.uid)).collect()
    }

    #[test]
    fn what_a_list_does_not_name_is_gone_and_a_broken_list_takes_nothing() {
        let mut listing = Listing::default();
        listing.start();
        for name in ["a", "b", "c"] {
            assert_eq!(listing.there(&object(name, "1")).1, None);
        }
        assert!(!listing.is_listed());
        assert_eq!((names(&listing.end()), listing.is_listed()), (vec![], true));
        listing.start();
        listing.there(&object("a", "1"));
        // It breaks, and begins again.
        listing.start();
        let (_, before) = listing.there(&object("a", "2"));
        assert_eq!(names(before.as_slice()), ["a 1"]);
        listing.there(&object("b", "1"));
        assert_eq!(names(&listing.end()), ["c 1"]);
        assert_eq!(listing.gone(&object("a", "2")).uid, "2");
        listing.start();
        assert_eq!(names(&listing.end()), ["b 1"]);
    }

    #[test]
    fn a_problem_is_told_when_it_changes() {
        let mut listing = Listing::default();
        let (known, _) = listing.there(&object("a", "1"));
        let (one, other) = ("one".to_owned(), "other".to_owned());
        assert!(listing.judge(&known, Some(&one)) && !listing.judge(&known, Some(&one)));
        assert!(listing.judge(&known, Some(&other)));
        assert_eq!(listing.bad(), 1);
        assert!(!listing.judge(&known, None));
        assert_eq!(listing.bad(), 0);
    }
}
