//! What has to be in the kernel before packets are led to it.
//!
//! The kernel changes everything at once, but not for a packet that is on its way through the rules at that moment: which
//! rules a chain has was chosen for it when it entered the base chain (`genbit` in `nft_do_chain`), and which elements a
//! map has is looked up when it gets there (`nft_genmask_cur`). A map that leads it to a chain of the same transaction
//! leads it to a chain without rules, and it falls through. To a chain of an earlier transaction, it is led to its rules.

use std::collections::BTreeSet;

use super::{Change, Transaction};
use crate::Name;

impl Transaction {
    /// Returns the places of the changes that have to be made first, in a transaction of their own: new chains and sets,
    /// which no packet meets before the others are made. Empty when there is nothing that could be led to, as in a table
    /// that is new itself, or when an object takes the place of one of the same name, which has to go first.
    pub fn made_first(&self) -> BTreeSet<usize> {
        let (sets, chains) = (self.added_sets(), self.added_chains());
        if chains.is_empty() || self.changes.iter().any(|change| takes_away(change, &sets, &chains))
        {
            return BTreeSet::new();
        }
        let is_first = |change: &Change| match change {
            Change::AddSet { .. } => true,
            Change::AddElements(change) => sets.contains(&change.set),
            Change::AddChain { name, .. } | Change::AddRule { chain: name, .. } => {
                chains.contains(name)
            }
            Change::AddTable
            | Change::DeleteTable
            | Change::DeleteSet(..)
            | Change::DeleteChain(_)
            | Change::FlushChain(_)
            | Change::DeleteElements(_) => false,
        };
        let places = self.changes.iter().enumerate();
        let first: BTreeSet<usize> =
            places.filter(|(_, change)| is_first(change)).map(|(place, _)| place).collect();
        if first.len() == self.changes.len() { BTreeSet::new() } else { first }
    }

    fn added_sets(&self) -> BTreeSet<&Name> {
        let mut sets = BTreeSet::new();
        for change in &self.changes {
            if let Change::AddSet { name, .. } = change {
                sets.insert(name);
            }
        }
        sets
    }

    /// Returns the chains that are new and that no hook leads to.
    fn added_chains(&self) -> BTreeSet<&Name> {
        let mut chains = BTreeSet::new();
        for change in &self.changes {
            if let Change::AddChain { name, base: None, .. } = change {
                chains.insert(name);
            }
        }
        chains
    }
}

/// Says whether a change makes room for something that is added.
fn takes_away(change: &Change, sets: &BTreeSet<&Name>, chains: &BTreeSet<&Name>) -> bool {
    match change {
        Change::AddTable | Change::DeleteTable => true,
        Change::DeleteSet(name, _) => sets.contains(name),
        Change::DeleteChain(name) | Change::FlushChain(name) => chains.contains(name),
        Change::AddSet { .. }
        | Change::AddChain { .. }
        | Change::AddRule { .. }
        | Change::AddElements(_)
        | Change::DeleteElements(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Chain, Ruleset, sample};

    fn made_first(old: Option<&Ruleset>, new: &Ruleset) -> Vec<String> {
        let transaction = Transaction::between(old, new);
        let first = transaction.made_first();
        first.iter().map(|place| transaction.command(*place).unwrap().to_string()).collect()
    }

    #[test]
    fn a_chain_is_made_before_a_map_leads_to_it() {
        let new = sample::everything();
        let mut old = new.clone();
        let profile = sample::name("p_in");
        old.chains.remove(&profile);
        let leads = |verdict: &crate::Verdict| verdict.chain() == Some(&profile);
        for map in old.maps.values_mut() {
            Arc::make_mut(map).elements.retain(|_, verdict| !leads(verdict));
        }
        old.sets.remove("cidr_4");
        let first = made_first(Some(&old), &new);
        let has = |text: &str| first.iter().any(|command| command.starts_with(text));
        for command in ["add set inet everything cidr_4", "add chain inet everything p_in"] {
            assert!(has(command), "{command} in {first:?}");
        }
        assert!(has("add element inet everything cidr_4"), "{first:?}");
        assert!(has("add rule inet everything p_in"), "{first:?}");
        assert!(!has("add element inet everything iso_in4"), "{first:?}");
    }

    #[test]
    fn nothing_is_made_first_where_nothing_is_led_to_something_new() {
        let new = sample::everything();
        assert_eq!(made_first(None, &new), [""; 0], "the table is new");
        let mut old = new.clone();
        old.sets.remove("cidr_none");
        assert_eq!(made_first(Some(&old), &new), [""; 0], "no chain is");
        let mut other = new.clone();
        let mut replaced = Chain::clone(&other.chains["p_in"]);
        replaced.comment = None;
        other.chains.insert(sample::name("p_in"), Arc::new(replaced));
        assert_eq!(made_first(Some(&other), &new), [""; 0], "one has to go first");
    }
}
