//! Who holds which block.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cluster::Text;
use ipnet::IpNet;

use super::pool::Family;
use super::tree::BlockTree;

/// Who holds a block.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A node, or one that is gone and whose block waits until nothing can be on the way to it; by its UID, because
    /// another node may have the name next.
    Node(Text),
    /// Nobody may have it: the addresses of Services, by the words that say so.
    Reserved(Text),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(uid) => write!(f, "the node with UID {uid}"),
            Self::Reserved(what) => f.write_str(what),
        }
    }
}

/// Two owners of the same addresses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Conflict {
    /// The block that was looked at.
    pub block: IpNet,
    /// Another that has addresses of it, or the same.
    pub other: IpNet,
    /// Who holds the other.
    pub owner: Owner,
}

/// Who holds which block. A block may have several owners, because what other programs wrote cannot be undone: none of
/// them loses it, and it is free when the last one lets go.
#[derive(Clone, Debug)]
pub struct Ledger {
    holders: BTreeMap<IpNet, BTreeSet<Owner>>,
    taken: [BlockTree; 2],
}

impl Default for Ledger {
    fn default() -> Self {
        Self { holders: BTreeMap::new(), taken: Family::ALL.map(BlockTree::new) }
    }
}

impl Ledger {
    /// Notes that an owner holds a block. Again changes nothing.
    pub fn hold(&mut self, block: IpNet, owner: Owner) {
        let block = block.trunc();
        self.holders.entry(block).or_default().insert(owner);
        self.taken[Family::of(block) as usize].take(block);
    }

    /// Notes that an owner has let go of a block.
    pub fn release(&mut self, block: IpNet, owner: &Owner) {
        let block = block.trunc();
        let Some(owners) = self.holders.get_mut(&block) else { return };
        owners.remove(owner);
        if owners.is_empty() {
            self.holders.remove(&block);
            self.taken[Family::of(block) as usize].free(block);
        }
    }

    /// Returns the first block of a size in a network that nobody holds any address of.
    pub fn first_free(&self, network: IpNet, length: u8) -> Option<IpNet> {
        self.taken[Family::of(network) as usize].first_free(network, length)
    }

    /// Returns how many addresses of a network are held.
    pub fn used(&self, network: IpNet) -> u128 {
        self.taken[Family::of(network) as usize].used(network)
    }

    /// Returns what others hold of a block's addresses, sorted.
    pub fn conflicts(&self, block: IpNet, owner: &Owner) -> Vec<Conflict> {
        let block = block.trunc();
        let around = (0..block.prefix_len()).filter_map(|length| wider(block, length));
        let around = around.filter_map(|wider| self.holders.get_key_value(&wider));
        // A network sorts before those in it, and all of them before what follows it.
        let within = self.holders.range(block..).take_while(|(other, _)| block.contains(*other));
        let others = around.chain(within).flat_map(|(other, owners)| {
            owners.iter().filter(|other| *other != owner).map(|owner| (*other, owner.clone()))
        });
        others.map(|(other, owner)| Conflict { block, other, owner }).collect()
    }

    /// Iterates over every block and its owners, sorted.
    pub fn holdings(&self) -> impl Iterator<Item = (IpNet, &BTreeSet<Owner>)> {
        self.holders.iter().map(|(block, owners)| (*block, owners))
    }
}

fn wider(block: IpNet, length: u8) -> Option<IpNet> {
    IpNet::new(block.addr(), length).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn node(uid: &str) -> Owner {
        Owner::Node(uid.into())
    }

    #[test]
    fn a_block_is_free_when_its_last_owner_lets_go() {
        let mut ledger = Ledger::default();
        let (pool, block) = (net("10.244.0.0/23"), net("10.244.0.0/24"));
        ledger.hold(block, node("a"));
        ledger.hold(block, node("b"));
        ledger.release(block, &node("c"));
        ledger.release(block, &node("a"));
        assert_eq!(ledger.first_free(pool, 24), Some(net("10.244.1.0/24")));
        ledger.release(block, &node("b"));
        assert_eq!((ledger.first_free(pool, 24), ledger.used(pool)), (Some(block), 0));
    }

    #[test]
    fn conflicts_are_found_around_and_within() {
        let mut ledger = Ledger::default();
        for (block, owner) in [
            ("10.244.0.0/16", Owner::Reserved("Services".into())),
            ("10.244.3.0/24", node("a")),
            ("10.244.3.0/24", node("b")),
            ("10.244.3.128/25", node("c")),
            ("10.244.4.0/24", node("d")),
        ] {
            ledger.hold(net(block), owner);
        }
        let found = ledger.conflicts(net("10.244.3.0/24"), &node("a"));
        let found: Vec<String> = found.iter().map(|c| format!("{} {}", c.other, c.owner)).collect();
        assert_eq!(
            found,
            [
                "10.244.0.0/16 Services",
                "10.244.3.0/24 the node with UID b",
                "10.244.3.128/25 the node with UID c",
            ]
        );
    }
}
