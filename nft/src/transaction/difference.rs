//! What two rulesets do not have in common, as changes in an order in which each finds what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Change, ElementChange, ElementList, SetKind};
use crate::{Chain, DataType, Elements, Key, Name, Quoted, Rule, Ruleset, Set, Statement, Verdict};

/// Two rulesets, and what of the old one cannot be kept.
pub(super) struct Difference<'a> {
    old: &'a Ruleset,
    new: &'a Ruleset,
    /// Sets, maps and chains of the old ruleset that the new one has in a form that it cannot be changed to.
    replaced_sets: BTreeSet<&'a Name>,
    replaced_chains: BTreeSet<&'a Name>,
    /// Chains of both whose rules are written anew.
    rewritten: BTreeSet<&'a Name>,
}

impl<'a> Difference<'a> {
    /// Compares two rulesets.
    pub(super) fn of(old: &'a Ruleset, new: &'a Ruleset) -> Self {
        let (replaced_sets, replaced_chains) = (BTreeSet::new(), BTreeSet::new());
        let rewritten = BTreeSet::new();
        let mut difference = Self { old, new, replaced_sets, replaced_chains, rewritten };
        difference.find_replaced();
        difference
    }

    /// Adds the changes from the one to the other.
    pub(super) fn push(&self, changes: &mut Vec<Change>) {
        self.detach(changes);
        self.add_objects(changes);
        self.add_rules(changes);
        self.change_elements(changes);
        self.delete_objects(changes);
    }

    /// Finds what has to be deleted and added, and the chains that have other rules or use such a thing.
    fn find_replaced(&mut self) {
        let is_replaced = |name: &Name| match (form(self.old, name), form(self.new, name)) {
            (Some(old), Some(new)) => old != new,
            _ => false,
        };
        let names = self.old.sets.keys().chain(self.old.maps.keys());
        self.replaced_sets = names.filter(|name| is_replaced(name)).collect();
        for (name, old, new) in both(&self.old.chains, &self.new.chains) {
            let place = |chain: &Chain| chain.base.map(|base| (base.hook, base.priority));
            if place(old) != place(new) || old.comment != new.comment {
                self.replaced_chains.insert(name);
            }
        }
        // Maps whose verdicts lead to a chain that is deleted and added would hold it.
        for (name, old) in &self.old.maps {
            let leads = |verdict: &Verdict| {
                verdict.chain().is_some_and(|chain| self.replaced_chains.contains(chain))
            };
            if self.new.maps.contains_key(name) && old.elements.values().any(leads) {
                self.replaced_sets.insert(name);
            }
        }
        for (name, old, new) in both(&self.old.chains, &self.new.chains) {
            let is_same = std::ptr::eq(old, new) || old.rules == new.rules;
            if !is_same || self.uses_replaced(old) {
                self.rewritten.insert(name);
            }
        }
    }

    fn uses_replaced(&self, chain: &Chain) -> bool {
        chain.rules.iter().flat_map(|rule| &rule.statements).any(|statement| match statement {
            Statement::Lookup { set, .. } | Statement::LookupNot { set, .. } => {
                self.replaced_sets.contains(set)
            }
            Statement::VerdictMap { map, .. } => self.replaced_sets.contains(map),
            Statement::Verdict(verdict) => {
                verdict.chain().is_some_and(|chain| self.replaced_chains.contains(chain))
            }
            Statement::Compare { .. } | Statement::Counter | Statement::NoTrack => false,
            Statement::Limit(_) | Statement::Log(_) | Statement::Trace => false,
        })
    }

    /// Deletes the rules that are written anew or gone, for they hold sets and chains, and then what is added in
    /// another form.
    fn detach(&self, changes: &mut Vec<Change>) {
        let rewritten = self.rewritten.union(&self.replaced_chains).copied();
        let flushed: BTreeSet<&Name> = rewritten.chain(self.gone_chains()).collect();
        changes.extend(flushed.into_iter().cloned().map(Change::FlushChain));
        changes.extend(self.replaced_sets.iter().map(|name| self.delete_set(name)));
        changes.extend(self.replaced_chains.iter().copied().cloned().map(Change::DeleteChain));
    }

    /// Adds sets, maps and chains, without what is in them.
    fn add_objects(&self, changes: &mut Vec<Change>) {
        let is_new = |name: &Name| {
            let is_old = self.old.sets.contains_key(name) || self.old.maps.contains_key(name);
            !is_old || self.replaced_sets.contains(name)
        };
        for (name, set) in self.new.sets.iter().filter(|(name, _)| is_new(name)) {
            let (name, key, comment) = (name.clone(), set.key.clone(), set.comment.clone());
            changes.push(Change::AddSet { name, key, kind: set_kind(set), comment });
        }
        for (name, map) in self.new.maps.iter().filter(|(name, _)| is_new(name)) {
            let (name, key, comment) = (name.clone(), map.key.clone(), map.comment.clone());
            changes.push(Change::AddSet { name, key, kind: SetKind::Verdicts, comment });
        }
        for (name, chain) in &self.new.chains {
            let is_kept = !self.replaced_chains.contains(name)
                && self.old.chains.get(name).is_some_and(|old| old.base == chain.base);
            if !is_kept {
                let (name, comment) = (name.clone(), chain.comment.clone());
                changes.push(Change::AddChain { name, base: chain.base, comment });
            }
        }
    }

