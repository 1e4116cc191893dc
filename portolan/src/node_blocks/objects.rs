//! Nodes, IPPools and NodeBlocks as they are written.

use std::collections::BTreeMap;

use cluster::{Labels, Selector, Text};
use cluster_source::WrittenObject;
use ipam_controller::Family;
use ipam_controller::blocks::{Ask, Choice, Input, MOST_BLOCKS, NodeState, Pool, Record};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The annotation of a Node that says how many blocks of each family it is to have.
const WANTED: &str = "portolan.dev/blocks";

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
    annotations: Option<BTreeMap<String, String>>,
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
    #[serde(rename = "blocksPerNode")]
    blocks_per_node: Option<u8>,
}

#[derive(Deserialize)]
struct RecordSpec {
    #[serde(default)]
    node: String,
    #[serde(default)]
    blocks: Vec<Block>,
    #[serde(rename = "releasedAt")]
    released_at: Option<String>,
}

#[derive(Deserialize)]
struct Block {
    cidr: String,
    pool: Option<String>,
}

#[derive(Deserialize)]
struct StatusWire {
    status: Option<RecordStatus>,
}

#[derive(Deserialize)]
struct RecordStatus {
    requests: Option<Vec<Request>>,
}

#[derive(Deserialize)]
struct Request {
    family: String,
    blocks: u8,
    free: Option<u64>,
}

/// Reads a Node. One without a UID, in a file that people wrote, has its name as one.
pub(crate) fn node(object: &WrittenObject) -> Result<Input, String> {
    let Wire { metadata, spec } = object.decode::<Wire<NodeSpec>>()?;
    let spec = spec.unwrap_or_default();
    let pod_cidrs = spec.pod_cidrs.filter(|list| !list.is_empty());
    let pod_cidrs = pod_cidrs
        .unwrap_or_else(|| spec.pod_cidr.into_iter().filter(|cidr| !cidr.is_empty()).collect());
    let wanted = wanted(metadata.annotations.as_ref()).unwrap_or(1);
    Ok(Input::Node(NodeState {
        uid: metadata.uid.unwrap_or_else(|| object.name.clone()).into(),
        name: object.name.as_str().into(),
        resource_version: metadata.resource_version.unwrap_or_default(),
        labels: metadata.labels.into_iter().flatten().collect::<Labels>(),
        pod_cidrs,
        wanted,
        is_deleting: metadata.deletion_timestamp.is_some(),
    }))
}

/// Says what is wrong with the annotation of a Node that asks for further blocks.
pub(crate) fn problem_of_wanted(object: &WrittenObject) -> Option<String> {
    let metadata = object.decode::<Wire<NodeSpec>>().ok()?.metadata;
    wanted(metadata.annotations.as_ref()).err()
}

fn wanted(annotations: Option<&BTreeMap<String, String>>) -> Result<u8, String> {
    let Some(text) = annotations.and_then(|all| all.get(WANTED)) else { return Ok(1) };
    match text.parse::<u8>() {
        Ok(wanted @ 1..=MOST_BLOCKS) => Ok(wanted),
        _ => Err(format!(
            "the annotation {WANTED} is {text:?}, and counts as 1; write a number from 1 to {MOST_BLOCKS}"
        )),
    }
}

/// Reads a NodeBlock.
pub(crate) fn record(object: &WrittenObject) -> Result<Record, String> {
    let Wire { metadata, spec } = object.decode::<Wire<RecordSpec>>()?;
    let spec = spec.ok_or("spec: is missing; delete the object")?;
    let block = |block: &Block| {
        let pool = block.pool.as_deref().filter(|pool| !pool.is_empty()).map(Text::from);
        Ok(Choice { block: network("spec.blocks", &block.cidr)?, pool })
    };
    let blocks: Result<Vec<Choice>, String> = spec.blocks.iter().map(block).collect();
    let released_at = spec.released_at.as_deref().map(seconds).transpose();
    let released_at = released_at.map_err(|problem| format!("spec.releasedAt: {problem}"))?;
    Ok(Record {
        uid: object.name.as_str().into(),
        node: spec.node.into(),
        resource_version: metadata.resource_version.unwrap_or_default(),
        blocks: blocks?,
        released_at,
        asks: asks(object),
    })
}

/// Returns what a node asks for. It writes that itself: what it writes wrong is its loss alone, and the record counts.
fn asks(object: &WrittenObject) -> Vec<Ask> {
    let status = object.decode::<StatusWire>().ok().and_then(|wire| wire.status);
    let requests = status.and_then(|status| status.requests).unwrap_or_default();
    let of = |family: Family| {
        let request = requests.iter().find(|request| request.family == family.to_string())?;
        let (blocks, free) = (request.blocks.min(MOST_BLOCKS), request.free.unwrap_or_default());
        Some(Ask { family, blocks, free })
    };
    Family::ALL.into_iter().filter_map(of).collect()
}

