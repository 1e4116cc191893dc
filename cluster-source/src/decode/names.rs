//! Strings that repeat from object to object are stored once.

use std::collections::HashSet;

use cluster::Text;

/// The strings that were seen lately.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: HashSet<Text>,
}

/// How many strings are remembered. Forgetting costs only memory: strings that come again are stored again.
const MOST: usize = 32 * 1024;

impl Names {
    /// Returns the string, sharing the storage of an equal one seen before.
    pub(super) fn text(&mut self, name: &str) -> Text {
        if let Some(known) = self.seen.get(name) {
            return known.clone();
        }
        if self.seen.len() >= MOST {
            self.seen.clear();
        }
        let text = Text::from(name);
        self.seen.insert(text.clone());
        text
    }
}
