//! A persistent hash table: a copy shares everything with the original, and a change copies only the way to what it
//! changes.
//!
//! ```text
//! root ─► 16 nodes, by the first four bits of the hash ─► 16 nodes, by the next four ─► … ─► leaf: slots by hash
//! ```
//!
//! Leaves are exactly as long as they have slots, and slots hold no key, for the objects in them have it: a slot takes
//! 16 octets, where a trie of nodes of one size with keys in them takes ten times as much.

mod slot;

use std::sync::Arc;

pub(crate) use slot::{Slot, place_of};

/// How many slots a leaf has at most, unless nothing but their hashes tells them apart.
const MOST_SLOTS: usize = 64;

/// How few slots sixteen leaves have together when they become one again.
const FEW_SLOTS: usize = 32;

/// How many nodes a branch has: one for each value of four bits.
const WIDTH: usize = 16;

/// How many branches there are above a leaf at most: then the bits of the hash are used up.
const DEEPEST: u32 = u32::BITS / WIDTH.ilog2();

/// A multimap from keys to objects, of which it knows the hashes of the keys alone.
///
/// Callers give the hash of a key, and say of an object whether it has the key. Every object under a key has it.
#[derive(Debug)]
pub(crate) struct Table<V> {
    root: Node<V>,
}

#[derive(Debug)]
enum Node<V> {
    Leaf(Arc<[Slot<V>]>),
    Branch(Arc<[Node<V>; WIDTH]>),
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()) }
    }
}

impl<V> Clone for Table<V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(slots) => Self::Leaf(Arc::clone(slots)),
            Self::Branch(nodes) => Self::Branch(Arc::clone(nodes)),
        }
    }
}

/// A lookup that has come as far as the leaf; see [`Table::near`].
#[derive(Debug)]
pub(crate) struct Near<'t, V> {
    slots: &'t [Slot<V>],
    hash: u32,
    rest: u32,
}

impl<V> Clone for Near<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Near<'_, V> {}

impl<V> Default for Near<'_, V> {
    fn default() -> Self {
        Self { slots: &[], hash: 0, rest: 0 }
    }
}

impl<'t, V> Near<'t, V> {
    /// Reads slots in the cache lines where the key's is likely to be.
    pub(crate) fn slots(self) -> [bool; 3] {
        let about = slot::about(self.slots.len(), self.rest);
        // The slot is a few places off; a cache line holds four.
        let places = [about.saturating_sub(4), about, about + 4];
        places.map(|place| self.slots.get(place).is_some_and(Slot::is_one))
    }

    /// Returns an object whose key has the same hash.
    pub(crate) fn object(self) -> Option<&'t V> {
        self.find(|_| true)
    }

    /// Returns the first object under the key.
    pub(crate) fn find(self, has_key: impl Fn(&V) -> bool) -> Option<&'t V> {
        let slot = slot::find(self.slots, self.hash, self.rest, has_key)?;
        slot.objects().first().map(|object| &**object)
    }
}

impl<V> Table<V> {
    /// Returns the objects under a key.
    pub(crate) fn get(&self, hash: u32, has_key: impl Fn(&V) -> bool) -> &[Arc<V>] {
        let (slots, rest) = self.leaf(hash);
        slot::find(slots, hash, rest, has_key).map_or(&[], Slot::objects)
    }