    /// Adds the rules of chains that have none by now.
    fn add_rules(&self, changes: &mut Vec<Change>) {
        for (name, chain) in &self.new.chains {
            let is_empty = !self.old.chains.contains_key(name)
                || self.replaced_chains.contains(name)
                || self.rewritten.contains(name);
            if is_empty {
                let add = |rule: &Rule| Change::AddRule { chain: name.clone(), rule: rule.clone() };
                changes.extend(chain.rules.iter().map(add));
            }
        }
    }

    /// Deletes and adds elements; those of one set in this order, for ranges may grow and verdicts change.
    fn change_elements(&self, changes: &mut Vec<Change>) {
        for (name, set) in &self.new.sets {
            let old = self.old.sets.get(name).filter(|_| !self.replaced_sets.contains(name));
            if old.is_some_and(|old| Arc::ptr_eq(old, set)) {
                continue;
            }
            let (gone, added) = match (old.map(|old| &old.elements), &set.elements) {
                (Some(Elements::Keys(old)), Elements::Keys(new)) => {
                    (ElementList::Keys(minus(old, new)), ElementList::Keys(minus(new, old)))
                }
                (Some(Elements::Ranges(old)), Elements::Ranges(new)) => {
                    (ElementList::Ranges(minus(old, new)), ElementList::Ranges(minus(new, old)))
                }
                (_, Elements::Keys(new)) => {
                    (ElementList::Keys(vec![]), ElementList::Keys(new.iter().cloned().collect()))
                }
                (_, Elements::Ranges(new)) => (
                    ElementList::Ranges(vec![]),
                    ElementList::Ranges(new.iter().cloned().collect()),
                ),
            };
            push_elements(changes, name, &set.key, gone, added);
        }
        for (name, map) in &self.new.maps {
            let old = self.old.maps.get(name).filter(|_| !self.replaced_sets.contains(name));
            if old.is_some_and(|old| Arc::ptr_eq(old, map)) {
                continue;
            }
            let nothing = BTreeMap::new();
            let old = old.map_or(&nothing, |old| &old.elements);
            let gone = ElementList::Verdicts(changed(old, &map.elements));
            let added = ElementList::Verdicts(changed(&map.elements, old));
            push_elements(changes, name, &map.key, gone, added);
        }
    }

    /// Deletes what the new ruleset does not have: maps before the chains that their verdicts hold.
    fn delete_objects(&self, changes: &mut Vec<Change>) {
        let is_gone =
            |name: &&Name| !self.new.sets.contains_key(*name) && !self.new.maps.contains_key(*name);
        let sets = self.old.maps.keys().chain(self.old.sets.keys());
        changes.extend(sets.filter(is_gone).map(|name| self.delete_set(name)));
        changes.extend(self.gone_chains().cloned().map(Change::DeleteChain));
    }

    /// Returns the chains that the new ruleset does not have.
    fn gone_chains(&self) -> impl Iterator<Item = &'a Name> {
        self.old.chains.keys().filter(|name| !self.new.chains.contains_key(*name))
    }

    /// Returns the change that deletes a set or map of the old ruleset.
    fn delete_set(&self, name: &Name) -> Change {
        let kind = self.old.sets.get(name).map_or(SetKind::Verdicts, |set| set_kind(set));
        Change::DeleteSet(name.clone(), kind)
    }
}

/// Returns what cannot be changed about a set or map.
fn form<'a>(
    ruleset: &'a Ruleset,
    name: &Name,
) -> Option<(&'a [DataType], SetKind, Option<&'a Quoted>)> {
    let set = ruleset.sets.get(name).map(|set| (&*set.key, set_kind(set), set.comment.as_ref()));
    let map =
        || ruleset.maps.get(name).map(|map| (&*map.key, SetKind::Verdicts, map.comment.as_ref()));
    set.or_else(map)
}

fn set_kind(set: &Set) -> SetKind {
    match set.elements {
        Elements::Keys(_) => SetKind::Keys,
        Elements::Ranges(_) => SetKind::Ranges,
    }
}

/// Returns the objects that both have.
fn both<'a, T>(
    old: &'a BTreeMap<Name, Arc<T>>,
    new: &'a BTreeMap<Name, Arc<T>>,
) -> impl Iterator<Item = (&'a Name, &'a T, &'a T)> {
    old.iter().filter_map(|(name, old)| Some((name, &**old, &**new.get(name)?)))
}

/// Returns what is in the one and not in the other.
fn minus<T: Ord + Clone>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> Vec<T> {
    one.difference(other).cloned().collect()
}

/// Returns the elements of the one that are not the same in the other.
fn changed(one: &BTreeMap<Key, Verdict>, other: &BTreeMap<Key, Verdict>) -> Vec<(Key, Verdict)> {
    let differs = |(key, verdict): &(&Key, &Verdict)| other.get(*key) != Some(*verdict);
    one.iter().filter(differs).map(|(key, verdict)| (key.clone(), verdict.clone())).collect()
}

fn push_elements(
    changes: &mut Vec<Change>,
    set: &Name,
    key: &[DataType],
    gone: ElementList,
    added: ElementList,
) {
    let change = |elements| ElementChange { set: set.clone(), key: key.to_vec(), elements };
    if !gone.is_empty() {
        changes.push(Change::DeleteElements(change(gone)));
    }
    if !added.is_empty() {
        changes.push(Change::AddElements(change(added)));
    }
}
