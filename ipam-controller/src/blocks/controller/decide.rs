//! What one node needs.

use cluster::Text;
use ipnet::IpNet;

use super::{Controller, reason_of};
use crate::blocks::choose::choose;
use crate::blocks::entry::{Action, Entry, NodeState, Reason, Record};
use crate::blocks::ledger::Owner;

impl Controller {
    /// Decides what is to be written for the node of a UID, at most one write, and what is to be reported of it.
    pub(super) fn decide(&mut self, uid: &Text, now: u64, actions: &mut Vec<Action>) {
        let Some(mut entry) = self.entries.remove(uid) else { return };
        if !entry.is_busy {
            self.starved.remove(uid);
            let write = match entry.node.clone() {
                Some(node) => self.for_node(&node, &mut entry, actions),
                None => self.for_gone(uid, &entry, now),
            };
            if let Some(action) = write {
                entry.is_busy = true;
                actions.push(action);
            }
        }
        self.entries.insert(uid.clone(), entry);
    }

    fn for_node(
        &mut self,
        node: &NodeState,
        entry: &mut Entry,
        actions: &mut Vec<Action>,
    ) -> Option<Action> {
        if node.pod_cidrs.is_empty() {
            return self.assign(node, entry, actions);
        }
        self.check(node, entry, actions);
        let blocks = self.wanted_blocks(node, entry, actions);
        let record = entry.record.as_ref();
        let is_right = record.is_some_and(|it| it.blocks == blocks && it.released_at.is_none());
        (!is_right && !blocks.is_empty()).then(|| {
            let resource_version = record.map(|it| it.resource_version.clone());
            Action::Put(Record {
                uid: node.uid.clone(),
                node: node.name.clone(),
                resource_version: resource_version.unwrap_or_default(),
                blocks,
                released_at: None,
                asks: record.map(|it| it.asks.clone()).unwrap_or_default(),
            })
        })
    }

    fn assign(
        &mut self,
        node: &NodeState,
        entry: &mut Entry,
        actions: &mut Vec<Action>,
    ) -> Option<Action> {
        if node.is_deleting {
            return None;
        }
        if entry.intent.is_empty() {
            match choose(&self.pools, &self.ledger, &node.labels) {
                Ok(choices) => {
                    entry.intent = choices;
                    self.settle(&node.uid, entry);
                }
                Err(refusal) => {
                    self.starved.insert(node.uid.clone());
                    report(node, entry, reason_of(&refusal), refusal.to_string(), actions);
                    return None;
                }
            }
        }
        Some(Action::Assign {
            node: node.name.clone(),
            uid: node.uid.clone(),
            resource_version: node.resource_version.clone(),
            blocks: entry.intent.clone(),
        })
    }

    /// Reports what is wrong with the blocks of a node; nothing of it is a reason to stop, or to take a block away.
    fn check(&self, node: &NodeState, entry: &mut Entry, actions: &mut Vec<Action>) {
        for text in &node.pod_cidrs {
            if text.parse::<IpNet>().is_err() {
                let message = format!(
                    "spec.podCIDRs has {text:?}, which is no network; delete the Node object, so that it registers again"
                );
                report(node, entry, Reason::InvalidPodCidr, message, actions);
            }
        }
        let owner = Owner::Node(node.uid.clone());
        for block in entry.held.clone() {
            if !self.pools.values().any(|pool| pool.network.contains(&block)) {
                let message = format!(
                    "block {block} is in no pool and stays with the node; add an IPPool with it, or drain the node and \
                     delete its Node object"
                );
                report(node, entry, Reason::PodCidrOutOfRange, message, actions);
            }
            for conflict in self.ledger.conflicts(block, &owner) {
                let other = match &conflict.owner {
                    Owner::Node(uid) => match self.name_of(uid) {
                        Some(name) => format!("node {name} (UID {uid})"),
                        None => conflict.owner.to_string(),
                    },
                    Owner::Reserved(what) => what.to_string(),
                };
                let message = format!(
                    "block {block} overlaps {} of {other}; drain one of them and delete its Node object",
                    conflict.other
                );
                report(node, entry, Reason::PodCidrConflict, message, actions);
            }
        }
    }

    /// A node that is gone keeps its blocks until nothing can be on the way to them: its record says since when, so that
    /// the time goes on under another leader.
    fn for_gone(&mut self, uid: &Text, entry: &Entry, now: u64) -> Option<Action> {
        let Some(record) = &entry.record else {
            return (!entry.held.is_empty()).then(|| {
                Action::Put(Record {
                    uid: uid.clone(),
                    node: entry.name(),
                    resource_version: String::new(),
                    blocks: entry.held.iter().map(|block| self.choice(*block)).collect(),
                    released_at: Some(now),
                    asks: Vec::new(),
                })
            });
        };
        let Some(released_at) = record.released_at else {
            return Some(Action::Put(Record { released_at: Some(now), ..record.clone() }));
        };
        let over_at = released_at.saturating_add(self.settings.quarantine);
        if over_at <= now {
            return Some(Action::Forget(record.clone()));
        }
        self.waiting.insert((over_at, uid.clone()));
        None
    }
}

/// Reports something once for as long as it is known of the node.
pub(super) fn report(
    node: &NodeState,
    entry: &mut Entry,
    reason: Reason,
    message: String,
    actions: &mut Vec<Action>,
) {
    if entry.reported.insert((reason, message.clone())) {
        let (node, uid) = (node.name.clone(), node.uid.clone());
        actions.push(Action::Report { node, uid, reason, message });
    }
}
