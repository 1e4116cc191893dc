//! Where a name is in the tree of a zone.

use hickory_proto::rr::{LowerName, RecordType};

use crate::plugin::file::zone::{Node, RecordSet, Zone};

/// Where a name is in the tree of a zone.
pub(super) enum Place<'a> {
    /// At or below a cut.
    Below { cut: &'a LowerName, node: &'a Node },
    /// Below a name with a DNAME record.
    Renamed { owner: LowerName, node: &'a Node, set: &'a RecordSet },
    /// It exists.
    Exact(&'a Node),
    /// It does not exist, but a wildcard covers it.
    Wildcard(&'a LowerName, &'a Node),
    /// It does not exist. With the longest name above it that does.
    Missing { encloser: LowerName },
}

impl<'a> Place<'a> {
    /// Finds a name from its end on; the cut or DNAME record nearest to the apex counts.
    pub(super) fn of(zone: &'a Zone, lower: &LowerName, qtype: RecordType) -> Self {
        let (mut encloser, mut stop) = (None, None);
        let mut at = lower.clone();
        while at != *zone.origin() && !at.is_root() {
            if let Some((known, node)) = zone.node_entry(&at) {
                encloser.get_or_insert_with(|| at.clone());
                let is_parent_side = qtype == RecordType::DS && at == *lower;
                if node.set(RecordType::NS).is_some() && !is_parent_side {
                    stop = Some(Place::Below { cut: known, node });
                } else if let Some(place) = renamed(&at, node, lower) {
                    stop = Some(place);
                }
            }
            at = at.base_name();
        }
        let apex = zone.apex().and_then(|node| renamed(zone.origin(), node, lower));
        if let Some(stop) = apex.or(stop) {
            return stop;
        }
        if let Some(node) = zone.node(lower) {
            return Place::Exact(node);
        }
        let encloser = encloser.unwrap_or_else(|| zone.origin().clone());
        let wildcard = encloser.prepend_label("*").ok().map(LowerName::from);
        match wildcard.and_then(|wildcard| zone.node_entry(&wildcard)) {
            Some((wildcard, node)) => Place::Wildcard(wildcard, node),
            None => Place::Missing { encloser },
        }
    }
}

/// Returns where a name below one with a DNAME record is.
fn renamed<'a>(owner: &LowerName, node: &'a Node, lower: &LowerName) -> Option<Place<'a>> {
    let set = node.set(RecordType::DNAME).filter(|_| owner != lower)?;
    Some(Place::Renamed { owner: owner.clone(), node, set })
}
