//! Edits of a ruleset in place, and the transaction that they come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Chain, Elements, Key, Name, Ruleset, Set, Transaction, Verdict, VerdictMap};

/// Edits a ruleset and notes what it touches as it was, so that the transaction is found at the cost of the edits, not
/// of what is there. What is edited back is no change.
///
/// It is the same transaction as [`Transaction::between`] finds of the whole rulesets, as long as an object that is put
/// in the place of another keeps what cannot be changed in place: the types and the comment of a set, the hook,
/// priority and comment of a chain.
#[derive(Debug, Default)]
pub struct Edits {
    /// Objects that were put or taken, as they were before the first edit.
    sets: BTreeMap<Name, Option<Arc<Set>>>,
    chains: BTreeMap<Name, Option<Arc<Chain>>>,
    /// Keys of other sets, and whether they were there.
    keys: BTreeMap<Name, BTreeMap<Key, bool>>,
    /// Elements of maps, as they were.
    verdicts: BTreeMap<Name, BTreeMap<Key, Option<Verdict>>>,
}

impl Edits {
    /// Puts a set, in the place of the one with this name.
    pub fn put_set(&mut self, ruleset: &mut Ruleset, name: &Name, set: Arc<Set>) {
        self.note_set(ruleset, name);
        ruleset.sets.insert(name.clone(), set);
    }

    /// Takes a set away.
    pub fn take_set(&mut self, ruleset: &mut Ruleset, name: &Name) {
        self.note_set(ruleset, name);
        ruleset.sets.remove(name);
    }

    /// Puts a chain, in the place of the one with this name.
    pub fn put_chain(&mut self, ruleset: &mut Ruleset, name: &Name, chain: Arc<Chain>) {
        let old = ruleset.chains.insert(name.clone(), chain);
        self.chains.entry(name.clone()).or_insert(old);
    }

    /// Takes a chain away, and returns it.
    pub fn take_chain(&mut self, ruleset: &mut Ruleset, name: &Name) -> Option<Arc<Chain>> {
        let old = ruleset.chains.remove(name);
        self.chains.entry(name.clone()).or_insert_with(|| old.clone());
        old
    }

    /// Brings a key into a set of keys, or out of it. Without such a set nothing is done.
    pub fn set_key(&mut self, ruleset: &mut Ruleset, name: &Name, key: Key, is_in: bool) {
        let Some(set) = ruleset.sets.get_mut(name) else { return };
        let Elements::Keys(keys) = &set.elements else { return };
        if keys.contains(&key) == is_in {
            return;
        }
        if let Elements::Keys(keys) = &mut Arc::make_mut(set).elements {
            if is_in {
                keys.insert(key.clone())
            } else {
                keys.remove(&key)
            };
        }
        if !self.sets.contains_key(name) {
            note(&mut self.keys, name).entry(key).or_insert(!is_in);
        }
    }

    /// Gives a key of a map a verdict, or none, and returns the one that it had. Without such a map nothing is done.
    pub fn set_verdict(
        &mut self,
        ruleset: &mut Ruleset,
        name: &Name,
        key: Key,
        verdict: Option<Verdict>,
    ) -> Option<Verdict> {
        let map = ruleset.maps.get_mut(name)?;
        let old = map.elements.get(&key).cloned();
        if old != verdict {
            let elements = &mut Arc::make_mut(map).elements;
            match verdict {
                Some(verdict) => elements.insert(key.clone(), verdict),
                None => elements.remove(&key),
            };
            note(&mut self.verdicts, name).entry(key).or_insert_with(|| old.clone());
        }
        old
    }

    /// Returns the transaction from what the ruleset was, before the first edit or when this was called last, to what it
    /// is.
    pub fn finish(&mut self, ruleset: &Ruleset) -> Transaction {
        let Self { sets, chains, keys, verdicts } = std::mem::take(self);
        let (mut old, mut new) =
            (Ruleset::new(ruleset.table.clone()), Ruleset::new(ruleset.table.clone()));
        for (name, was) in sets {
            new.sets.extend(ruleset.sets.get(&name).map(|set| (name.clone(), Arc::clone(set))));
            old.sets.extend(was.map(|set| (name, set)));
        }
        for (name, was) in chains {
            let is = ruleset.chains.get(&name);
            new.chains.extend(is.map(|chain| (name.clone(), Arc::clone(chain))));
            old.chains.extend(was.map(|chain| (name, chain)));
        }
        for (name, keys) in keys {
            let Some(set) = ruleset.sets.get(&name) else { continue };
            let of = |chosen: Vec<Key>| {
                let elements = Elements::Keys(chosen.into_iter().collect());
                Arc::new(Set { key: set.key.clone(), elements, comment: set.comment.clone() })
            };
            let is = keys.keys().filter(|key| set.contains(key)).cloned().collect();
            let was = keys.into_iter().filter_map(|(key, was)| was.then_some(key)).collect();
            new.sets.insert(name.clone(), of(is));
            old.sets.insert(name, of(was));
        }
        for (name, keys) in verdicts {
            let Some(map) = ruleset.maps.get(&name) else { continue };
            let of = |elements: BTreeMap<Key, Verdict>| {
                let (key, comment) = (map.key.clone(), map.comment.clone());
                Arc::new(VerdictMap { key, elements, comment })
            };
            let is = |key: &Key| Some((key.clone(), map.elements.get(key)?.clone()));
            new.maps.insert(name.clone(), of(keys.keys().filter_map(is).collect()));
            let was = keys.into_iter().filter_map(|(key, was)| Some((key, was?)));
            old.maps.insert(name, of(was.collect()));
        }
        Transaction::between(Some(&old), &new)
    }

    /// Notes a set as a whole, as it was before its keys were edited.
    fn note_set(&mut self, ruleset: &Ruleset, name: &Name) {
        if self.sets.contains_key(name) {
            return;
        }
        let mut was = ruleset.sets.get(name).cloned();
        let edited = self.keys.remove(name).unwrap_or_default();
        if let Some(set) = &mut was
            && !edited.is_empty()
            && let Elements::Keys(keys) = &mut Arc::make_mut(set).elements
        {
            for (key, was_in) in edited {
                if was_in {
                    keys.insert(key)
                } else {
                    keys.remove(&key)
                };
            }
        }
        self.sets.insert(name.clone(), was);
    }
}

/// Returns the notes about a name.
fn note<'a, T>(notes: &'a mut BTreeMap<Name, T>, name: &Name) -> &'a mut T
where
    T: Default,
{
    notes.entry(name.clone()).or_default()
}

#[cfg(test)]
mod tests;
