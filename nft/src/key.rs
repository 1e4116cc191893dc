//! Keys of set elements.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{DataType, Value};

/// The octets that are kept without an allocation: all but `ipv6_addr . inet_proto . inet_service` and longer.
const SHORT: usize = 22;

/// The key of an element: one value, or several in a row (nft(8) "CONCATENATIONS"), as octets in the form
/// of the kernel's registers, where each value takes whole words of 4 octets.
///
/// Keys are ordered by their octets, which is the order of addresses and ports. A key takes 24 octets, so
/// that a table may hold hundreds of thousands.
#[derive(Clone)]
pub struct Key(Octets);

#[derive(Clone)]
enum Octets {
    Short { len: u8, octets: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// From a first to a last key, both included, of an interval set.
///
/// In a concatenation the bounds are meant for each value on its own: `tcp . 80-90` is from `tcp . 80` to
/// `tcp . 90`. Of one set, ranges must not overlap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyRange {
    /// The first key.
    pub first: Key,
    /// The last key.
    pub last: Key,
}

impl Key {
    /// Makes the key of values in a row.
    pub fn new(values: &[Value]) -> Self {
        let mut octets = Vec::with_capacity(SHORT);
        for value in values {
            let end = octets.len() + value.data_type().padded_octets();
            octets.extend(value.octets());
            octets.resize(end, 0);
        }
        Self::from_octets(&octets)
    }

    /// Makes the key of octets that are padded already.
    pub(crate) fn from_octets(octets: &[u8]) -> Self {
        let mut short = [0; SHORT];
        match (u8::try_from(octets.len()), short.get_mut(..octets.len())) {
            (Ok(len), Some(room)) => {
                room.copy_from_slice(octets);
                Self(Octets::Short { len, octets: short })
            }
            _ => Self(Octets::Long(octets.into())),
        }
    }

    /// Returns the octets, each value padded to whole words.
    pub fn octets(&self) -> &[u8] {
        match &self.0 {
            Octets::Short { len, octets } => &octets[..usize::from(*len)],
            Octets::Long(octets) => octets,
        }
    }

    /// Returns the values; none when the key is not of these types.
    pub fn values(&self, types: &[DataType]) -> Option<Vec<Value>> {
        let mut rest = self.octets();
        let mut values = Vec::with_capacity(types.len());
        for data_type in types {
            values.push(Value::from_octets(*data_type, rest)?);
            rest = rest.get(data_type.padded_octets()..)?;
        }
        rest.is_empty().then_some(values)
    }
}

impl KeyRange {
    /// Makes the range that holds one key.
    pub fn one(key: Key) -> Self {
        Self { first: key.clone(), last: key }
    }

    /// Says whether a key lies inside, value by value.
    pub fn contains(&self, key: &Key, types: &[DataType]) -> bool {
        let (first, last, key) = (self.first.octets(), self.last.octets(), key.octets());
        let mut at = 0;
        for data_type in types {
            let part = at..at + data_type.padded_octets();
            let parts = (first.get(part.clone()), key.get(part.clone()), last.get(part.clone()));
            let (Some(first), Some(value), Some(last)) = parts else { return false };
            if value < first || value > last {
                return false;
            }
            at = part.end;
        }
        true
    }
}

impl From<Ipv4Addr> for Key {
    fn from(address: Ipv4Addr) -> Self {
        Self::from_octets(&address.octets())
    }
}

impl From<Ipv6Addr> for Key {
    fn from(address: Ipv6Addr) -> Self {
        Self::from_octets(&address.octets())
    }
}

impl From<IpAddr> for Key {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.octets().cmp(other.octets())
    }
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.octets().hash(state);
    }
}

/// Writes the octets in hexadecimal; only the set knows the types.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octets().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_small_and_gives_its_values_back() {
        assert_eq!(size_of::<Key>(), 24);
        let v6 = Value::Ipv6("2001:db8::1".parse().unwrap());
        let values = [v6, Value::Protocol(6), Value::Port(443)];
        let types = [DataType::Ipv6, DataType::Protocol, DataType::Port];
        let key = Key::new(&values);
        assert_eq!(key.octets().len(), 24);
        assert_eq!(key.octets()[16..], [6, 0, 0, 0, 1, 187, 0, 0], "padded to whole words");
        assert_eq!(key.values(&types), Some(values.to_vec()));
        assert_eq!(key.values(&types[..2]), None, "there is more in the key");
        assert_eq!(key.values(&[DataType::Ipv6; 2]), None, "there is less in the key");
        assert_eq!(
            Key::from(IpAddr::from([10, 0, 0, 1])),
            Key::new(&[Value::Ipv4([10, 0, 0, 1].into())])
        );
    }

    #[test]
    fn keys_are_in_the_order_of_their_values() {
        let key = |port| Key::new(&[Value::Protocol(6), Value::Port(port)]);
        assert!(key(80) < key(443) && key(443) < Key::new(&[Value::Protocol(17), Value::Port(1)]));
    }

    #[test]
    fn ranges_of_concatenations_bound_each_value() {
        let types = [DataType::Protocol, DataType::Port];
        let key = |protocol, port| Key::new(&[Value::Protocol(protocol), Value::Port(port)]);
        let range = KeyRange { first: key(6, 80), last: key(17, 90) };
        for inside in [key(6, 80), key(17, 90), key(10, 85)] {
            assert!(range.contains(&inside, &types), "{inside:?}");
        }
        for outside in [key(10, 91), key(10, 79), key(5, 85), key(18, 85)] {
            assert!(!range.contains(&outside, &types), "{outside:?}");
        }
        assert!(KeyRange::one(key(6, 1)).contains(&key(6, 1), &types));
    }
}
