//! What plugins know about a query, by label: CoreDNS's `metadata`.

use super::Block;
use crate::Query;

/// The metadata of one query. A value is worked out when it is asked for, so that a label that nobody reads
/// costs nothing.
///
/// There is none unless the block has the plugin `metadata` for the query's name.
#[derive(Clone, Copy, Default, Debug)]
pub struct Metadata<'a>(Option<(&'a Block, &'a Query)>);

impl<'a> Metadata<'a> {
    /// Returns the metadata of a query in a block.
    pub(super) fn of(block: &'a Block, query: &'a Query) -> Self {
        let is_enabled = block.metadata.iter().any(|zone| zone.zone_of(&query.lower));
        Self(is_enabled.then_some((block, query)))
    }

    /// Returns the value of a label such as `kubernetes/service`; none when no plugin of the block knows it.
    pub fn get(&self, label: &str) -> Option<String> {
        let (block, query) = self.0?;
        if label == "view/name" {
            return Some(block.view.as_ref()?.name().to_owned());
        }
        block.plugins.iter().find_map(|plugin| plugin.metadata(label, query))
    }
}
