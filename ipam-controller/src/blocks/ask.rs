//! What a node asks for when its blocks fill up.

use super::pool::Family;

/// Most blocks of a family that a node gets: `portolan-ipam` reads 32 of both.
pub const MOST_BLOCKS: u8 = 16;

/// How many blocks of a family a node asks to have, those that it has included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The family.
    pub family: Family,
    /// From 1 to [`MOST_BLOCKS`].
    pub blocks: u8,
    /// Addresses that were free when it was asked.
    pub free: u64,
}

/// How full the blocks of a family are on their node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// The blocks.
    pub blocks: u8,
    /// Addresses of them that are free.
    pub free: u128,
}

/// Returns how many blocks of a family a node asks for: one more than it has when fewer addresses than `below` are free.
///
/// What was asked for stays asked for until there are twice as many, so that a pod that comes and goes changes nothing; it is
/// taken back then, so that a node that waited for a block in vain does not get one that it does not need any more.
/// `asked` is what it asked for last, 0 for nothing.
pub fn blocks_to_ask_for(asked: u8, fill: Fill, below: u32) -> u8 {
    let below = u128::from(below);
    if fill.blocks == 0 {
        // Which families a node has is the pools' business.
        0
    } else if fill.free < below {
        asked.max(fill.blocks.saturating_add(1)).min(MOST_BLOCKS)
    } else if asked > fill.blocks && fill.free >= 2 * below {
        fill.blocks
    } else {
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_is_asked_for_below_the_threshold_and_taken_back_at_twice_of_it() {
        for (asked, blocks, free, expected) in [
            // Nothing is known, or nothing is missing.
            (0, 0, 0, 0),
            (0, 1, 8, 0),
            (0, 1, u128::MAX, 0),
            // Below it, once.
            (0, 1, 7, 2),
            (2, 1, 7, 2),
            (2, 1, 0, 2),
            // A pod goes, two pods go: nothing changes before there is twice the room.
            (2, 1, 8, 2),
            (2, 1, 15, 2),
            (2, 1, 16, 1),
            (1, 1, 15, 1),
            (1, 1, 7, 2),
            // It came, and fills up.
            (2, 2, 20, 2),
            (2, 2, 7, 3),
            // More by a person than was ever asked for.
            (2, 5, 7, 6),
            (0, 16, 0, 16),
        ] {
            let found = blocks_to_ask_for(asked, Fill { blocks, free }, 8);
            assert_eq!(found, expected, "{asked} {blocks} {free}");
        }
        // Switched off.
        assert_eq!(blocks_to_ask_for(0, Fill { blocks: 1, free: 0 }, 0), 0);
    }
}
