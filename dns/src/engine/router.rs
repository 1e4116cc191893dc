//! From a name to the server block that serves it.

use std::collections::HashMap;

use hickory_proto::rr::{LowerName, RecordType};

/// The zones of one listener.
#[derive(Clone, Debug, Default)]
pub struct Router {
    zones: HashMap<LowerName, usize>,
}

impl Router {
    /// Adds a zone that the block serves. The first block of a zone stays; says whether this was it.
    pub fn add(&mut self, zone: LowerName, block: usize) -> bool {
        let mut first = false;
        self.zones.entry(zone).or_insert_with(|| {
            first = true;
            block
        });
        first
    }

    /// Returns the block with the longest zone that the name is in.
    ///
    /// A DS record belongs to the parent side of a zone cut (RFC 4035 §3.1.4.1), so a DS question for an
    /// apex goes to the enclosing zone when that is served too.
    pub fn block_of(&self, name: &LowerName, qtype: RecordType) -> Option<usize> {
        let mut apex_of_name = None;
        let mut suffix = name.clone();
        loop {
            if let Some(block) = self.zones.get(&suffix) {
                if qtype == RecordType::DS && suffix == *name && !suffix.is_root() {
                    apex_of_name = Some(*block);
                } else {
                    return Some(*block);
                }
            }
            if suffix.is_root() {
                return apex_of_name;
            }
            suffix = suffix.base_name();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_wins_and_ds_goes_to_the_parent() {
        let mut router = Router::default();
        for (zone, block) in [("example.org.", 0), ("sub.example.org.", 1), ("other.net.", 2)] {
            assert!(router.add(zone.parse().unwrap(), block));
        }
        assert!(!router.add("other.net.".parse().unwrap(), 3), "the first block stays");
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
            assert_eq!(router.block_of(&name.parse().unwrap(), qtype), block, "{name} {qtype}");
        }
        router.add(".".parse().unwrap(), 4);
        assert_eq!(router.block_of(&"notexample.org.".parse().unwrap(), RecordType::A), Some(4));
    }
}
