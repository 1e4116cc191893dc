//! The content of one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Chain, Name, Set, VerdictMap};

/// The content of one table of the family `inet`, which sees IPv4 and IPv6.
///
/// Sets and maps have one space of names in the kernel, chains another. Objects are shared: what is the same
/// `Arc` in two rulesets is known to be equal without looking at it, so that a compiler that keeps what did
/// not change makes small differences cheap to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ruleset {
    /// The name of the table.
    pub table: Name,
    /// The sets.
    pub sets: BTreeMap<Name, Arc<Set>>,
    /// The verdict maps.
    pub maps: BTreeMap<Name, Arc<VerdictMap>>,
    /// The chains.
    pub chains: BTreeMap<Name, Arc<Chain>>,
}

impl Ruleset {
    /// Makes the ruleset of an empty table.
    pub fn new(table: Name) -> Self {
        Self { table, sets: BTreeMap::new(), maps: BTreeMap::new(), chains: BTreeMap::new() }
    }

    /// Returns the number of elements of all sets and maps.
    pub fn elements(&self) -> usize {
        let sets: usize = self.sets.values().map(|set| set.elements.len()).sum();
        sets + self.maps.values().map(|map| map.elements.len()).sum::<usize>()
    }
}
