//! From a name to the server block that serves it.

use std::collections::HashMap;

use hickory_proto::rr::{LowerName, RecordType};

/// The zones of one listener.
#[derive(Clone, Debug, Default)]
pub struct Router {
    zones: HashMap<LowerName, Vec<usize>>,
}

impl Router {
    /// Adds a zone that the block serves, after other blocks that serve it: a block whose view does not take a
    /// query leaves it to the next.
    pub fn add(&mut self, zone: LowerName, block: usize) {
        self.zones.entry(zone).or_default().push(block);
    }

    /// Says whether a zone below this one is served, too.
    pub(crate) fn has_zone_below(&self, apex: &LowerName) -> bool {
        self.zones.keys().any(|zone| zone != apex && apex.zone_of(zone))
    }

    /// Iterates over the blocks with a zone that the name is in, those of the longest zone first.
    ///
    /// A DS record belongs to the parent side of a zone cut (RFC 4035 §3.1.4.1), so for a DS question the
    /// blocks of an apex come after those of the enclosing zones.
    pub fn blocks_of(&self, name: &LowerName, qtype: RecordType) -> impl Iterator<Item = usize> {
        let is_apex_last = qtype == RecordType::DS && !name.is_root();
        let mut suffix = Some(name.clone());
        if is_apex_last {
            suffix = Some(name.base_name());
        }
        let suffixes = std::iter::from_fn(move || {
            let found = suffix.take()?;
            suffix = (!found.is_root()).then(|| found.base_name());
            Some(found)
        });
        let apex = is_apex_last.then(|| name.clone());
        let blocks = suffixes.chain(apex).filter_map(|suffix| self.zones.get(&suffix));
        blocks.flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_wins_and_ds_goes_to_the_parent() {
        let mut router = Router::default();
        for (zone, block) in [("example.org.", 0), ("sub.example.org.", 1), ("other.net.", 2)] {
            router.add(zone.parse().unwrap(), block);
        }
        router.add("other.net.".parse().unwrap(), 3);
        let cases = [
            ("www.example.org.", RecordType::A, Some(0)),
            ("SUB.example.org.", RecordType::A, Some(1)),
            ("a.b.sub.example.org.", RecordType::A, Some(1)),
            ("sub.example.org.", RecordType::DS, Some(0)),
            ("x.sub.example.org.", RecordType::DS, Some(1)),
            ("other.net.", RecordType::DS, Some(2)),
            ("notexample.org.", RecordType::A, None),
            (".", RecordType::NS, None),
        ];
        for (name, qtype, block) in cases {
            let found = router.blocks_of(&name.parse().unwrap(), qtype).next();
            assert_eq!(found, block, "{name} {qtype}");
        }
        router.add(".".parse().unwrap(), 4);
        let all =
            |name: &str, qtype| router.blocks_of(&name.parse().unwrap(), qtype).collect::<Vec<_>>();
        assert_eq!(all("notexample.org.", RecordType::A), [4]);
        assert_eq!(all("x.other.net.", RecordType::A), [2, 3, 4], "views choose among them");
        assert_eq!(all("sub.example.org.", RecordType::DS), [0, 4, 1]);
    }
}
