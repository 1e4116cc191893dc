//! Nodes and IPPools as they are written.

use std::collections::BTreeMap;

use cluster::{Labels, Selector};
use cluster_source::WrittenObject;
use ipam_controller::blocks::{Input, NodeState, Pool};
use ipnet::IpNet;
use serde::Deserialize;

#[derive(Deserialize)]
struct Wire<S> {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<S>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    uid: Option<String>,
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "deletionTimestamp")]
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct PoolSpec {
    cidr: String,
    #[serde(rename = "blockSize")]
    block_size: u8,
    #[serde(rename = "nodeSelector")]
    node_selector: Option<String>,
    disabled: Option<bool>,
}

/// Reads a Node. One without a UID, in a file that people wrote, has its name as one.
pub(super) fn node(object: &WrittenObject) -> Result<Input, String> {
    let Wire { metadata, spec } = object.decode::<Wire<NodeSpec>>()?;
    let spec = spec.unwrap_or_default();
    let pod_cidrs = spec.pod_cidrs.filter(|list| !list.is_empty());
    let pod_cidrs = pod_cidrs
        .unwrap_or_else(|| spec.pod_cidr.into_iter().filter(|cidr| !cidr.is_empty()).collect());
    Ok(Input::Node(NodeState {
        uid: metadata.uid.unwrap_or_else(|| object.name.clone()).into(),
        name: object.name.as_str().into(),
        resource_version: metadata.resource_version.unwrap_or_default(),
        labels: metadata.labels.into_iter().flatten().collect::<Labels>(),
        pod_cidrs,
        wanted: 1,
        is_deleting: metadata.deletion_timestamp.is_some(),
    }))
}

/// Reads an IPPool.
pub(super) fn pool(object: &WrittenObject) -> Result<Input, String> {
    let spec = object.decode::<Wire<PoolSpec>>()?.spec;
    let spec = spec.ok_or("spec: is missing; write `cidr` and `blockSize`")?;
    let nodes = Selector::parse(spec.node_selector.as_deref().unwrap_or_default());
    let nodes = nodes.map_err(|error| format!("spec.nodeSelector: {error}"))?;
    let network = network("spec.cidr", &spec.cidr)?;
    let pool = Pool::new(object.name.as_str(), network, spec.block_size, nodes);
    let pool = pool.map_err(|error| format!("spec: {error}"))?;
    Ok(Input::Pool(Pool { is_closed: spec.disabled.unwrap_or(false), ..pool }))
}

fn network(field: &str, text: &str) -> Result<IpNet, String> {
    text.parse()
        .map_err(|_| format!("{field}: {text:?} is no network; write for example 10.244.0.0/16"))
}
