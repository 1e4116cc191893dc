//! The resources the server knows, as data: adding one is a line in [`BUILT_IN`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// Whether objects of a resource live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One per cluster.
    Cluster,
    /// One per namespace.
    Namespaced,
}

/// What the API does with `.status` outside the status subresource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusRule {
    /// No status subresource: `.status` is an ordinary field.
    Ordinary,
    /// Dropped on create, kept on update; only `/status` writes it.
    Reset,
    /// Kept on create (kubelet registers a Node with its status), then only `/status` writes it.
    KeptOnCreate,
}

/// One resource at the one version it is served at.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// Served version, for example `v1`.
    pub version: String,
    /// Name in paths, for example `endpointslices`.
    pub plural: String,
    /// Singular name, for example `endpointslice`.
    pub singular: String,
    /// Kind, for example `EndpointSlice`.
    pub kind: String,
    /// Short names kubectl accepts, for example `svc`.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub scope: Scope,
    /// What happens to `.status`.
    pub status: StatusRule,
    /// Field selector paths besides `metadata.name` and `metadata.namespace`.
    pub fields: Vec<String>,
    /// Served from a `CustomResourceDefinition`: no strategic merge patch.
    pub custom: bool,
}

impl Resource {
    /// Returns `group/version`, or just the version for core.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Returns `plural.group`, the identity of the resource across versions.
    pub fn id(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether objects of this resource live in a namespace.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

type Row = (
    &'static str, // group
    &'static str, // version
    &'static str, // plural
    &'static str, // kind
    &'static str, // short name
    Scope,
    StatusRule,
    &'static [&'static str], // field selectors
);

use Scope::{Cluster, Namespaced};
use StatusRule::{KeptOnCreate, Ordinary, Reset};

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
];
const SERVICE_FIELDS: &[&str] = &["spec.clusterIP", "spec.type"];
const EVENT_FIELDS: &[&str] =
    &["involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "reason", "type"];

/// The group of roles; they are kept and bind nobody.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// Built-in resources. Groups, scopes and field selectors as in the Kubernetes API reference.
#[rustfmt::skip]
pub const BUILT_IN: &[Row] = &[
    ("", "v1", "namespaces", "Namespace", "ns", Cluster, KeptOnCreate, &["status.phase"]),
    ("", "v1", "nodes", "Node", "no", Cluster, KeptOnCreate, &["spec.unschedulable"]),
    ("", "v1", "pods", "Pod", "po", Namespaced, Reset, POD_FIELDS),
    ("", "v1", "services", "Service", "svc", Namespaced, Reset, SERVICE_FIELDS),
    ("", "v1", "configmaps", "ConfigMap", "cm", Namespaced, Ordinary, &[]),
    ("", "v1", "serviceaccounts", "ServiceAccount", "sa", Namespaced, Ordinary, &[]),
    ("", "v1", "events", "Event", "ev", Namespaced, Ordinary, EVENT_FIELDS),
    ("events.k8s.io", "v1", "events", "Event", "", Namespaced, Ordinary, &["reason", "type"]),
    ("apps", "v1", "daemonsets", "DaemonSet", "ds", Namespaced, Reset, &[]),
    ("apps", "v1", "deployments", "Deployment", "deploy", Namespaced, Reset, &[]),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", Namespaced, Reset, &[]),
    (RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", "", Cluster, Ordinary, &[]),
    (RBAC, "v1", "clusterroles", "ClusterRole", "", Cluster, Ordinary, &[]),
    (RBAC, "v1", "rolebindings", "RoleBinding", "", Namespaced, Ordinary, &[]),
    (RBAC, "v1", "roles", "Role", "", Namespaced, Ordinary, &[]),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "", Namespaced, Ordinary, &[]),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", Namespaced, Ordinary, &[]),
    ("networking.k8s.io", "v1", "ipaddresses", "IPAddress", "ip", Cluster, Ordinary, &[]),
    ("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", "", Cluster, Reset, &[]),
    ("coordination.k8s.io", "v1", "leases", "Lease", "", Namespaced, Ordinary, &[]),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd", Cluster, Reset, &[]),
    ("multicluster.x-k8s.io", "v1alpha1", "serviceimports", "ServiceImport", "", Namespaced, Reset, &[]),
];

/// Groups of [`BUILT_IN`] that a real cluster serves from `CustomResourceDefinitions`.
const CUSTOM_GROUPS: &[&str] = &["multicluster.x-k8s.io"];

/// Identity of the resource whose objects define further resources.
pub const CRD_ID: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The resources served now: the built-in ones and those of `CustomResourceDefinitions`.
#[derive(Debug)]
pub struct Resources {
    by_id: BTreeMap<String, Arc<Resource>>,
}

impl Resources {
    /// Returns the built-in resources.
    pub fn built_in() -> Self {
        let rows = BUILT_IN.iter().map(built_in);
        Self { by_id: rows.map(|row| (row.id(), Arc::new(row))).collect() }
    }

    /// Finds a resource by what stands in a request path.
    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.iter()
            .find(|r| r.group == group && r.version == version && r.plural == plural)
            .cloned()
    }

    /// Finds a resource by what stands in an object.
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.iter().find(|r| r.kind == kind && r.api_version() == api_version).cloned()
    }

    /// Iterates over the resources in the order of their identity.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.by_id.values()
    }

    /// Serves the resource a `CustomResourceDefinition` describes, at its first served version.
    pub fn define(&mut self, definition: &Value) {
        if let Some(resource) = defined(definition) {
            self.by_id.entry(resource.id()).or_insert_with(|| Arc::new(resource));
        }
    }

    /// Stops serving the resource of a deleted `CustomResourceDefinition`; built-in ones stay.
    pub fn undefine(&mut self, definition: &Value) {
        let Some(id) = defined(definition).map(|resource| resource.id()) else {
            return;
        };
        if !BUILT_IN.iter().any(|row| built_in(row).id() == id) {
            self.by_id.remove(&id);
        }
    }
}

fn built_in(row: &Row) -> Resource {
    let &(group, version, plural, kind, short, scope, status, fields) = row;
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        short_names: [short].iter().filter(|s| !s.is_empty()).map(ToString::to_string).collect(),
        scope,
        status,
        fields: fields.iter().map(ToString::to_string).collect(),
        custom: CUSTOM_GROUPS.contains(&group),
    }
}

fn defined(definition: &Value) -> Option<Resource> {
    let spec = definition.get("spec")?;
    let names = spec.get("names")?;
    let text = |value: &Value, field: &str| Some(value.get(field)?.as_str()?.to_owned());
    let versions = spec.get("versions")?.as_array()?;
    let version = versions.iter().find(|v| v["served"] == Value::Bool(true))?;
    let kind = text(names, "kind")?;
    let short_names = names["shortNames"].as_array().into_iter().flatten();
    Some(Resource {
        group: text(spec, "group")?,
        version: text(version, "name")?,
        plural: text(names, "plural")?,
        singular: text(names, "singular").unwrap_or_else(|| kind.to_lowercase()),
        short_names: short_names.filter_map(|s| Some(s.as_str()?.to_owned())).collect(),
        scope: if spec["scope"] == "Namespaced" { Namespaced } else { Cluster },
        status: if version.pointer("/subresources/status").is_some() { Reset } else { Ordinary },
        fields: Vec::new(),
        custom: true,
        kind,
    })
}
