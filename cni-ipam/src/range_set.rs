//! Range sets: the alternatives for one address of an attachment (host-local, `range_set.go`).

use std::fmt;
use std::net::IpAddr;

use crate::address::Family;
use crate::range::Range;

/// The ranges that one address is taken of; all of one family, without overlap, at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// Checks the ranges of a set.
    ///
    /// # Errors
    /// There is none, or two are of different families or overlap.
    pub fn new(ranges: Vec<Range>) -> Result<Self, String> {
        let Some(first) = ranges.first() else {
            return Err("the range set is empty; add a range with a subnet".to_owned());
        };
        if let Some(other) = ranges.iter().find(|range| range.family() != first.family()) {
            return Err(format!(
                "{first} and {other} are of different families; give each family a range set of its own"
            ));
        }
        for (at, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges[..at].iter().find(|other| other.overlaps(range)) {
                return Err(format!("{other} and {range} overlap; remove one"));
            }
        }
        Ok(Self { ranges })
    }

    /// Returns the ranges.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Returns the family.
    pub fn family(&self) -> Family {
        self.ranges[0].family()
    }

    /// Returns the range that gives out an address.
    pub fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges.iter().find(|range| range.offers(address))
    }

    /// Returns two ranges of different sets that have an address in common.
    pub fn overlap<'a>(&'a self, other: &'a Self) -> Option<(&'a Range, &'a Range)> {
        self.ranges.iter().find_map(|range| {
            let overlapping = other.ranges.iter().find(|other| other.overlaps(range))?;
            Some((range, overlapping))
        })
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.ranges.iter().enumerate() {
            write!(formatter, "{}{range}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
