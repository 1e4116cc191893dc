//! The model as manifests: the inverse of `decode`.
//!
//! `/debug/cluster` shows a live cluster this way, so that what was seen can be saved and served from a file:
//! a bug report is a fixture.

mod network_policy;

use std::net::IpAddr;

use cluster::{
    Cluster, EndpointSlice, Labels, LoadBalancerIngress, Namespace, Node, Object, ObjectKey, Phase,
    Pod, Protocol, Service, ServiceAddress, ServicePort, ServiceType, TargetPort, Text,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns a `v1` List of every object in the snapshot, sorted by kind, namespace and name.
///
/// Holds what the model holds: fields that nothing reads are not there, and labels only where the source
/// keeps them. Read as manifests it gives an equal snapshot. Objects become JSON one by one as they are written:
/// all of them at once would take many times the memory of their text.
pub fn dump(cluster: &Cluster) -> impl Serialize {
    List { api_version: "v1", kind: "List", items: Items(cluster.objects()) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    api_version: &'static str,
    kind: &'static str,
    items: Items,
}

struct Items(Vec<Object>);

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(manifest))
    }
}

fn manifest(object: &Object) -> Value {
    match object {
        Object::Namespace(it) => namespace(it),
        Object::Node(it) => node(it),
        Object::Pod(it) => pod(it),
        Object::Service(it) => service(it),
        Object::EndpointSlice(it) => endpoint_slice(it),
        Object::NetworkPolicy(it) => network_policy::manifest(it),
        Object::ServiceImport(it) => service_import(it),
    }
}

fn metadata(key: &ObjectKey, labels: &Labels) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(*key.name));
    if !key.namespace.is_empty() {
        metadata.insert("namespace".into(), json!(*key.namespace));
    }
    if !labels.is_empty() {
        let labels: Map<String, Value> =
            labels.iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        metadata.insert("labels".into(), labels.into());
    }
    metadata
}

fn namespace(namespace: &Namespace) -> Value {
    let key = ObjectKey::cluster_scoped(namespace.name.clone());
    let mut metadata = metadata(&key, &namespace.labels);
    if namespace.audit {
        metadata.insert("annotations".into(), json!({ "portolan.dev/netpol-mode": "audit" }));
    }
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })
}

fn node(node: &Node) -> Value {
    let addresses: Vec<Value> =
        node.addresses.iter().map(|ip| json!({ "type": "InternalIP", "address": ip })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata(&ObjectKey::cluster_scoped(node.name.clone()), &node.labels),
        "spec": { "podCIDRs": node.pod_cidrs.iter().map(ToString::to_string).collect::<Vec<_>>() },
        "status": { "addresses": addresses },
    })
}

fn pod(pod: &Pod) -> Value {
    let ports: Vec<Value> = pod
        .ports
        .iter()
        .map(|port| {
            let (name, protocol) = (optional(&port.name), protocol(port.protocol));
            json!({ "name": name, "containerPort": port.port, "protocol": protocol })
        })
        .collect();
    let mut metadata = metadata(&pod.key, &pod.labels);
    if pod.terminating {
        // When does not matter to the model, that it is set does.
        metadata.insert("deletionTimestamp".into(), json!("1970-01-01T00:00:00Z"));
    }
    let ips: Vec<Value> = pod.ips.iter().map(|ip| json!({ "ip": ip })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": pod.node_name.as_deref(),
            "hostNetwork": pod.host_network,
            "containers": [{ "name": "all", "ports": ports }],
        },
        "status": {
            "phase": phase(pod.phase),
            "podIP": pod.ips.first(),
            "podIPs": ips,
            "startTime": time(pod.started),
        },
    })
}

/// Writes a time as RFC 3339 has it; none for 0, which is no time.
fn time(seconds: u32) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds.into()).ok()?;
    (seconds != 0).then(|| time.format(&Rfc3339).ok())?
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
        Phase::Unknown => "Unknown",
    }
}

