//! The blocks of a node that are not in its `spec.podCIDRs`: those of its NodeBlock.

use cluster_source::{ApiServer, WrittenChange, WrittenKind, WrittenObject};
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

/// Blocks beside those of a node's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Further {
    /// It is not known yet whether there are any.
    Awaited,
    /// It is not known, and the API server does not say it: those count that were known to an earlier process.
    Unheard,
    /// These.
    Known(Vec<IpNet>),
}

/// Follows the NodeBlock of a node, on the current tokio runtime, until the receiver is dropped. What it said stays while it
/// cannot be followed.
pub(super) fn follow(
    server: ApiServer,
    node: String,
    asking: Option<Asking>,
) -> watch::Receiver<Further> {
    let (blocks, further) = watch::channel(Further::Awaited);
    tokio::spawn(async move {
        let closed = blocks.clone();
        let follower = Follower { server, node, followed: Followed::new(blocks) };
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
    followed: Followed,
}

/// What has been told of the NodeBlock.
struct Followed {
    blocks: watch::Sender<Further>,
    /// The NodeBlock as it was last seen.
    known: Option<Known>,
    /// The list that is told, or the last one, has it in a form that says nothing.
    is_unusable: bool,
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
                        self.followed.forget();
                    }
                }
                batch = next(&mut records) => {
                    for change in batch {
                        self.followed.take(change);
                    }
                }
                asking = due(asking.as_mut()) => {
                    let Some(known) = &self.followed.known else { continue };
                    if let Some(json) = asking.look(known).await {
                        self.followed.take(WrittenChange::There(json));
                    }
                }
            }
        }
    }
}

impl Followed {
    fn new(blocks: watch::Sender<Further>) -> Self {
        Self { blocks, known: None, is_unusable: false }
    }

    /// Begins with another NodeBlock.
    fn forget(&mut self) {
        (self.known, self.is_unusable) = (None, false);
        self.blocks.send_replace(Further::Awaited);
    }

    /// Takes what is told of the NodeBlock.
    fn take(&mut self, change: WrittenChange) {
        match change {
            WrittenChange::There(json) => match read(json) {
                Ok(found) => self.know(found),
                Err(problem) => {
                    tracing::warn!(
                        problem,
                        "NodeBlock not usable; further blocks that are known stay"
                    );
                    self.is_unusable = true;
                    self.be_unheard();
                }
            },
            WrittenChange::Lost(reason) => {
                tracing::warn!(reason, "further blocks not followed; those that are known stay");
                self.be_unheard();
            }
            WrittenChange::ListStart => self.is_unusable = false,
            WrittenChange::ListEnd if self.is_unusable => {}
            // A record that is away for a moment takes nobody's addresses away; what never was there says that there are none.
            WrittenChange::ListEnd => self.publish(|known| match known {
                Further::Known(_) => None,
                Further::Awaited | Further::Unheard => Some(Further::Known(Vec::new())),
            }),
            WrittenChange::Gone(_) => self.known = None,
            WrittenChange::Live => {}
        }
    }

    /// Takes the NodeBlock as it was read.
    fn know(&mut self, found: Known) {
        // An answer to a write may be newer than what the watch says next.
        let is_old = |known: &Known| {
            let (version, newest) =
                (&found.record.resource_version, &known.record.resource_version);
            known.uid == found.uid && is_older(version, newest)
        };
        if self.known.as_ref().is_some_and(is_old) {
            return;
        }
        let blocks = found.record.blocks.iter().map(|choice| choice.block).collect();
        self.publish(|_| Some(Further::Known(blocks)));
        self.known = Some(found);
    }

    /// Notes that nothing is known, unless something is.
    fn be_unheard(&self) {
        self.publish(|known| (*known == Further::Awaited).then_some(Further::Unheard));
    }

    /// Hands on what follows from what is known, if that is something else.
    fn publish(&self, found: impl FnOnce(&Further) -> Option<Further>) {
        self.blocks.send_if_modified(|known| {
            let Some(found) = found(known).filter(|found| found != known) else { return false };
            *known = found;
            true
        });
    }
}

/// Reads a NodeBlock.
fn read(json: String) -> Result<Known, String> {
    let uid = uid_of(&json).unwrap_or_default();
    let object = WrittenObject::sent(json)?;
    let name = &object.name;
    let record =
        objects::record(&object).map_err(|problem| format!("NodeBlock {name}: {problem}"))?;
    Ok(Known { uid, record })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_api_server_that_does_not_answer_is_no_word_of_further_blocks() {
        let record = |cidrs: &[&str]| {
            let blocks: Vec<_> = cidrs.iter().map(|cidr| json!({"cidr": cidr})).collect();
            let metadata = json!({"name": "u-1", "uid": "r-1", "resourceVersion": "3"});
            let spec = json!({"node": "a", "blocks": blocks});
            let object = json!({"apiVersion": RECORDS.api_version, "kind": "NodeBlock", "metadata": metadata, "spec": spec});
            WrittenChange::There(object.to_string())
        };
        let lost = || WrittenChange::Lost("503".to_owned());
        let known = |cidrs: &[&str]| {
            Further::Known(cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect())
        };
        let both = ["10.0.0.0/28", "10.0.0.16/28"];
        for (changes, expected) in [
            (vec![], Further::Awaited),
            (vec![lost(), WrittenChange::ListStart, lost()], Further::Unheard),
            (vec![lost(), WrittenChange::ListStart, WrittenChange::ListEnd], known(&[])),
            (vec![WrittenChange::ListStart, record(&both)], known(&both)),
            (vec![lost(), record(&both), WrittenChange::ListEnd, lost()], known(&both)),
            (
                vec![record(&both), WrittenChange::Gone("u-1".to_owned()), WrittenChange::ListEnd],
                known(&both),
            ),
            (
                vec![WrittenChange::ListStart, record(&["10.0.0.0"]), WrittenChange::ListEnd],
                Further::Unheard,
            ),
            (vec![WrittenChange::ListStart, record(&["10.0.0.0"]), record(&both)], known(&both)),
            (vec![record(&both), record(&["10.0.0.0"]), WrittenChange::ListEnd], known(&both)),
            (
                vec![
                    WrittenChange::ListStart,
                    record(&["10.0.0.0"]),
                    WrittenChange::ListEnd,
                    WrittenChange::ListStart,
                    WrittenChange::ListEnd,
                ],
                known(&[]),
            ),
        ] {
            let (blocks, further) = watch::channel(Further::Awaited);
            let mut followed = Followed::new(blocks);
            changes.into_iter().for_each(|change| followed.take(change));
            assert_eq!(*further.borrow(), expected);
            followed.forget();
            assert_eq!(*further.borrow(), Further::Awaited, "another Node under the name");
        }
    }
}