    /// Begins a lookup without reading any slot.
    pub(crate) fn near(&self, hash: u32) -> Near<'_, V> {
        let (slots, rest) = self.leaf(hash);
        Near { slots, hash, rest }
    }

    /// Returns the leaf where a hash belongs, and the bits of the hash that differ in it, as the first ones.
    fn leaf(&self, hash: u32) -> (&[Slot<V>], u32) {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Branch(nodes) => node = &nodes[place(hash, depth)],
                Node::Leaf(slots) => return (slots, rest(hash, depth)),
            }
            depth += 1;
        }
    }

    /// Iterates over the objects under every key, in no particular order; an object with several keys comes for each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<V>> {
        self.root.iter()
    }

    /// Returns the objects of the parts that two tables do not share, of this table and of the other. Of two tables one
    /// of which was made from the other, these parts are as large as what was changed; some objects in them are of both.
    pub(crate) fn unshared<'a>(&'a self, other: &'a Self) -> (Vec<&'a Arc<V>>, Vec<&'a Arc<V>>) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        let mut waiting = vec![(&self.root, &other.root)];
        while let Some((node, other)) = waiting.pop() {
            match (node, other) {
                (Node::Branch(nodes), Node::Branch(others)) => {
                    if !Arc::ptr_eq(nodes, others) {
                        waiting.extend(nodes.iter().zip(others.iter()));
                    }
                }
                (Node::Leaf(slots), Node::Leaf(others)) if Arc::ptr_eq(slots, others) => {}
                (node, other) => {
                    own.extend(node.iter());
                    others.extend(other.iter());
                }
            }
        }
        (own, others)
    }

    /// Changes the slots of the leaf where those with this hash belong; they stay sorted by their hashes.
    pub(crate) fn change(&mut self, hash: u32, change: impl FnOnce(&mut Vec<Slot<V>>)) {
        self.root.change(hash, 0, change);
    }
}

impl<V> Node<V> {
    fn iter(&self) -> impl Iterator<Item = &Arc<V>> {
        let mut waiting = vec![self];
        let leaves = std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Self::Branch(nodes) => waiting.extend(nodes.iter()),
                    Self::Leaf(slots) => return Some(slots),
                }
            }
        });
        leaves.flat_map(|slots| slots.iter()).flat_map(Slot::objects)
    }

    fn change(&mut self, hash: u32, depth: u32, change: impl FnOnce(&mut Vec<Slot<V>>)) {
        match self {
            Self::Branch(nodes) => {
                Arc::make_mut(nodes)[place(hash, depth)].change(hash, depth + 1, change);
                if let Some(slots) = few_slots(nodes) {
                    *self = Self::Leaf(slots);
                }
            }
            Self::Leaf(slots) => {
                let mut slots = slot::taken(slots);
                change(&mut slots);
                *self = Self::of(slots, depth);
            }
        }
    }

    /// Returns a leaf of these slots, or as many as they need.
    fn of(slots: Vec<Slot<V>>, depth: u32) -> Self {
        if slots.len() <= MOST_SLOTS || depth >= DEEPEST {
            return Self::Leaf(slots.into());
        }
        let mut slots = slots.into_iter().peekable();
        Self::Branch(Arc::new(std::array::from_fn(|at| {
            let of_node =
                std::iter::from_fn(|| slots.next_if(|slot| place(slot.hash(), depth) == at));
            Self::of(of_node.collect(), depth + 1)
        })))
    }
}

/// Returns the slots of leaves that are hardly filled together.
fn few_slots<V>(nodes: &[Node<V>; WIDTH]) -> Option<Arc<[Slot<V>]>> {
    let mut few = 0;
    for node in nodes {
        match node {
            Node::Leaf(slots) => few += slots.len(),
            Node::Branch(_) => return None,
        }
    }
    let slots = |node: &Node<V>| match node {
        Node::Leaf(slots) => Arc::clone(slots),
        Node::Branch(_) => Arc::default(),
    };
    (few <= FEW_SLOTS).then(|| nodes.iter().flat_map(|node| slots(node).to_vec()).collect())
}

/// Returns which node of a branch a hash belongs to.
fn place(hash: u32, depth: u32) -> usize {
    (rest(hash, depth) >> (u32::BITS - WIDTH.ilog2())) as usize
}

/// Returns the bits of a hash that the branches above have not used, as the first ones.
fn rest(hash: u32, depth: u32) -> u32 {
    hash.checked_shl(depth * WIDTH.ilog2()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
