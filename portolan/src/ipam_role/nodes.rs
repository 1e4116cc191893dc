//! Blocks of nodes: the state machine of `ipam_controller::blocks` between watches and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cluster::Text;
use cluster_source::{WrittenKind, WrittenObject};
use cluster_writer::{
    Change, Event, EventRecorder, Found, Regarding, Resource, Severity, Write, Written,
};
use ipam_controller::blocks::{Action, Controller, Input, Reason};
use serde_json::json;

use super::listing::Known;
use super::metrics::Metrics;
use super::part::{Followed, Part};
use crate::node_blocks::objects;

const POOLS: usize = 0;
const RECORDS: usize = 1;
const NODES: usize = 2;

/// In the order of the constants above.
const KINDS: [Followed; 3] = [
    Followed {
        resource: WrittenKind { api_version: "portolan.dev/v1alpha1", plural: "ippools" },
        kind: "IPPool",
    },
    Followed {
        resource: WrittenKind { api_version: "portolan.dev/v1alpha1", plural: "nodeblocks" },
        kind: "NodeBlock",
    },
    Followed { resource: WrittenKind { api_version: "v1", plural: "nodes" }, kind: "Node" },
];

const NODE: Resource = Resource { api_version: "v1", plural: "nodes" };
const NODE_BLOCK: Resource =
    Resource { api_version: "portolan.dev/v1alpha1", plural: "nodeblocks" };

/// Blocks of nodes.
pub(super) struct Nodes {
    controller: Controller,
    events: EventRecorder,
    metrics: Arc<Metrics>,
    /// Since when nodes are known that have no block, by UID.
    waiting: HashMap<Text, Instant>,
}

impl Nodes {
    /// Returns the part; the controller knows the pools of the command line.
    pub(super) fn new(
        controller: Controller,
        events: EventRecorder,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { controller, events, metrics, waiting: HashMap::new() }
    }

    fn node(&mut self, input: Input) {
        if let Input::Node(node) = &input {
            if node.pod_cidrs.is_empty() {
                self.waiting.entry(node.uid.clone()).or_insert_with(Instant::now);
            } else if let Some(since) = self.waiting.remove(&node.uid) {
                self.metrics.time_to_assign.observe(since.elapsed().as_secs_f64());
            }
        }
        self.controller.apply(input);
    }

    fn report(&self, node: &Text, uid: &Text, reason: Reason, note: String) {
        let (is_problem, reason) = (reason.is_problem(), reason.as_str());
        let severity = if is_problem {
            self.metrics.problems.with_label_values(&[reason]).inc();
            tracing::warn!(node = &**node, reason, note, "problem of a node");
            Severity::Warning
        } else {
            self.metrics.further_blocks.inc();
            tracing::info!(node = &**node, note, "further block given");
            Severity::Normal
        };
        self.events.record(Event {
            regarding: Regarding {
                api_version: "v1",
                kind: "Node",
                namespace: String::new(),
                name: node.to_string(),
                uid: uid.to_string(),
            },
            severity,
            reason,
            action: "AssignPodCIDR",
            note,
        });
    }

    /// Takes an object that the server sent in answer to a write.
    fn take(&mut self, action: &Action, json: &str) {
        let Ok(object) = WrittenObject::sent(json.to_owned()) else { return };
        match action {
            Action::Assign { uid, .. } => {
                let Ok(input) = objects::node(&object) else { return };
                match &input {
                    // Another of the name, which the watch brings.
                    Input::Node(node) if node.uid != *uid => {
                        self.controller.apply(Input::NoNode(uid.clone()));
                    }
                    // The watch was faster, and the node is gone.
                    _ if !self.controller.knows(uid) => {}
                    _ => self.node(input),
                }
            }
            Action::Put(_) | Action::Forget(_) => {
                if let Ok(record) = objects::record(&object) {
                    self.controller.apply(Input::Record(record));
                }
            }
            Action::Report { .. } => {}
        }
    }
}

impl Part for Nodes {
    type Work = Action;

