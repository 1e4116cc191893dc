//! `metadata`, the part that objects of every kind share.

use cluster::{Kind, ObjectKey};
use serde::Deserialize;

use super::Fault;
use super::wire::{Word, Words, text};

/// The namespace of an object that names none, as kubectl has it.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// `metadata` of an object, as far as the model reads it.
#[derive(Deserialize, Debug, Default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    namespace: Option<Word<'a>>,
    #[serde(borrow)]
    labels: Option<Words<'a>>,
    #[serde(borrow, rename = "deletionTimestamp")]
    deletion_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    annotations: Option<Annotations<'a>>,
}

/// The annotations that mean something to the model. Others are of any form and are skipped.
#[derive(Deserialize, Debug)]
struct Annotations<'a> {
    #[serde(borrow, rename = "portolan.dev/netpol-mode")]
    policy_mode: Option<Word<'a>>,
}

/// What can be read of any object, even of one whose kind is unknown or whose other fields are broken.
#[derive(Deserialize, Debug)]
#[serde(expecting = "an object")]
pub(crate) struct Header<'a> {
    #[serde(borrow, rename = "apiVersion")]
    api_version: Option<Word<'a>>,
    #[serde(borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    metadata: Option<NameOnly<'a>>,
}

#[derive(Deserialize, Debug)]
struct NameOnly<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    namespace: Option<Word<'a>>,
    #[serde(borrow, rename = "resourceVersion")]
    resource_version: Option<Word<'a>>,
    #[serde(borrow)]
    uid: Option<Word<'a>>,
}

impl Metadata<'_> {
    /// Returns the name, which every object needs.
    pub(super) fn checked_name(&self) -> Result<&str, Fault> {
        let name = text(&self.name);
        if name.is_empty() || name.contains(['/', ' ', '\n']) {
            let problem = format!("{name:?} is no object name; give the object a name like `web`");
            return Err(Fault::new("metadata.name", problem));
        }
        Ok(name)
    }

    pub(super) fn namespace_or_default(&self) -> &str {
        non_empty(&self.namespace).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// Iterates over the labels in the order of their keys; a null value is an empty one, as in Go.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().flatten().map(|(key, value)| (&**key, text(value)))
    }

    /// Returns one label's value.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels().find_map(|(k, value)| (k == key).then_some(value))
    }

    /// Says whether NetworkPolicies are only audited here (annotation `portolan.dev/netpol-mode`).
    ///
    /// # Errors
    /// The annotation has a value that means nothing.
    pub(super) fn is_audited(&self) -> Result<bool, Fault> {
        let mode =
            self.annotations.as_ref().map_or("", |annotations| text(&annotations.policy_mode));
        match mode {
            "" | "enforce" => Ok(false),
            "audit" => Ok(true),
            _ => {
                let field = "metadata.annotations[portolan.dev/netpol-mode]";
                let problem = format!("{mode:?} is no mode; write audit or enforce");
                Err(Fault::new(field, problem))
            }
        }
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

impl Header<'_> {
    /// Returns `apiVersion`; empty when absent.
    pub(crate) fn api_version(&self) -> &str {
        text(&self.api_version)
    }

    /// Returns `kind`; empty when absent.
    pub(crate) fn kind(&self) -> &str {
        text(&self.kind)
    }

    /// Returns `metadata.name`; empty when absent.
    pub(crate) fn name(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| text(&metadata.name))
    }

    /// Returns `metadata.namespace` if the object names one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.metadata.as_ref().and_then(|metadata| non_empty(&metadata.namespace))
    }

    /// Returns `metadata.resourceVersion`; empty when absent.
    pub(crate) fn resource_version(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| text(&metadata.resource_version))
    }

    /// Returns `metadata.uid`; empty when absent.
    pub(crate) fn uid(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| text(&metadata.uid))
    }

    /// Returns the object's key if it has a name.
    pub(crate) fn key(&self, kind: Kind) -> Option<ObjectKey> {
        let name = self.metadata.as_ref().and_then(|metadata| non_empty(&metadata.name))?;
        Some(if kind.is_namespaced() {
            ObjectKey::new(self.namespace().unwrap_or(DEFAULT_NAMESPACE), name)
        } else {
            ObjectKey::cluster_scoped(name)
        })
    }
}

fn non_empty<'a>(word: &'a Option<Word<'_>>) -> Option<&'a str> {
    word.as_deref().filter(|text| !text.is_empty())
}
