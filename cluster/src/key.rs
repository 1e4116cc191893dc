//! Names of objects.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use equivalent::Equivalent;

/// An immutable string that is cheap to share between objects, indexes and snapshots.
pub type Text = Arc<str>;

/// The namespace and name of an object; the namespace of a cluster-scoped object is empty.
///
/// Ordered by namespace, then name, so that whatever iterates in key order gives the same bytes
/// for the same cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace, empty for Namespaces and Nodes.
    pub namespace: Text,
    /// The name within the namespace.
    pub name: Text,
}

/// An [`ObjectKey`] made of borrowed strings, to look objects up without allocating.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRef<'a> {
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name within the namespace.
    pub name: &'a str,
}

impl ObjectKey {
    /// Returns the key of a namespaced object.
    pub fn new(namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Returns the key of a cluster-scoped object: a Namespace or a Node.
    pub fn cluster_scoped(name: impl Into<Text>) -> Self {
        Self::new("", name)
    }
}

impl Hash for ObjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { namespace: &self.namespace, name: &self.name }.hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.namespace.hash(state);
        self.name.hash(state);
    }
}

impl Equivalent<ObjectKey> for KeyRef<'_> {
    fn equivalent(&self, key: &ObjectKey) -> bool {
        self.name == &*key.name && self.namespace == &*key.namespace
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
