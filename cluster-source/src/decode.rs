//! From the JSON of one Kubernetes object to the model's object: both sources share it.
//!
//! Each kind has its own slim wire type, which names only the fields that the model reads; others are
//! skipped without being kept. Values that the API server would have filled in are filled in here, so that
//! hand-written manifests mean what they would mean in a cluster.

mod bad;
mod cidr;
mod endpoint_slice;
mod metadata;
mod names;
mod namespace;
mod network_policy;
mod node;
mod plain;
mod pod;
mod selector;
mod service;
mod service_import;
mod service_wish;
mod value;
mod wire;

use std::sync::Arc;

use cluster::{Kind, Object, ObjectKey};

pub(crate) use bad::BadObject;
use bad::Fault;
use metadata::Metadata;
pub(crate) use metadata::{DEFAULT_NAMESPACE, Header};
use names::Names;
pub(crate) use namespace::implied as implied_namespace;
pub(crate) use plain::plain;
pub(crate) use service_wish::service_wish;

/// Reads an object into a type of the caller's, which names the fields that it wants; the error is `FIELD: PROBLEM`
/// with the remedy.
pub(crate) fn read_as<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    wire::parse(json).map_err(|Fault { field, problem }| format!("{field}: {problem}"))
}

/// Decodes objects and lets them share the strings that repeat from object to object.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    names: Names,
}

/// What one kind's conversion works with, besides its wire type.
struct Context<'a> {
    names: &'a mut Names,
    labels: Keep,
    /// Parts of the object that are left out.
    dropped: Vec<Fault>,
}

/// An object that can be used.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decoded {
    /// The object.
    pub(crate) object: Object,
    /// Parts that were left out because they cannot be used: endpoints without a usable address, peers and ports of
    /// policies that cannot be read and match nothing.
    pub(crate) dropped: Vec<BadObject>,
}

/// Whether the labels of an object are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    /// They are, to select by or to keep.
    Labels,
    /// They are not, and cost nothing.
    NoLabels,
}

impl Decoder {
    /// Decodes one object of a kind. An object without a namespace, of a kind that has one, is in
    /// `default`.
    ///
    /// # Errors
    /// The object cannot be used; the error names it as far as it can be named, the field, and a remedy.
    pub(crate) fn decode(
        &mut self,
        kind: Kind,
        json: &str,
        keep: Keep,
    ) -> Result<Decoded, BadObject> {
        let mut context = Context { names: &mut self.names, labels: keep, dropped: Vec::new() };
        let decoded = match kind {
            Kind::Namespace => {
                namespace::decode(json, &mut context).map(|o| Object::Namespace(Arc::new(o)))
            }
            Kind::Node => node::decode(json, &mut context).map(|o| Object::Node(Arc::new(o))),
            Kind::Pod => pod::decode(json, &mut context).map(|o| Object::Pod(Arc::new(o))),
            Kind::Service => {
                service::decode(json, &mut context).map(|o| Object::Service(Arc::new(o)))
            }
            Kind::EndpointSlice => endpoint_slice::decode(json, &mut context)
                .map(|o| Object::EndpointSlice(Arc::new(o))),
            Kind::NetworkPolicy => network_policy::decode(json, &mut context)
                .map(|o| Object::NetworkPolicy(Arc::new(o))),
            Kind::ServiceImport => service_import::decode(json, &mut context)
                .map(|o| Object::ServiceImport(Arc::new(o))),
        };
        let dropped = context.dropped;
        let bad = |fault| BadObject::new(kind, key_of(kind, json), fault);
        let dropped = dropped.into_iter().map(bad).collect();
        decoded.map(|object| Decoded { object, dropped }).map_err(bad)
    }
}

/// Returns the key of an object of a kind when at least that much of it can be read.
pub(crate) fn key_of(kind: Kind, json: &str) -> Option<ObjectKey> {
    let header: Header<'_> = wire::parse(json).ok()?;
    header.key(kind)
}

impl Context<'_> {
    /// Returns the key of a namespaced object.
    fn key(&mut self, metadata: &Metadata<'_>) -> Result<ObjectKey, Fault> {
        let namespace = self.names.text(metadata.namespace_or_default());
        Ok(ObjectKey { namespace, name: metadata.checked_name()?.into() })
    }

    /// Returns the labels of an object, if somebody reads them.
    fn labels(&mut self, metadata: &Metadata<'_>) -> cluster::Labels {
        match self.labels {
            Keep::NoLabels => cluster::Labels::default(),
            Keep::Labels => metadata
                .labels()
                .map(|(key, value)| (self.names.text(key), self.names.text(value)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
