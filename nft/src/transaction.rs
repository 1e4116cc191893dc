//! The changes from one ruleset to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{
    BaseChain, Chain, DataType, Elements, Key, KeyRange, Name, Quoted, Rule, Ruleset, Set,
    Statement, Verdict,
};

/// Changes of one table that the kernel makes all at once, or none of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// The table.
    pub table: Name,
    /// The changes, in an order in which each finds what it needs.
    pub changes: Vec<Change>,
}

/// One change of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Adds the table.
    AddTable,
    /// Deletes the table and everything in it.
    DeleteTable,
    /// Adds a set without elements.
    AddSet {
        /// Its name.
        name: Name,
        /// The types of the values of a key.
        key: Vec<DataType>,
        /// What it is.
        kind: SetKind,
        /// Its comment.
        comment: Option<Quoted>,
    },
    /// Deletes a set or map, of the kind that it is.
    DeleteSet(Name, SetKind),
    /// Adds a chain without rules, or changes the policy of a base chain.
    AddChain {
        /// Its name.
        name: Name,
        /// Where packets enter it.
        base: Option<BaseChain>,
        /// Its comment.
        comment: Option<Quoted>,
    },
    /// Deletes a chain.
    DeleteChain(Name),
    /// Deletes the rules of a chain.
    FlushChain(Name),
    /// Adds a rule at the end of a chain.
    AddRule {
        /// The chain.
        chain: Name,
        /// The rule.
        rule: Rule,
    },
    /// Adds elements to a set or map.
    AddElements(ElementChange),
    /// Deletes elements of a set or map.
    DeleteElements(ElementChange),
}

/// What a named set is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetKind {
    /// A hash table of keys.
    Keys,
    /// Ranges.
    Ranges,
    /// A verdict map.
    Verdicts,
}

/// Elements of a set or map, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElementChange {
    /// The set or map.
    pub set: Name,
    /// The types of the values of a key.
    pub key: Vec<DataType>,
    /// The elements.
    pub elements: ElementList,
}

/// Elements of each kind of set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ElementList {
    /// Keys.
    Keys(Vec<Key>),
    /// Ranges.
    Ranges(Vec<KeyRange>),
    /// Keys with what is decided for them.
    Verdicts(Vec<(Key, Verdict)>),
}

impl Transaction {
    /// Finds the changes that make a table's content from what it was; all of it when there was no table.
    ///
    /// Chains whose rules differ get all their rules anew, which resets their counters. A set or map that needs
    /// other types, or a chain another hook or comment, is deleted and added, with the rules that use it.
    pub fn between(old: Option<&Ruleset>, new: &Ruleset) -> Self {
        let empty = Ruleset::new(new.table.clone());
        let mut difference = Difference::new(old.unwrap_or(&empty), new);
        let mut changes = Vec::new();
        if old.is_none() {
            changes.push(Change::AddTable);
        }
        difference.find_replaced();
        difference.detach(&mut changes);
        difference.add_objects(&mut changes);
        difference.add_rules(&mut changes);
        difference.change_elements(&mut changes);
        difference.delete_objects(&mut changes);
        Self { table: new.table.clone(), changes }
    }

    /// Makes the transaction that puts a table's content in the place of a table that is there.
    pub fn replacing(new: &Ruleset) -> Self {
        let mut all = Self::between(None, new);
        all.changes.insert(0, Change::DeleteTable);
        all
    }

    /// Makes the transaction that deletes a table.
    pub fn deleting(table: Name) -> Self {
        Self { table, changes: vec![Change::DeleteTable] }
    }

    /// Says whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the number of elements that are added and deleted.
    pub fn elements(&self) -> usize {
        let count = |change: &Change| match change {
            Change::AddElements(change) | Change::DeleteElements(change) => change.elements.len(),
            _ => 0,
        };
        self.changes.iter().map(count).sum()
    }
}

impl ElementList {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Ranges(ranges) => ranges.len(),
            Self::Verdicts(verdicts) => verdicts.len(),
        }
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Two rulesets, and what of the old one cannot be kept.
struct Difference<'a> {
    old: &'a Ruleset,
    new: &'a Ruleset,
    /// Sets, maps and chains of the old ruleset that the new one has in a form that it cannot be changed to.
    replaced_sets: BTreeSet<&'a Name>,
    replaced_chains: BTreeSet<&'a Name>,
    /// Chains of both whose rules are written anew.
    rewritten: BTreeSet<&'a Name>,
}

impl<'a> Difference<'a> {
    fn new(old: &'a Ruleset, new: &'a Ruleset) -> Self {
        let (replaced_sets, replaced_chains) = (BTreeSet::new(), BTreeSet::new());
        Self { old, new, replaced_sets, replaced_chains, rewritten: BTreeSet::new() }
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

#[cfg(test)]
mod tests;
