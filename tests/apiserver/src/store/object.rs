//! A stored object: its value and, beside it, the bytes that answers and events send.

use bytes::Bytes;
use serde_json::Value;

/// Where an object lives. Ordered as the API lists: by resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Identity of the resource, `plural.group`.
    pub resource: String,
    /// Namespace, empty for cluster-scoped resources.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// One version of an object; never changed, only replaced.
#[derive(Debug)]
pub struct Object {
    /// Where it lives.
    pub key: Key,
    /// The object itself, its `metadata.resourceVersion` set.
    pub value: Value,
    /// The object as JSON, serialized once.
    pub bytes: Bytes,
}

impl Object {
    /// Stamps a value with its resource version and serializes it.
    pub fn new(key: Key, mut value: Value, revision: u64) -> Self {
        value["metadata"]["resourceVersion"] = Value::String(revision.to_string());
        let bytes = Bytes::from(value.to_string());
        Self { key, value, bytes }
    }

    /// Returns `metadata.<field>` when it is text.
    pub fn metadata(&self, field: &str) -> Option<&str> {
        self.value["metadata"][field].as_str()
    }
}
