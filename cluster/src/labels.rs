//! Labels of objects.

use std::fmt;
use std::sync::Arc;

use crate::Text;

/// The labels of an object, sorted by key; each key occurs once.
///
/// A clone shares the storage; an object without labels owns none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Option<Arc<[(Text, Text)]>>);

impl Labels {
    /// Returns the value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entries = self.0.as_deref()?;
        let at = entries.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&entries[at].1)
    }

    /// Iterates over keys and values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|entries| entries.iter()).map(|(k, v)| (&**k, &**v))
    }

    /// Says whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Collects labels; of entries with the same key the last one stays, as in a JSON object.
impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Text, Text)> =
            entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Self((!entries.is_empty()).then(|| entries.into()))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_stays() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!((labels.get("b"), labels.get("c")), (Some("3"), None));
    }
}
