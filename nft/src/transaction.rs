//! The changes from one ruleset to another.

mod difference;
mod stages;

use crate::{BaseChain, DataType, Key, KeyRange, Name, Quoted, Rule, Ruleset, Verdict};
use difference::Difference;

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
        let mut changes = Vec::new();
        if old.is_none() {
            changes.push(Change::AddTable);
        }
        Difference::of(old.unwrap_or(&empty), new).push(&mut changes);
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

#[cfg(test)]
mod tests;
