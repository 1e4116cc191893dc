//! The blocks of a node that are not in its `spec.podCIDRs`: those of its NodeBlock.

use cluster_source::{ApiServer, WrittenChange, WrittenKind, WrittenObject};
use ipam_controller::blocks::Input;
use ipam_controller::is_older;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use super::asking::{Asking, Known};
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
pub(super) fn follow(
    server: ApiServer,
    node: String,
    asking: Option<Asking>,
) -> watch::Receiver<Further> {
    let (blocks, further) = watch::channel(None);
    tokio::spawn(async move {
        let closed = blocks.clone();
        let follower = Follower { server, node, blocks, known: None };
        tokio::select! {
            () = closed.closed() => {}
            () = follower.run(asking) => {}
        }
    });
    further
}

struct Follower {
    server: ApiServer,
    node: String,
    blocks: watch::Sender<Further>,
    /// The NodeBlock as it was last seen.
    known: Option<Known>,
}

impl Follower {
    async fn run(mut self, mut asking: Option<Asking>) {
        let mut nodes = self.server.follow_one(NODES, &self.node);
        // Which NodeBlock it is follows from the UID of the Node, which another of the name may have next.
        let mut uid = String::new();
        let mut records: Option<mpsc::Receiver<Vec<WrittenChange>>> = None;
        loop {
            tokio::select! {
                batch = nodes.recv() => {
                    let Some(batch) = batch else { return };
                    for change in batch {
                        let WrittenChange::There(json) = change else { continue };
                        let Some(found) = uid_of(&json).filter(|found| *found != uid) else { continue };
                        records = Some(self.server.follow_one(RECORDS, &found));
                        uid = found;
                        self.known = None;
                        self.blocks.send_replace(None);
                    }
                }
                batch = next(&mut records) => {
                    for change in batch {
                        self.take(change);
                    }
                }
                asking = due(asking.as_mut()) => {
                    let Some(known) = &self.known else { continue };
                    if let Some(json) = asking.look(known).await {
                        self.take(WrittenChange::There(json));
                    }
                }
            }
        }
    }

    /// Takes what is told of the NodeBlock.
    fn take(&mut self, change: WrittenChange) {
        match change {
            WrittenChange::There(json) => {
                let uid = uid_of(&json).unwrap_or_default();
                let object = WrittenObject::sent(json);
                let Ok(Ok(Input::Record(record))) = object.map(|object| objects::record(&object))
                else {
                    return;
                };
                let version = &record.resource_version;
                // An answer to a write may be newer than what the watch says next.
                if self.known.as_ref().is_some_and(|known| {
                    known.uid == uid && is_older(version, &known.record.resource_version)
                }) {
                    return;
                }
                self.publish(Some(record.blocks.iter().map(|choice| choice.block).collect()));
                self.known = Some(Known { uid, record });
            }
            WrittenChange::Lost(reason) => {
                tracing::warn!(reason, "further blocks not followed; those that are known stay");
                self.publish(None);
            }
            WrittenChange::ListEnd => self.publish(None),
            WrittenChange::Gone(_) => self.known = None,
            WrittenChange::ListStart | WrittenChange::Live => {}
        }
    }

    /// Hands blocks on, or without any those that are known, if that is something else than before.
    fn publish(&self, found: Option<Vec<IpNet>>) {
        self.blocks.send_if_modified(|known| {
            let blocks = found.or_else(|| known.clone()).unwrap_or_default();
            let is_new = known.as_ref() != Some(&blocks);
            *known = Some(blocks);
            is_new
        });
    }
}

fn uid_of(json: &str) -> Option<String> {
    let object = WrittenObject::sent(json.to_owned()).ok()?;
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

async fn due(asking: Option<&mut Asking>) -> &mut Asking {
    match asking {
        Some(asking) => {
            asking.due().await;
            asking
        }
        None => std::future::pending().await,
    }
}
