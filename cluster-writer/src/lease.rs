//! Leases (coordination.k8s.io/v1): who leads.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stamp::micro_time;

/// A Lease as far as leaders are concerned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Lease {
    /// `metadata.resourceVersion`; empty before it is written.
    pub(crate) resource_version: String,
    /// `spec.holderIdentity`; empty when nobody holds it.
    pub(crate) holder: String,
    /// `spec.leaseDurationSeconds`.
    pub(crate) seconds: u64,
    /// `spec.acquireTime`.
    pub(crate) acquired: String,
    /// `spec.renewTime`.
    pub(crate) renewed: String,
    /// `spec.leaseTransitions`.
    pub(crate) transitions: u64,
}

impl Lease {
    /// Reads an object; none when it is no Lease. Fields that are missing are as if they were empty.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(json).ok()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &object["spec"];
        Some(Self {
            resource_version: text(&object["metadata"]["resourceVersion"]),
            holder: text(&spec["holderIdentity"]),
            seconds: spec["leaseDurationSeconds"].as_u64().unwrap_or_default(),
            acquired: text(&spec["acquireTime"]),
            renewed: text(&spec["renewTime"]),
            transitions: spec["leaseTransitions"].as_u64().unwrap_or_default(),
        })
        .filter(|lease| !lease.resource_version.is_empty())
    }

    /// Returns the object.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> Value {
        let mut object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": self.seconds,
                "renewTime": self.renewed,
                "leaseTransitions": self.transitions,
            },
        });
        if !self.acquired.is_empty() {
            object["spec"]["acquireTime"] = json!(self.acquired);
        }
        if !self.resource_version.is_empty() {
            object["metadata"]["resourceVersion"] = json!(self.resource_version);
        }
        object
    }

    /// Returns the Lease renewed by its holder.
    pub(crate) fn renewed(&self, unix: Duration) -> Self {
        Self { renewed: micro_time(unix), ..self.clone() }
    }
}
