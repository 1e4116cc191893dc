//! A set of numbers that finds the next one that is not in it.

use std::collections::HashMap;

/// Levels of 64 each: 64^11 is more than 64 bits.
const LEVELS: usize = 11;

/// Numbers from 0 to a last one, each taken or free.
///
/// A tree of words of 64 bits: a bit of the lowest level is a number that is taken, one of the next a word beneath that is
/// full. Only words with a bit are kept, so that 2^64 numbers cost no more than those that are taken; every operation looks
/// at no more than 22 words.
#[derive(Clone, Debug)]
pub struct Slots {
    last: u64,
    levels: [HashMap<u64, u64>; LEVELS],
}

impl Slots {
    /// Returns the numbers from 0 to `last`, all free.
    pub fn new(last: u64) -> Self {
        Self { last, levels: std::array::from_fn(|_| HashMap::new()) }
    }

    /// Returns the last number.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Says whether a number is taken; those above the last are not.
    pub fn is_taken(&self, number: u64) -> bool {
        self.word(0, number >> 6) & bit(number) != 0
    }

    /// Takes a number; says whether it was free. Those above the last cannot be taken.
    pub fn take(&mut self, number: u64) -> bool {
        if number > self.last || self.is_taken(number) {
            return false;
        }
        let mut at = number;
        for level in &mut self.levels {
            let word = level.entry(at >> 6).or_default();
            *word |= bit(at);
            if *word != u64::MAX {
                break;
            }
            at >>= 6;
        }
        true
    }

    /// Frees a number; says whether it was taken.
    pub fn free(&mut self, number: u64) -> bool {
        if !self.is_taken(number) {
            return false;
        }
        let mut at = number;
        for level in &mut self.levels {
            let Some(word) = level.get_mut(&(at >> 6)) else { break };
            let was_full = *word == u64::MAX;
            *word &= !bit(at);
            if *word == 0 {
                level.remove(&(at >> 6));
            }
            if !was_full {
                break;
            }
            at >>= 6;
        }
        true
    }

    /// Returns the first free number from `from` on; none when all are taken up to the last.
    pub fn next_free(&self, from: u64) -> Option<u64> {
        // The number, or the word of the level below that it is in.
        let mut at = from;
        for level in 0..LEVELS {
            if at > self.last_of(level) {
                return None;
            }
            let free = !self.word(level, at >> 6) & (u64::MAX << (at & 63));
            if free != 0 {
                let found = self.descend(level, (at & !63) | u64::from(free.trailing_zeros()));
                return found.filter(|found| *found <= self.last);
            }
            at = (at >> 6) + 1;
        }
        None
    }

    /// Returns the first free number beneath a place of a level that is not full.
    fn descend(&self, level: usize, place: u64) -> Option<u64> {
        let mut at = place;
        for level in (0..level).rev() {
            if at > self.last_of(level + 1) {
                return None;
            }
            let free = !self.word(level, at);
            at = at << 6 | u64::from(free.trailing_zeros());
        }
        Some(at)
    }

    fn last_of(&self, level: usize) -> u64 {
        self.last >> (6 * level)
    }

    fn word(&self, level: usize, at: u64) -> u64 {
        self.levels[level].get(&at).copied().unwrap_or_default()
    }
}

fn bit(number: u64) -> u64 {
    1 << (number & 63)
}

#[cfg(test)]
mod tests;