/// Returns the status of a NodeBlock whose node asks for this.
pub(crate) fn written_asks(asks: &[Ask]) -> Value {
    let request = |ask: &Ask| json!({"family": ask.family.to_string(), "blocks": ask.blocks, "free": ask.free});
    let requests: Vec<Value> = asks.iter().map(request).collect();
    json!({"status": {"requests": requests}})
}

/// Returns the object of a record.
pub(crate) fn written_record(record: &Record) -> Value {
    let block = |choice: &Choice| match &choice.pool {
        Some(pool) => json!({"cidr": choice.block.to_string(), "pool": &**pool}),
        None => json!({"cidr": choice.block.to_string()}),
    };
    let blocks: Vec<Value> = record.blocks.iter().map(block).collect();
    let mut object = json!({
        "apiVersion": "portolan.dev/v1alpha1",
        "kind": "NodeBlock",
        "metadata": {"name": &*record.uid},
        "spec": {"node": &*record.node, "blocks": blocks},
    });
    if !record.resource_version.is_empty() {
        object["metadata"]["resourceVersion"] = json!(record.resource_version);
    }
    if let Some(at) = record.released_at.and_then(stamp) {
        object["spec"]["releasedAt"] = json!(at);
    }
    object
}

/// Writes seconds since 1970 as RFC 3339 has it.
pub(crate) fn stamp(seconds: u64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    at.format(&Rfc3339).ok()
}

/// Reads RFC 3339 as seconds since 1970.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok();
    at.and_then(|at| u64::try_from(at.unix_timestamp()).ok())
        .ok_or_else(|| format!("{text:?} is no time; delete the object"))
}

/// Reads an IPPool.
pub(crate) fn pool(object: &WrittenObject) -> Result<Input, String> {
    let spec = object.decode::<Wire<PoolSpec>>()?.spec;
    let spec = spec.ok_or("spec: is missing; write `cidr` and `blockSize`")?;
    let nodes = Selector::parse(spec.node_selector.as_deref().unwrap_or_default());
    let nodes = nodes.map_err(|error| format!("spec.nodeSelector: {error}"))?;
    let network = network("spec.cidr", &spec.cidr)?;
    let pool = Pool::new(object.name.as_str(), network, spec.block_size, nodes);
    let pool = pool.map_err(|error| format!("spec: {error}"))?;
    if spec.blocks_per_node == Some(0) {
        return Err(
            "spec.blocksPerNode: 0 gives no node a block; write `disabled: true` for that, or 1"
                .to_owned(),
        );
    }
    let (is_closed, most_per_node) = (spec.disabled.unwrap_or(false), spec.blocks_per_node);
    Ok(Input::Pool(Pool { is_closed, most_per_node, ..pool }))
}

fn network(field: &str, text: &str) -> Result<IpNet, String> {
    text.parse()
        .map_err(|_| format!("{field}: {text:?} is no network; write for example 10.244.0.0/16"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let choice = |block: &str, pool: Option<&str>| Choice {
            block: block.parse().unwrap(),
            pool: pool.map(Text::from),
        };
        let record = Record {
            uid: "u-1".into(),
            node: "a".into(),
            resource_version: "7".to_owned(),
            blocks: vec![choice("10.244.0.0/24", Some("general")), choice("fd00::/64", None)],
            released_at: Some(1_709_164_800),
            asks: vec![
                Ask { family: Family::V4, blocks: 2, free: 7 },
                Ask { family: Family::V6, blocks: 3, free: 0 },
            ],
        };
        for record in [record.clone(), Record { released_at: None, ..record }] {
            // The controller writes the one half, and the node the other.
            let mut object = written_record(&record);
            object["status"] = written_asks(&record.asks)["status"].take();
            let sent = |object: &Value| WrittenObject::sent(object.to_string()).unwrap();
            assert_eq!(super::record(&sent(&object)), Ok(record.clone()));
            for status in [json!(7), json!({"requests": [{"family": 4}]}), json!({})] {
                object["status"] = status;
                let without = Record { asks: Vec::new(), ..record.clone() };
                assert_eq!(super::record(&sent(&object)), Ok(without));
            }
        }
    }

    #[test]
    fn further_blocks_are_asked_for_by_a_number() {
        for (text, expected) in
            [("1", Ok(1)), ("16", Ok(16)), ("0", Err(())), ("17", Err(())), ("x", Err(()))]
        {
            let annotations = BTreeMap::from([(WANTED.to_owned(), text.to_owned())]);
            assert_eq!(wanted(Some(&annotations)).map_err(drop), expected, "{text}");
        }
        assert_eq!(wanted(None), Ok(1));
    }
}