fn service(service: &Service) -> Value {
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target_port {
                TargetPort::Number(number) => json!(number),
                TargetPort::Name(name) => json!(**name),
            };
            json!({
                "name": optional(&port.name),
                "protocol": protocol(port.protocol),
                "port": port.port,
                "targetPort": target,
                "nodePort": port.node_port,
            })
        })
        .collect();
    let (cluster_ip, cluster_ips, external_name) = addresses(&service.address);
    let ingress: Vec<Value> = service
        .load_balancer
        .iter()
        .map(|ingress| match ingress {
            LoadBalancerIngress::Ip(ip) => json!({ "ip": ip }),
            LoadBalancerIngress::Hostname(name) => json!({ "hostname": **name }),
        })
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(&service.key, &service.labels),
        "spec": {
            "type": service_type(service.service_type),
            "clusterIP": cluster_ip,
            "clusterIPs": cluster_ips,
            "externalName": external_name,
            "externalIPs": service.external_ips,
            "ports": ports,
        },
        "status": { "loadBalancer": { "ingress": ingress } },
    })
}

fn service_import(import: &Service) -> Value {
    let port = |port: &ServicePort| {
        let (name, protocol) = (optional(&port.name), protocol(port.protocol));
        json!({ "name": name, "protocol": protocol, "port": port.port })
    };
    json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": metadata(&import.key, &import.labels),
        "spec": {
            "type": if import.is_headless() { "Headless" } else { "ClusterSetIP" },
            "ips": import.cluster_ips(),
            "ports": import.ports.iter().map(port).collect::<Vec<_>>(),
        },
    })
}

/// Returns `clusterIP`, `clusterIPs` and `externalName`.
fn addresses(address: &ServiceAddress) -> (Value, Value, Value) {
    match address {
        ServiceAddress::ClusterIps(ips) => (json!(ips.first()), json!(**ips), Value::Null),
        ServiceAddress::Headless => (json!("None"), json!(["None"]), Value::Null),
        ServiceAddress::ExternalName(name) => (Value::Null, Value::Null, json!(**name)),
        ServiceAddress::Pending => (Value::Null, Value::Null, Value::Null),
    }
}

fn service_type(service_type: ServiceType) -> &'static str {
    match service_type {
        ServiceType::ClusterIp => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
        ServiceType::ExternalName => "ExternalName",
    }
}

fn endpoint_slice(slice: &EndpointSlice) -> Value {
    let mut metadata = metadata(&slice.key, &slice.labels);
    if let Some(service) = &slice.service_name {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        labels["kubernetes.io/service-name"] = json!(**service);
    }
    if let Some(import) = &slice.import {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        labels["multicluster.kubernetes.io/service-name"] = json!(*import.service_name);
        labels["multicluster.kubernetes.io/source-cluster"] = json!(*import.cluster);
    }
    let endpoints: Vec<Value> = slice
        .endpoints
        .iter()
        .map(|endpoint| {
            json!({
                "addresses": *endpoint.addresses,
                "hostname": endpoint.hostname.as_deref(),
                "zone": endpoint.zone.as_deref(),
                "targetRef": endpoint.target_name.as_deref().map(|name| json!({ "kind": "Pod", "name": name })),
                "conditions": {
                    "ready": endpoint.ready,
                    "serving": endpoint.serving,
                    "terminating": endpoint.terminating,
                },
            })
        })
        .collect();
    let ports: Vec<Value> = slice
        .ports
        .iter()
        .map(|port| {
            let (name, protocol) = (optional(&port.name), protocol(port.protocol));
            json!({ "name": name, "protocol": protocol, "port": port.port })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": address_type(slice),
        "endpoints": endpoints,
        "ports": ports,
    })
}

/// Slices without addresses may be of any family; FQDN slices have none in the model.
fn address_type(slice: &EndpointSlice) -> &'static str {
    let mut ips = slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter());
    if ips.next().is_some_and(IpAddr::is_ipv6) { "IPv6" } else { "IPv4" }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// An empty name is none.
fn optional(name: &Text) -> Option<&str> {
    Some(&**name).filter(|name| !name.is_empty())
}
