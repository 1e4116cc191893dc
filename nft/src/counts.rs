//! What rules have counted.

use crate::Name;
use crate::expression::Expression;
use crate::observe::{attributes, expressions, name_in};
use crate::uapi::rule;

/// Packets and octets that a rule counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// The packets.
    pub packets: u64,
    /// Their octets, from the IP header on.
    pub octets: u64,
}

impl Counts {
    /// Reads a message of a dump of [`Request::Rules`](crate::Request::Rules): the chain of the rule, and what it counted,
    /// which is zero for a rule without a counter.
    pub fn read(message: &[u8]) -> Option<(Name, Self)> {
        let octets = attributes(message);
        let counted = expressions(octets).find_map(|expression| match expression? {
            Expression::Counter { packets, octets } => Some(Self { packets, octets }),
            _ => None,
        });
        Some((name_in(octets, rule::CHAIN)?, counted.unwrap_or_default()))
    }
}