    fn kinds(&self) -> &'static [Followed] {
        &KINDS
    }

    fn there(&mut self, kind: usize, object: &WrittenObject) -> Result<(), String> {
        match kind {
            POOLS => self.controller.apply(objects::pool(object)?),
            RECORDS => self.controller.apply(Input::Record(objects::record(object)?)),
            _ => {
                self.node(objects::node(object)?);
                if let Some(problem) = objects::problem_of_wanted(object) {
                    return Err(problem);
                }
            }
        }
        Ok(())
    }

    fn gone(&mut self, kind: usize, object: &Known) {
        let (name, uid) = (Text::from(object.name.as_str()), Text::from(object.uid.as_str()));
        match kind {
            POOLS => self.controller.apply(Input::NoPool(name)),
            RECORDS => self.controller.apply(Input::NoRecord(name)),
            NODES => {
                self.waiting.remove(&uid);
                self.controller.apply(Input::NoNode(uid));
            }
            _ => {}
        }
    }

    fn synced(&mut self) {
        self.controller.apply(Input::Synced);
        tracing::info!("nodes, pools and records listed");
    }

    fn work(&mut self, now: u64, most: usize) -> Vec<Action> {
        self.controller.actions(now, most)
    }

    fn write(&self, action: &Action) -> Option<Write> {
        Some(match action {
            Action::Assign { node, uid, resource_version, blocks } => {
                let cidrs: Vec<String> = blocks.iter().map(|it| it.block.to_string()).collect();
                let fields = json!({"spec": {"podCIDR": cidrs.first(), "podCIDRs": cidrs}});
                let (uid, resource_version) = (uid.to_string(), resource_version.clone());
                let change = Change::Patch { fields, uid, resource_version };
                Write { target: NODE.named(&**node), change }
            }
            Action::Put(record) => {
                let object = objects::written_record(record);
                let change = if record.resource_version.is_empty() {
                    Change::Create(object)
                } else {
                    Change::Replace(object)
                };
                Write { target: NODE_BLOCK.named(&*record.uid), change }
            }
            Action::Forget(record) => {
                // Its name is that of one node alone, so that no other object can have it.
                let resource_version = record.resource_version.clone();
                let change = Change::Delete { uid: String::new(), resource_version };
                Write { target: NODE_BLOCK.named(&*record.uid), change }
            }
            Action::Report { node, uid, reason, message } => {
                self.report(node, uid, *reason, message.clone());
                return None;
            }
        })
    }

    fn subject(&self, action: &Action) -> String {
        action.uid().to_string()
    }

    fn learn(&mut self, action: &Action, written: &Written) {
        match (action, written) {
            (Action::Forget(record), Written::Done(_))
            | (Action::Forget(record), Written::NotDone { found: Found::Nothing, .. }) => {
                self.controller.apply(Input::NoRecord(record.uid.clone()))
            }
            (_, Written::Done(json) | Written::NotDone { found: Found::There(json), .. }) => {
                self.take(action, json);
            }
            (Action::Assign { uid, .. }, Written::NotDone { found: Found::Nothing, .. }) => {
                self.waiting.remove(uid);
                self.controller.apply(Input::NoNode(uid.clone()));
            }
            // One that was never made is missing, not gone: the blocks of its node must not be free.
            (Action::Put(record), Written::NotDone { found: Found::Nothing, .. })
                if !record.resource_version.is_empty() =>
            {
                self.controller.apply(Input::NoRecord(record.uid.clone()));
            }
            (_, Written::NotDone { .. }) => {}
        }
    }

    fn done(&mut self, action: &Action) {
        self.controller.done(action.uid());
    }

    fn next_deadline(&self) -> Option<u64> {
        self.controller.next_deadline()
    }

    fn measure(&self) {
        self.metrics.nodes_without_blocks.set(to_gauge(self.controller.starved()));
        self.metrics.nodes_short_of_blocks.set(to_gauge(self.controller.short()));
        self.metrics.quarantined.set(to_gauge(self.controller.quarantined()));
        self.metrics.set_usage(&self.controller.usage());
    }
}

/// Every reason of a problem of a Node, so that each has a metric from the start.
pub(super) fn reasons() -> impl Iterator<Item = &'static str> {
    Reason::ALL.into_iter().filter(|reason| reason.is_problem()).map(Reason::as_str)
}

fn to_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
