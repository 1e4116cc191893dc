//! The tree of words against a plain set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn the_largest_range_is_searched_to_its_end() {
    let mut slots = Slots::new(u64::MAX);
    assert_eq!(slots.next_free(u64::MAX), Some(u64::MAX));
    assert!(slots.take(u64::MAX) && !slots.take(u64::MAX));
    assert_eq!(
        (slots.next_free(u64::MAX), slots.next_free(u64::MAX - 1)),
        (None, Some(u64::MAX - 1))
    );
    (0..64u64.pow(3)).for_each(|number| assert!(slots.take(number)));
    assert_eq!(slots.next_free(0), Some(64u64.pow(3)));
    assert!(slots.free(70) && !slots.free(70));
    assert_eq!(slots.next_free(0), Some(70));
}

#[test]
fn what_is_freed_leaves_nothing_behind() {
    let mut slots = Slots::new(10_000);
    (0..=10_000).for_each(|number| assert!(slots.take(number)));
    assert_eq!((slots.next_free(0), slots.take(10_001)), (None, false));
    (0..=10_000).rev().for_each(|number| assert!(slots.free(number)));
    assert!(slots.levels.iter().all(HashMap::is_empty));
}

proptest! {
    #[test]
    fn the_next_free_number_is_that_of_a_plain_set(
        last in prop_oneof![0u64..200, 4000u64..9000],
        steps in prop::collection::vec((0u64..9200, any::<bool>(), 1u64..300), 1..60),
        from in 0u64..9200,
    ) {
        let (mut slots, mut taken) = (Slots::new(last), BTreeSet::new());
        for (start, is_taken, count) in steps {
            for number in (start..start + count).filter(|number| *number <= last) {
                if is_taken {
                    prop_assert_eq!(slots.take(number), taken.insert(number));
                } else {
                    prop_assert_eq!(slots.free(number), taken.remove(&number));
                }
            }
            prop_assert_eq!(slots.next_free(from), (from..=last).find(|n| !taken.contains(n)));
        }
    }
}
