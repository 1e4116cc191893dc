//! Numbers in two bands: the lower one for people, who choose by hand, the upper one for what is given.

use super::slots::Slots;

/// Numbers of which the first ones are given out last (KEP-3070 for addresses, KEP-3668 for node ports).
#[derive(Clone, Debug)]
pub struct Banded {
    slots: Slots,
    offset: u64,
}

impl Banded {
    /// Returns the numbers from 0 to `last`, whose upper band begins at `offset`.
    pub fn new(last: u64, offset: u64) -> Self {
        Self { slots: Slots::new(last), offset: offset.min(last) }
    }

    /// Returns where the upper band begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes a number; says whether it was free.
    pub fn take(&mut self, number: u64) -> bool {
        self.slots.take(number)
    }

    /// Frees a number; says whether it was taken.
    pub fn free(&mut self, number: u64) -> bool {
        self.slots.free(number)
    }

    /// Returns the last number.
    pub fn last(&self) -> u64 {
        self.slots.last()
    }

    /// Returns a free number: the first from the place on that the seed leads to in the upper band, wrapping around, then of
    /// the lower band; none when all are taken. The same seed and the same state give the same number.
    pub fn pick(&self, seed: u64) -> Option<u64> {
        let places = self.slots.last() - self.offset;
        let place = places.checked_add(1).map_or(seed, |places| seed % places);
        self.slots
            .next_free(self.offset + place)
            .or_else(|| self.slots.next_free(self.offset))
            .or_else(|| self.slots.next_free(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_band_comes_first_whatever_the_seed() {
        let mut numbers = Banded::new(253, 16);
        let mut given = Vec::new();
        while let Some(number) = numbers.pick(u64::MAX / 3) {
            assert!(numbers.take(number));
            given.push(number);
        }
        assert_eq!(given.len(), 254);
        assert!(given[..238].iter().all(|number| *number >= 16), "the upper band");
        assert!(given[238..].iter().all(|number| *number < 16), "then the lower one");
        numbers.free(7);
        assert_eq!(numbers.pick(0), Some(7));
        assert_eq!(Banded::new(u64::MAX, 0).pick(u64::MAX), Some(u64::MAX));
    }
}
