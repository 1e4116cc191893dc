//! Sets and verdict maps.

use std::collections::{BTreeMap, BTreeSet};

use crate::{DataType, Key, KeyRange, Quoted, Verdict};

/// A named set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Set {
    /// The types of the values of a key, at least one.
    pub key: Vec<DataType>,
    /// What is in it.
    pub elements: Elements,
    /// A comment that `nft list ruleset` shows.
    pub comment: Option<Quoted>,
}

/// The elements of a [`Set`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Elements {
    /// Single keys, in a hash table: a change costs some microseconds at any size.
    Keys(BTreeSet<Key>),
    /// Ranges (`flags interval`), which must not overlap: the kernel refuses that.
    Ranges(BTreeSet<KeyRange>),
}

/// A named map from keys to verdicts, in a hash table.
///
/// The kernel walks the whole map when an element or a jump to it is added, to find loops: a map should have
/// hundreds of elements, not tens of thousands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerdictMap {
    /// The types of the values of a key, at least one.
    pub key: Vec<DataType>,
    /// What is decided for which key.
    pub elements: BTreeMap<Key, Verdict>,
    /// A comment that `nft list ruleset` shows.
    pub comment: Option<Quoted>,
}

impl Set {
    /// Makes a set of single keys.
    pub fn of_keys(key: impl Into<Vec<DataType>>, keys: impl IntoIterator<Item = Key>) -> Self {
        let elements = Elements::Keys(keys.into_iter().collect());
        Self { key: key.into(), elements, comment: None }
    }

    /// Makes a set of ranges.
    pub fn of_ranges(
        key: impl Into<Vec<DataType>>,
        ranges: impl IntoIterator<Item = KeyRange>,
    ) -> Self {
        let elements = Elements::Ranges(ranges.into_iter().collect());
        Self { key: key.into(), elements, comment: None }
    }

    /// Says whether a key is in the set.
    pub fn contains(&self, key: &Key) -> bool {
        match &self.elements {
            Elements::Keys(keys) => keys.contains(key),
            Elements::Ranges(ranges) => {
                // Ranges are sorted by their first keys: those behind the key cannot hold it.
                let mut near = ranges.range(..=KeyRange { first: key.clone(), last: last_key() });
                match self.key.len() {
                    1 => near.next_back().is_some_and(|range| range.contains(key, &self.key)),
                    _ => near.any(|range| range.contains(key, &self.key)),
                }
            }
        }
    }
}

/// Returns a key behind those of every set.
fn last_key() -> Key {
    Key::from_octets(&[0xff; 65])
}

impl Elements {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Ranges(ranges) => ranges.len(),
        }
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl VerdictMap {
    /// Makes a map.
    pub fn new(
        key: impl Into<Vec<DataType>>,
        elements: impl IntoIterator<Item = (Key, Verdict)>,
    ) -> Self {
        Self { key: key.into(), elements: elements.into_iter().collect(), comment: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn v4(text: &str) -> Key {
        Key::new(&[Value::Ipv4(text.parse().unwrap())])
    }

    #[test]
    fn a_set_of_ranges_holds_what_lies_between() {
        let range = |first, last| KeyRange { first: v4(first), last: v4(last) };
        let set = Set::of_ranges(
            [DataType::Ipv4],
            [
                range("10.0.0.0", "10.0.0.255"),
                range("10.0.2.0", "10.0.2.0"),
                range("192.0.2.0", "255.255.255.255"),
            ],
        );
        for inside in ["10.0.0.0", "10.0.0.255", "10.0.2.0", "192.0.2.0", "255.255.255.255"] {
            assert!(set.contains(&v4(inside)), "{inside}");
        }
        for outside in ["9.255.255.255", "10.0.1.0", "10.0.2.1", "192.0.1.255"] {
            assert!(!set.contains(&v4(outside)), "{outside}");
        }
    }

    #[test]
    fn a_concatenation_of_ranges_is_searched_to_the_end() {
        let key = |protocol, port| Key::new(&[Value::Protocol(protocol), Value::Port(port)]);
        let ranges = [(6, 6, 0, 79), (6, 17, 443, 443), (17, 17, 1, 2)];
        let ranges = ranges.map(|(p, q, a, b)| KeyRange { first: key(p, a), last: key(q, b) });
        let set = Set::of_ranges([DataType::Protocol, DataType::Port], ranges);
        assert!(set.contains(&key(17, 443)), "a range that begins at tcp");
        assert!(set.contains(&key(6, 0)) && set.contains(&key(17, 2)));
        assert!(!set.contains(&key(17, 3)) && !set.contains(&key(132, 443)));
    }
}
