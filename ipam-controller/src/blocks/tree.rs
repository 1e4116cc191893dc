//! Taken blocks of one family, and the first free one of a size.
//!
//! A binary trie: the way from the root to a node is the prefix of a network. Each node knows the largest free block
//! beneath it, so that every operation costs as many steps as an address has bits, however many blocks are taken.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::pool::Family;

/// The number of a node in the arena; the root is 0 and nobody's child.
type Index = u32;

/// No free block: longer than every prefix.
const FULL: u8 = u8::MAX;

/// The blocks of one family that are taken. Blocks may lie in one another.
#[derive(Clone, Debug)]
pub struct BlockTree {
    family: Family,
    nodes: Vec<Node>,
    /// Places in `nodes` that are free.
    spare: Vec<Index>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// 0 where there is none: nothing is taken there.
    children: [Index; 2],
    /// The block of exactly this prefix is taken.
    is_taken: bool,
    /// The prefix length of the largest free block here; [`FULL`] when there is none.
    open: u8,
    /// Addresses that are taken here; all of a family of 128 bits count as one less than they are.
    used: u128,
}

impl BlockTree {
    /// Returns a tree in which nothing is taken.
    pub fn new(family: Family) -> Self {
        Self { family, nodes: vec![Node::default()], spare: Vec::new() }
    }

    /// Takes a block. Taking one that is taken changes nothing.
    pub fn take(&mut self, block: IpNet) {
        let (bits, length) = key(block);
        let mut path = vec![0];
        for depth in 0..length {
            let at = path[path.len() - 1];
            let side = side(bits, depth);
            let next = match self.nodes[at as usize].children[side] {
                0 => {
                    let new = self.place();
                    self.nodes[at as usize].children[side] = new;
                    new
                }
                next => next,
            };
            path.push(next);
        }
        self.nodes[path[path.len() - 1] as usize].is_taken = true;
        self.settle(&path);
    }

    /// Frees a block that was taken as it is. Blocks within and around it stay as they are.
    pub fn free(&mut self, block: IpNet) {
        let (bits, length) = key(block);
        let Some(path) = self.path(bits, length) else { return };
        self.nodes[path[path.len() - 1] as usize].is_taken = false;
        self.prune(bits, &path);
        self.settle(&path);
    }

    /// Returns the first free block with this prefix length in a network, lowest address first; none when all are taken
    /// or the network is smaller.
    pub fn first_free(&self, within: IpNet, length: u8) -> Option<IpNet> {
        let (bits, from) = key(within);
        if length < from || length > self.family.bits() {
            return None;
        }
        let mut at = 0;
        for depth in 0..from {
            let node = self.nodes[at as usize];
            if node.is_taken {
                return None;
            }
            at = node.children[side(bits, depth)];
            if at == 0 {
                return self.network(bits, length);
            }
        }
        self.first_beneath(at, bits, from, length)
    }

    /// Returns how many addresses of a network are taken.
    pub fn used(&self, within: IpNet) -> u128 {
        let (bits, length) = key(within);
        let mut at = 0;
        for depth in 0..length {
            let node = self.nodes[at as usize];
            if node.is_taken {
                return size(self.family, length);
            }
            at = node.children[side(bits, depth)];
            if at == 0 {
                return 0;
            }
        }
        self.nodes[at as usize].used
    }

    fn first_beneath(&self, at: Index, mut bits: u128, from: u8, length: u8) -> Option<IpNet> {
        let mut at = at;
        for depth in from..=length {
            let node = self.nodes[at as usize];
            if node.open > length {
                return None;
            }
            if node.open == depth {
                return self.network(bits, length);
            }
            let opening = |side: usize| match node.children[side] {
                0 => depth + 1,
                child => self.nodes[child as usize].open,
            };
            let side = usize::from(opening(0) > length);
            bits |= (side as u128) << (127 - depth);
            at = node.children[side];
            if at == 0 {
                return self.network(bits, length);
            }
        }
        None
    }

    /// Returns the nodes of a prefix from the root on; none when nothing is taken there.
    fn path(&self, bits: u128, length: u8) -> Option<Vec<Index>> {
        let mut path = vec![0];
        for depth in 0..length {
            match self.nodes[path[path.len() - 1] as usize].children[side(bits, depth)] {
                0 => return None,
                next => path.push(next),
            }
        }
        Some(path)
    }

    fn place(&mut self) -> Index {
        match self.spare.pop() {
            Some(at) => at,
            None => {
                self.nodes.push(Node::default());
                // Four thousand million nodes do not fit into memory.
                Index::try_from(self.nodes.len() - 1).unwrap_or(0)
            }
        }
    }

    /// Takes nodes that say nothing out of the end of a path.
    fn prune(&mut self, bits: u128, path: &[Index]) {
        for depth in (1..path.len()).rev() {
            let node = self.nodes[path[depth] as usize];
            if node.is_taken || node.children != [0, 0] {
                return;
            }
            self.nodes[path[depth] as usize] = Node::default();
            self.spare.push(path[depth]);
            let above = depth - 1;
            self.nodes[path[above] as usize].children[side(bits, depth_of(above))] = 0;
        }
    }

    /// Works out again what the nodes of a path know, the deepest first.
    fn settle(&mut self, path: &[Index]) {
        for (depth, at) in path.iter().enumerate().rev() {
            let depth = depth_of(depth);
            let node = self.nodes[*at as usize];
            let (open, used) = if node.is_taken {
                (FULL, size(self.family, depth))
            } else if node.children == [0, 0] {
                (depth, 0)
            } else {
                let children = node.children.map(|child| match child {
                    0 => (depth + 1, 0),
                    child => (self.nodes[child as usize].open, self.nodes[child as usize].used),
                });
                let [(left, low), (right, high)] = children;
                (left.min(right), low.saturating_add(high))
            };
            let node = &mut self.nodes[*at as usize];
            (node.open, node.used) = (open, used);
        }
    }

    fn network(&self, bits: u128, length: u8) -> Option<IpNet> {
        match self.family {
            // The upper 32 bits hold the address.
            Family::V4 => u32::try_from(bits >> 96)
                .ok()
                .and_then(|bits| Ipv4Net::new(bits.into(), length).ok())
                .map(|network| IpNet::from(network.trunc())),
            Family::V6 => {
                let network = Ipv6Net::new(bits.into(), length).ok();
                network.map(|network| IpNet::from(network.trunc()))
            }
        }
    }
}

/// Returns the number of addresses behind a prefix; the whole of IPv6 counts as one less.
pub(super) fn size(family: Family, length: u8) -> u128 {
    1u128.checked_shl(u32::from(family.bits().saturating_sub(length))).unwrap_or(u128::MAX)
}

/// Returns a network's bits, from the highest on, and the length of its prefix.
fn key(network: IpNet) -> (u128, u8) {
    let bits = match network.trunc() {
        IpNet::V4(network) => u128::from(u32::from(network.network())) << 96,
        IpNet::V6(network) => u128::from(network.network()),
    };
    (bits, network.prefix_len())
}

fn side(bits: u128, depth: u8) -> usize {
    usize::from((bits >> (127 - depth)) & 1 == 1)
}

/// A path is never longer than an address has bits.
fn depth_of(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(FULL)
}

#[cfg(test)]
mod tests;
