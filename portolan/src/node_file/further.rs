//! The blocks of a node that are not in its `spec.podCIDRs`: those of its NodeBlock.

use cluster_source::{ApiServer, WrittenChange, WrittenKind, WrittenObject};
use ipam_controller::blocks::Input;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::node_blocks::objects;

const NODES: WrittenKind = WrittenKind { api_version: "v1", plural: "nodes" };
const RECORDS: WrittenKind =
    WrittenKind { api_version: "portolan.dev/v1alpha1", plural: "nodeblocks" };

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    uid: String,
}

/// Blocks beside those of a node's own; none as long as it is not known whether there are any.
pub(super) type Further = Option<Vec<IpNet>>;

/// Follows the NodeBlock of a node, on the current tokio runtime, until the receiver is dropped. What it said stays while it
/// cannot be followed.
pub(super) fn follow(server: ApiServer, node: String) -> watch::Receiver<Further> {
    let (blocks, further) = watch::channel(None);
    tokio::spawn(async move {
        let closed = blocks.clone();
        tokio::select! {
            () = closed.closed() => {}
            () = run(&server, &node, &blocks) => {}
        }
    });
    further
}

async fn run(server: &ApiServer, node: &str, blocks: &watch::Sender<Further>) {
    let mut nodes = server.follow_one(NODES, node);
    // Which NodeBlock it is follows from the UID of the Node, which another of the name may have next.
    let mut uid = String::new();
    let mut records: Option<mpsc::Receiver<Vec<WrittenChange>>> = None;
    loop {
        tokio::select! {
            batch = nodes.recv() => {
                let Some(batch) = batch else { return };
                for change in batch {
                    let WrittenChange::There(json) = change else { continue };
                    let Some(found) = uid_of(json).filter(|found| *found != uid) else { continue };
                    records = Some(server.follow_one(RECORDS, &found));
                    uid = found;
                    blocks.send_replace(None);
                }
            }
            batch = next(&mut records) => {
                for change in batch {
                    take(change, blocks);
                }
            }
        }
    }
}

/// Takes what is told of the NodeBlock.
fn take(change: WrittenChange, blocks: &watch::Sender<Further>) {
    let known = |found: Option<Vec<IpNet>>| {
        blocks.send_if_modified(|known| {
            let new = found.or_else(|| known.clone()).unwrap_or_default();
            let is_new = known.as_ref() != Some(&new);
            *known = Some(new);
            is_new
        });
    };
    match change {
        WrittenChange::There(json) => {
            let object = WrittenObject::sent(json);
            if let Ok(Ok(Input::Record(record))) = object.map(|object| objects::record(&object)) {
                known(Some(record.blocks.iter().map(|choice| choice.block).collect()));
            }
        }
        WrittenChange::Lost(reason) => {
            tracing::warn!(reason, "further blocks not followed; those that are known stay");
            known(None);
        }
        WrittenChange::ListEnd => known(None),
        WrittenChange::ListStart | WrittenChange::Gone(_) | WrittenChange::Live => {}
    }
}

fn uid_of(json: String) -> Option<String> {
    let object = WrittenObject::sent(json).ok()?;
    let uid = object.decode::<Wire>().ok()?.metadata.uid;
    (!uid.is_empty()).then_some(uid)
}

async fn next(records: &mut Option<mpsc::Receiver<Vec<WrittenChange>>>) -> Vec<WrittenChange> {
    if let Some(followed) = records
        && let Some(batch) = followed.recv().await
    {
        return batch;
    }
    std::future::pending().await
}
