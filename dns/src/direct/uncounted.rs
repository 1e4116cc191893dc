//! Direct answers that are counted together.

use std::time::Instant;

use arrayvec::ArrayVec;

use super::TOGETHER;
use super::effects::Kind;
use crate::Sizes;

/// Answers of one kind in one zone that have been given and are not counted yet: to count each of them by itself takes
/// longer than to find it.
#[derive(Debug)]
pub(crate) struct Uncounted {
    /// When the questions came in.
    start: Instant,
    /// The zone, by its place among those of the listener, and the kind.
    of: Option<(usize, Kind)>,
    sizes: ArrayVec<Sizes, TOGETHER>,
}

impl Uncounted {
    /// Returns none yet, of questions that came in together.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, of: None, sizes: ArrayVec::new() }
    }

    /// Returns when the questions came in.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Says whether such an answer can be added; if not, those that are here have to be counted first.
    pub(super) fn takes(&self, zone: usize, kind: Kind) -> bool {
        self.sizes.is_empty() || (self.of == Some((zone, kind)) && !self.sizes.is_full())
    }

    /// Adds an answer that it takes.
    pub(super) fn add(&mut self, zone: usize, kind: Kind, sizes: Sizes) {
        self.of = Some((zone, kind));
        // There is room.
        let _ = self.sizes.try_push(sizes);
    }

    /// Takes the answers out: their zone, their kind and their sizes.
    pub(super) fn take(&mut self) -> Option<(usize, Kind, ArrayVec<Sizes, TOGETHER>)> {
        let (zone, kind) = self.of.take()?;
        Some((zone, kind, std::mem::take(&mut self.sizes)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Kind, Sizes, TOGETHER, Uncounted};

    #[test]
    fn it_takes_a_few_answers_of_one_kind() {
        let (one, other) = (Kind::numbered(1), Kind::numbered(2));
        let sizes = Sizes { question: 40, reply: 60 };
        let mut uncounted = Uncounted::new(Instant::now());
        assert!(uncounted.take().is_none());
        for _ in 0..TOGETHER {
            assert!(uncounted.takes(0, one));
            uncounted.add(0, one, sizes);
            assert!(!uncounted.takes(0, other) && !uncounted.takes(1, one));
        }
        assert!(!uncounted.takes(0, one));
        let (zone, kind, all) = uncounted.take().unwrap();
        assert_eq!((zone, kind, &all[..]), (0, one, &[sizes; TOGETHER][..]));
        assert!(uncounted.takes(1, other) && uncounted.take().is_none());
    }
}
