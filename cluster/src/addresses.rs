//! A few addresses in little room.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;

/// Some addresses in the order given, read as a slice. As many as `INLINE` stand in place; only more of them are
/// allocated.
#[derive(Clone)]
pub struct Addresses<const INLINE: usize>(Form<INLINE>);

#[derive(Clone)]
enum Form<const INLINE: usize> {
    /// So many of these.
    Inline(u8, [IpAddr; INLINE]),
    Boxed(Box<[IpAddr]>),
}

impl<const INLINE: usize> Deref for Addresses<INLINE> {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match &self.0 {
            Form::Inline(count, ips) => ips.get(..usize::from(*count)).unwrap_or(ips),
            Form::Boxed(ips) => ips,
        }
    }
}

impl<const INLINE: usize> Default for Addresses<INLINE> {
    fn default() -> Self {
        Self(Form::Inline(0, [IpAddr::V4(Ipv4Addr::UNSPECIFIED); INLINE]))
    }
}

impl<const INLINE: usize> From<&[IpAddr]> for Addresses<INLINE> {
    fn from(ips: &[IpAddr]) -> Self {
        let mut places = [IpAddr::V4(Ipv4Addr::UNSPECIFIED); INLINE];
        match (places.get_mut(..ips.len()), u8::try_from(ips.len())) {
            (Some(taken), Ok(count)) => {
                taken.copy_from_slice(ips);
                Self(Form::Inline(count, places))
            }
            _ => Self(Form::Boxed(ips.into())),
        }
    }
}

impl<const INLINE: usize> From<Vec<IpAddr>> for Addresses<INLINE> {
    fn from(ips: Vec<IpAddr>) -> Self {
        Self::from(&*ips)
    }
}

impl<const INLINE: usize> From<Box<[IpAddr]>> for Addresses<INLINE> {
    fn from(ips: Box<[IpAddr]>) -> Self {
        Self::from(&*ips)
    }
}

impl<const INLINE: usize, const COUNT: usize> From<[IpAddr; COUNT]> for Addresses<INLINE> {
    fn from(ips: [IpAddr; COUNT]) -> Self {
        Self::from(&ips[..])
    }
}

impl<const INLINE: usize> FromIterator<IpAddr> for Addresses<INLINE> {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(ips: I) -> Self {
        let (mut ips, mut addresses) = (ips.into_iter(), Self::default());
        let Form::Inline(count, places) = &mut addresses.0 else { return addresses };
        for place in places.iter_mut() {
            let Some(ip) = ips.next() else { return addresses };
            (*place, *count) = (ip, *count + 1);
        }
        match ips.next() {
            Some(next) => {
                Self(Form::Boxed(places.iter().copied().chain([next]).chain(ips).collect()))
            }
            None => addresses,
        }
    }
}

impl<'a, const INLINE: usize> IntoIterator for &'a Addresses<INLINE> {
    type Item = &'a IpAddr;
    type IntoIter = std::slice::Iter<'a, IpAddr>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<const INLINE: usize> PartialEq for Addresses<INLINE> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const INLINE: usize> Eq for Addresses<INLINE> {}

impl<const INLINE: usize> fmt::Debug for Addresses<INLINE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_addresses_is_kept_in_order() {
        let ips: Vec<IpAddr> = (0..4).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        for count in 0..ips.len() {
            let addresses = Addresses::<2>::from(&ips[..count]);
            assert_eq!(*addresses, ips[..count]);
            assert_eq!(addresses, ips[..count].iter().copied().collect());
            assert_eq!(addresses.clone(), addresses);
            assert_eq!(matches!(addresses.0, Form::Inline(..)), count <= 2);
        }
        assert_ne!(Addresses::<1>::from([ips[0]]), Addresses::default());
    }

    #[test]
    fn addresses_take_little_room() {
        assert_eq!((size_of::<Addresses<1>>(), size_of::<Addresses<2>>()), (24, 40));
    }
}
