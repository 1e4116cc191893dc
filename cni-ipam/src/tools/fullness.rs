//! How full blocks are: what tells a node that it runs out, long before an ADD fails.

use ipnet::IpNet;

use super::networks;
use crate::address::{Family, number};
use crate::config::Placement;
use crate::edge::files::Named;
use crate::edge::settings::Settings;
use crate::edge::site::Site;
use crate::edge::store::index_header;
use crate::failure::Failure;
use crate::range::{Range, Span};

/// A released address that waits longer than this, in seconds, waits for its pod (`sticky`), and is there for others.
const MOST_QUARANTINE: u64 = 3_600;

/// How many addresses of each range are taken, of every network of this host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fullness {
    ranges: Vec<(Family, Span, u64)>,
}

impl Fullness {
    /// Reads the counts that stores keep: a few octets of each, without waiting for a verb that is under way. None when an
    /// index is being written, or is damaged, which the next verb mends.
    ///
    /// # Errors
    /// A store cannot be read, or is of a newer version.
    pub fn read(site: &Site) -> Result<Option<Self>, Failure> {
        let mut ranges = Vec::new();
        for network in networks(site)? {
            let directory = site.store_of(&network, &Placement::default());
            let Some(index) = Named::open(directory.join("index"), false)? else { continue };
            let Some(header) = index_header(&index)? else { return Ok(None) };
            if header.boot != site.boot()? && !header.is_durable {
                continue;
            }
            let waits = Settings::read(&directory)?.rest > MOST_QUARANTINE;
            ranges.extend(header.ranges.iter().map(|state| {
                let released = if waits { u64::from(state.released) } else { 0 };
                (state.family, state.span, state.taken.saturating_sub(released))
            }));
        }
        Ok(Some(Self { ranges }))
    }

    /// Returns how many addresses of a block can be given out: those that no lease holds, and whose quarantine is over. Of
    /// several networks that give addresses of the same block the fullest counts.
    pub fn free(&self, block: IpNet) -> u128 {
        let whole = Span { first: number(block.network()), last: number(block.broadcast()) };
        let is_inside = |family: Family, span: Span| {
            family == Family::of(block.addr())
                && whole.contains(span.first)
                && whole.contains(span.last)
        };
        let within = self.ranges.iter().filter(|(family, span, _)| is_inside(*family, *span));
        let taken = within.map(|(.., taken)| *taken).max().unwrap_or_default();
        let capacity = Range::of_subnet(block).map_or(0, |range| range.capacity());
        capacity.saturating_sub(u128::from(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_network_of_a_block_counts_and_others_blocks_do_not() {
        let net = |text: &str| -> IpNet { text.parse().unwrap() };
        let taken = |block: &str, taken: u64| {
            let range = Range::of_subnet(net(block)).unwrap();
            (range.family(), range.span(), taken)
        };
        let ranges = vec![
            taken("10.1.0.0/28", 3),
            taken("10.1.0.0/28", 5),
            taken("10.1.0.16/28", 9),
            taken("10.0.0.0/8", 100),
            taken("fd00::/64", 7),
        ];
        let fullness = Fullness { ranges };
        for (block, free) in [
            ("10.1.0.0/28", 13 - 5),
            ("10.1.0.16/28", 13 - 9),
            ("10.1.0.32/28", 13),
            ("10.1.0.48/32", 1),
            ("fd00::/64", (1 << 64) - 2 - 7),
            ("::a01:0/124", 14),
        ] {
            assert_eq!(fullness.free(net(block)), free, "{block}");
        }
    }
}
