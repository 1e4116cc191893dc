//! Names of objects.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smol_str::SmolStr;

/// An immutable string that is cheap to share between objects, indexes and snapshots.
pub type Text = Arc<str>;

/// The same for strings that are not shared, such as names of objects. Up to 23 octets, as most names have, stand in place:
/// whoever finds the object has its name, too, and waits for memory once.
pub type ShortText = SmolStr;

/// The namespace and name of an object; the namespace of a cluster-scoped object is empty.
///
/// Ordered by namespace, then name, so that whatever iterates in key order gives the same bytes
/// for the same cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace, empty for Namespaces and Nodes.
    pub namespace: Text,
    /// The name within the namespace.
    pub name: ShortText,
}

/// An [`ObjectKey`] made of borrowed strings, to look objects up without allocating.
///
/// Ordered as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyRef<'a> {
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name within the namespace.
    pub name: &'a str,
}

impl ObjectKey {
    /// Returns the key of a namespaced object.
    pub fn new(namespace: impl Into<Text>, name: impl Into<ShortText>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Returns the key of a cluster-scoped object: a Namespace or a Node.
    pub fn cluster_scoped(name: impl Into<ShortText>) -> Self {
        Self::new("", name)
    }

    /// Returns the same key, borrowed.
    pub fn borrowed(&self) -> KeyRef<'_> {
        KeyRef { namespace: &self.namespace, name: &self.name }
    }
}

impl From<KeyRef<'_>> for ObjectKey {
    fn from(key: KeyRef<'_>) -> Self {
        Self::new(key.namespace, key.name)
    }
}

impl Hash for ObjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

/// Writes `namespace/name`, or `name` alone for a cluster-scoped object, as `kubectl` does.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
