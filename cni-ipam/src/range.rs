//! A range of a subnet: which of its addresses may be given out. Rules are host-local's (plugins, `range.go`), but for
//! subnets of one and two addresses, which it refuses.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::{Family, number};

/// Most exclusions of a range.
pub const MAX_EXCLUSIONS: usize = 1024;

/// Consecutive addresses, as numbers; both ends belong to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The first.
    pub first: u128,
    /// The last.
    pub last: u128,
}

/// A range as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeText {
    /// The subnet; its host bits are zero.
    pub subnet: IpNet,
    /// The first address; none: the subnet's first host.
    pub start: Option<IpAddr>,
    /// The last address; none: the subnet's last host, of IPv6 its last address.
    pub end: Option<IpAddr>,
    /// The gateway; none: the subnet's first host.
    pub gateway: Option<IpAddr>,
    /// What is not given out.
    pub exclusions: Vec<Span>,
}

/// A range that is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    subnet: IpNet,
    span: Span,
    gateway: Option<IpAddr>,
    segments: Vec<Span>,
}

impl Span {
    /// Tells whether a number is inside.
    pub fn contains(self, number: u128) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// Tells whether two spans have a number in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Returns how many numbers there are; at most `u128::MAX`.
    pub fn count(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }
}

impl Range {
    /// Checks a range and finds what it may give out.
    ///
    /// # Errors
    /// Says what is wrong: host bits in the subnet, an address of another family or outside, the end before the start,
    /// or nothing left to give out.
    pub fn new(text: RangeText) -> Result<Self, String> {
        let RangeText { subnet, start, end, gateway, exclusions } = text;
        if subnet != subnet.trunc() {
            return Err(format!("{subnet} has host bits set; write {}", subnet.trunc()));
        }
        let first = boundary("rangeStart", subnet, start, first_host(subnet))?;
        let last = boundary("rangeEnd", subnet, end, last_host(subnet))?;
        if first > last {
            return Err("rangeEnd is before rangeStart; exchange them".to_owned());
        }
        let gateway = check_gateway(subnet, gateway)?;
        if exclusions.len() > MAX_EXCLUSIONS {
            return Err(format!(
                "{} exclusions; at most {MAX_EXCLUSIONS} are allowed",
                exclusions.len()
            ));
        }
        let span = Span { first, last };
        let mut without = exclusions;
        without
            .extend(gateway.map(|gateway| Span { first: number(gateway), last: number(gateway) }));
        let segments = subtract(span, without);
        if segments.is_empty() {
            let what = "its gateway and exclusions leave no address to give out; widen it";
            return Err(format!("{subnet}: {what}"));
        }
        Ok(Self { subnet, span, gateway, segments })
    }

    /// Makes the range of a whole subnet with the defaults.
    ///
    /// # Errors
    /// As [`Range::new`].
    pub fn of_subnet(subnet: IpNet) -> Result<Self, String> {
        let (start, end, gateway) = (None, None, None);
        Self::new(RangeText { subnet, start, end, gateway, exclusions: Vec::new() })
    }

    /// Returns the subnet.
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// Returns the first and the last address.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the gateway; none in a subnet of one address.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Returns what may be given out: ascending, without gateway and exclusions; never empty.
    pub fn segments(&self) -> &[Span] {
        &self.segments
    }

    /// Returns the family.
    pub fn family(&self) -> Family {
        Family::of(self.subnet.addr())
    }

    /// Tells whether an address may be given out.
    pub fn offers(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family()
            && self.segments.iter().any(|segment| segment.contains(number(address)))
    }

    /// Returns how many addresses may be given out.
    pub fn capacity(&self) -> u128 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.count()))
    }

    /// Tells whether two ranges have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.family() == other.family() && self.span.overlaps(other.span)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family();
        let (first, last) = (family.address(self.span.first), family.address(self.span.last));
        write!(formatter, "{first}-{last} of {}", self.subnet)
    }
}

/// Tells whether a subnet has no addresses beside its hosts.
fn is_small(subnet: IpNet) -> bool {
    subnet.max_prefix_len() - subnet.prefix_len() < 2
}

fn first_host(subnet: IpNet) -> u128 {
    number(subnet.network()) + u128::from(!is_small(subnet))
}

fn last_host(subnet: IpNet) -> u128 {
    let last = number(subnet.broadcast());
    if subnet.addr().is_ipv4() && !is_small(subnet) { last - 1 } else { last }
}

fn boundary(
    key: &str,
    subnet: IpNet,
    address: Option<IpAddr>,
    default: u128,
) -> Result<u128, String> {
    let Some(address) = address else { return Ok(default) };
    if subnet.contains(&address) {
        return Ok(number(address));
    }
    Err(format!("{key} {address} is outside of the subnet {subnet}"))
}

/// A gateway outside of the subnet cannot be reached, unless it is on the link anyway, or the subnet is one address.
fn check_gateway(subnet: IpNet, gateway: Option<IpAddr>) -> Result<Option<IpAddr>, String> {
    let is_one = subnet.prefix_len() == subnet.max_prefix_len();
    let Some(gateway) = gateway else {
        let first = number(subnet.network()) + u128::from(!is_small(subnet));
        return Ok((!is_one).then(|| Family::of(subnet.addr()).address(first)));
    };
    let is_link_local = match gateway {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_same_family = gateway.is_ipv4() == subnet.addr().is_ipv4();
    if is_same_family && (subnet.contains(&gateway) || is_one || is_link_local) {
        return Ok(Some(gateway));
    }
    Err(format!("gateway {gateway} is outside of the subnet {subnet}"))
}

/// Returns what is left of a span, ascending.
fn subtract(span: Span, mut without: Vec<Span>) -> Vec<Span> {
    without.retain(|taken| taken.overlaps(span));
    without.sort_unstable();
    let mut segments = Vec::new();
    let mut from = span.first;
    for taken in without {
        if taken.first > from {
            segments.push(Span { first: from, last: taken.first - 1 });
        }
        if taken.last >= span.last {
            return segments;
        }
        from = from.max(taken.last + 1);
    }
    segments.push(Span { first: from, last: span.last });
    segments
}

#[cfg(test)]
mod tests;
