//! Services, IPAddresses and ServiceCIDRs as they are written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cluster::ObjectKey;
use cluster_source::WrittenObject;
use ipam_controller::services::{
    AddressState, Given, HealthCheck, RangeState, ServiceInput, ServiceState, Wish, Written,
};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node_blocks::objects::{seconds, stamp};

/// The label of an IPAddress that says who looks after it, and the word of allocators of Services.
const MANAGED_BY: (&str, &str) = ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");

/// The label of an IPAddress with its family.
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

/// What keeps a ServiceCIDR until nothing of it is given any more.
pub(super) const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";

#[derive(Deserialize)]
struct Wire<S> {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<S>,
    status: Option<Status>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(rename = "resourceVersion", default)]
    resource_version: String,
    #[serde(rename = "creationTimestamp")]
    created: Option<String>,
    #[serde(rename = "deletionTimestamp")]
    deletion: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    finalizers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
struct AddressSpec {
    #[serde(rename = "parentRef")]
    parent: Option<Parent>,
}

#[derive(Deserialize)]
struct Parent {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct RangeSpec {
    #[serde(default)]
    cidrs: Vec<String>,
}

#[derive(Deserialize)]
struct Status {
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type", default)]
    of: String,
    #[serde(default)]
    status: String,
}

/// Reads a Service.
pub(super) fn service(object: &WrittenObject) -> Result<ServiceInput, String> {
    let (key, wish) = object.wish()?;
    let metadata = object.decode::<Wire<Empty>>()?.metadata;
    Ok(ServiceInput::Service(ServiceState {
        key,
        uid: metadata.uid.into(),
        resource_version: metadata.resource_version,
        wish,
        is_deleting: metadata.deletion.is_some(),
    }))
}

/// Reads an IPAddress.
pub(super) fn address(object: &WrittenObject) -> Result<ServiceInput, String> {
    let Wire { metadata, spec, .. } = object.decode::<Wire<AddressSpec>>()?;
    let ip: IpAddr = object.name.parse().map_err(|_| {
        format!("metadata.name: {:?} is no address; delete the object", object.name)
    })?;
    let parent = spec.and_then(|spec| spec.parent);
    let parent = parent.filter(|it| it.group.is_empty() && it.resource == "services");
    let label = |name: &str| metadata.labels.as_ref().and_then(|labels| labels.get(name));
    let (is_managed, is_labelled) = (
        label(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1),
        label(FAMILY).is_some_and(|value| value == family(ip)),
    );
    Ok(ServiceInput::Address(AddressState {
        ip,
        is_managed,
        is_labelled,
        created: metadata.created.as_deref().map(seconds).transpose()?.unwrap_or_default(),
        parent: parent.map(|parent| ObjectKey::new(parent.namespace, parent.name)),
        uid: metadata.uid.into(),
        resource_version: metadata.resource_version,
    }))
}

/// Reads a ServiceCIDR.
pub(super) fn range(object: &WrittenObject) -> Result<ServiceInput, String> {
    let Wire { metadata, spec, status } = object.decode::<Wire<RangeSpec>>()?;
    let network = |text: &String| {
        let network = text.parse::<IpNet>().ok().filter(|network| *network == network.trunc());
        network.ok_or_else(|| format!("spec.cidrs: {text:?} is no network; delete the object"))
    };
    let networks = spec.map(|spec| spec.cidrs).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.of == "Ready");
    let finalizers = metadata.finalizers.unwrap_or_default();
    Ok(ServiceInput::Range(RangeState {
        name: object.name.as_str().into(),
        uid: metadata.uid.into(),
        resource_version: metadata.resource_version,
        networks: networks.iter().map(network).collect::<Result<_, _>>()?,
        deleted_at: metadata.deletion.as_deref().map(seconds).transpose()?,
        has_finalizer: finalizers.iter().any(|finalizer| finalizer == FINALIZER),
        ready: ready.map(|ready| ready.status == "True"),
    }))
}

/// Returns the finalizers of an object.
pub(super) fn finalizers(object: &WrittenObject) -> Vec<String> {
    let wire = object.decode::<Wire<Empty>>().ok();
    wire.and_then(|wire| wire.metadata.finalizers).unwrap_or_default()
}

/// Returns the IPAddress of a Service.
pub(super) fn written_address(ip: IpAddr, service: &ObjectKey) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": ip.to_string(),
            "labels": {(FAMILY): family(ip), (MANAGED_BY.0): MANAGED_BY.1},
        },
        "spec": {"parentRef": {
            "group": "",
            "resource": "services",
            "namespace": &*service.namespace,
            "name": &*service.name,
        }},
    })
}

/// Returns the ServiceCIDR of networks.
pub(super) fn written_range(name: &str, networks: &[IpNet]) -> Value {
    let cidrs: Vec<String> = networks.iter().map(ToString::to_string).collect();
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": name},
        "spec": {"cidrs": cidrs},
    })
}

/// Returns the status of a ServiceCIDR at a time, in seconds since 1970.
pub(super) fn written_status(is_ready: bool, now: u64) -> Value {
    let (status, reason, message) = if is_ready {
        ("True", "Ready", "addresses are given from it")
    } else {
        ("False", "Terminating", "Services have addresses of it that no other ServiceCIDR has")
    };
    json!({"status": {"conditions": [{
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(now),
    }]}})
}

/// Returns the operations that give a Service what it lacks and take what it is to lose.
pub(super) fn operations(given: &Given, wish: &Wish) -> Vec<Value> {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let mut operations = Vec::new();
    if let Some(primary) = given.addresses.first() {
        let all: Vec<String> = given.addresses.iter().map(ToString::to_string).collect();
        let families: Vec<&str> = given.addresses.iter().map(|ip| family(*ip)).collect();
        operations.push(add("/spec/clusterIP", json!(primary.to_string())));
        operations.push(add("/spec/clusterIPs", json!(all)));
        operations.push(add("/spec/ipFamilies", json!(families)));
        if wish.policy.is_none() && wish.cluster_ips == Written::Nothing {
            operations.push(add("/spec/ipFamilyPolicy", json!("SingleStack")));
        }
    }
    for (at, port) in given.node_ports.iter().enumerate() {
        if let Some(port) = port {
            operations.push(add(&format!("/spec/ports/{at}/nodePort"), json!(port)));
        }
    }
    let written = wish.ports.iter().enumerate().filter(|(_, port)| port.node_port.is_some());
    for (at, _) in written.filter(|_| given.drops_node_ports) {
        operations.push(json!({"op": "remove", "path": format!("/spec/ports/{at}/nodePort")}));
    }
    match given.health_check {
        Some(HealthCheck::Given(port)) => {
            operations.push(add("/spec/healthCheckNodePort", json!(port)));
        }
        Some(HealthCheck::Dropped) => {
            operations.push(json!({"op": "remove", "path": "/spec/healthCheckNodePort"}));
        }
        None => {}
    }
    operations
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { "IPv6" } else { "IPv4" }
}
