//! The controller as a state machine: what the API says goes in, what should be written comes out.
//!
//! Everything follows from the state, not from the events that led to it, so that duplicates, lost watches and restarts
//! change nothing. A write that fails is followed by what the object says now; then it is decided again.

mod decide;
mod further;

use std::collections::{BTreeMap, BTreeSet};

use cluster::Text;
use ipnet::IpNet;

use super::entry::{Action, Entry, NodeState, Reason, Record};
use super::ledger::{Ledger, Owner};
use super::pool::{Family, Pool};
use crate::is_older;

/// What does not change while the controller runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Networks that no block may have addresses of: those of Services.
    pub reserved: Vec<IpNet>,
    /// How long the blocks of a node that is gone go to nobody, in seconds.
    pub quarantine: u64,
    /// Most blocks of a family that a node gets because it asks for them itself.
    pub most_asked: u8,
}

/// What the API says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A node is there and looks like this.
    Node(NodeState),
    /// The node with this UID is gone.
    NoNode(Text),
    /// A record is there.
    Record(Record),
    /// There is no record of this UID.
    NoRecord(Text),
    /// A pool is there.
    Pool(Pool),
    /// No pool has this name.
    NoPool(Text),
    /// Everything that there is of every kind has been told: from now on it is decided.
    Synced,
}

/// How full a pool is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolUsage {
    /// The pool.
    pub pool: Text,
    /// Addresses of it that are held, in blocks; a part of a block counts.
    pub used: u128,
    /// Blocks that it has room for.
    pub capacity: u128,
}

/// Decides what should be written.
#[derive(Clone, Debug)]
pub struct Controller {
    settings: Settings,
    pools: BTreeMap<Text, Pool>,
    entries: BTreeMap<Text, Entry>,
    /// The UID of the node of a name.
    names: BTreeMap<Text, Text>,
    ledger: Ledger,
    /// What has to be looked at: nodes without a block come first.
    urgent: BTreeSet<Text>,
    later: BTreeSet<Text>,
    /// Those that nothing can be done for until a block is free or a pool changes.
    starved: BTreeSet<Text>,
    /// Those that are released at a time.
    waiting: BTreeSet<(u64, Text)>,
    is_synced: bool,
}

impl Controller {
    /// Returns a controller that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let mut ledger = Ledger::default();
        for network in &settings.reserved {
            ledger.hold(*network, Owner::Reserved(format!("the Services' {network}").into()));
        }
        Self {
            settings,
            pools: BTreeMap::new(),
            entries: BTreeMap::new(),
            names: BTreeMap::new(),
            ledger,
            urgent: BTreeSet::new(),
            later: BTreeSet::new(),
            starved: BTreeSet::new(),
            waiting: BTreeSet::new(),
            is_synced: false,
        }
    }

    /// Takes what the API says. The cost is that of the object, except for pools, after which every node is looked at.
    pub fn apply(&mut self, input: Input) {
        match input {
            Input::Node(node) => self.node(node),
            Input::NoNode(uid) => {
                self.names.retain(|_, of| *of != uid);
                self.change(&uid, |entry| entry.node = None);
            }
            Input::Record(record) => {
                let uid = record.uid.clone();
                self.change(&uid, |entry| {
                    let known = entry.record.as_ref().map(|known| &known.resource_version);
                    if known.is_some_and(|known| is_older(&record.resource_version, known)) {
                        return;
                    }
                    entry.further.retain(|it| !record.blocks.iter().any(|b| b.block == it.block));
                    entry.record = Some(record);
                });
            }
            Input::NoRecord(uid) => self.change(&uid, Entry::lose_record),
            Input::Pool(pool) => {
                if self.pools.get(&pool.name) != Some(&pool) {
                    self.pools.insert(pool.name.clone(), pool);
                    self.look_at_all();
                }
            }
            Input::NoPool(name) => {
                if self.pools.remove(&name).is_some() {
                    self.look_at_all();
                }
            }
            Input::Synced => {
                self.is_synced = true;
                self.look_at_all();
            }
        }
    }

    /// Returns at most so many things to write at `now` (seconds since 1970), what nodes wait for first. Nothing more is
    /// decided for a node until [`Self::done`] says that its write is over; a [`Action::Report`] needs no answer.
    pub fn actions(&mut self, now: u64, most: usize) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.is_synced {
            return actions;
        }
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            self.later.extend(self.waiting.pop_first().map(|(_, uid)| uid));
        }
        while actions.len() < most {
            let Some(uid) = self.urgent.pop_first().or_else(|| self.later.pop_first()) else {
                break;
            };
            self.decide(&uid, now, &mut actions);
        }
        actions
    }

    /// Notes that the write for a node is over, whatever came of it. What the object says now has to be told before.
    pub fn done(&mut self, uid: &str) {
        if let Some((uid, entry)) = self.entries.get_key_value(uid) {
            let uid = uid.clone();
            let is_over = entry.is_over();
            self.entries.entry(uid.clone()).and_modify(|entry| entry.is_busy = false);
            if is_over { self.drop(&uid) } else { self.look_at(uid) }
        }
    }

    /// Returns when something has to be looked at though nothing changes, in seconds since 1970.
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Says whether the node with this UID is there. What a write brings back of one that is gone is older than that.
    pub fn knows(&self, uid: &str) -> bool {
        self.entries.get(uid).is_some_and(|entry| entry.node.is_some())
    }

    /// Returns the names of the nodes that there are, sorted.
    pub fn nodes(&self) -> Vec<&str> {
        let there = self.names.iter().filter(|(_, uid)| self.knows(uid));
        there.map(|(name, _)| &**name).collect()
    }

    /// Returns how many nodes have no block because none is free or no pool selects them.
    pub fn starved(&self) -> usize {
        let has_none =
            |uid: &&Text| self.entries.get(*uid).is_some_and(|entry| entry.pod_cidrs().is_empty());
        self.starved.iter().filter(has_none).count()
    }

    /// Returns how many nodes are to have further blocks, or ask for them, and do not have them.
    pub fn short(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_short()).count()
    }

    /// Returns how many nodes that are gone still hold blocks.
    pub fn quarantined(&self) -> usize {
        self.entries.values().filter(|entry| entry.node.is_none()).count()
    }

    /// Returns how full each pool is, sorted by name.
    pub fn usage(&self) -> Vec<PoolUsage> {
        let usage = |pool: &Pool| PoolUsage {
            pool: pool.name.clone(),
            used: self
                .ledger
                .used(pool.network)
                .div_ceil(super::tree::size(pool.family(), pool.block_length)),
            capacity: pool.capacity(),
        };
        self.pools.values().map(usage).collect()
    }

    /// Returns who holds what.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn pools(&self) -> &BTreeMap<Text, Pool> {
        &self.pools
    }

    /// Returns what is known of nodes that are gone, by UID.
    pub(super) fn gone(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.node.is_none() && !entry.held.is_empty())
    }

    pub(super) fn is_starved(&self, uid: &str) -> bool {
        self.starved.contains(uid)
    }

    pub(super) fn quarantine_length(&self) -> u64 {
        self.settings.quarantine
    }

    pub(super) fn entry_of(&self, node: &str) -> Option<&Entry> {
        self.entries.get(self.names.get(node)?)
    }

    pub(super) fn name_of(&self, uid: &str) -> Option<Text> {
        self.entries.get(uid).map(Entry::name).filter(|name| !name.is_empty())
    }

    fn node(&mut self, mut node: NodeState) {
        let (name, uid) = (node.name.clone(), node.uid.clone());
        // Another node under the name: the one before is gone, though nobody said so.
        if let Some(before) = self.names.insert(name, uid.clone()).filter(|before| *before != uid) {
            self.change(&before, |entry| entry.node = None);
        }
        self.change(&uid, |entry| {
            if let Some(known) = &entry.node {
                if is_older(&node.resource_version, &known.resource_version) {
                    return;
                }
                // Once set they never change: the API server refuses it.
                if node.pod_cidrs.is_empty() {
                    node.pod_cidrs.clone_from(&known.pod_cidrs);
                }
            }
            if !node.pod_cidrs.is_empty() {
                entry.intent.clear();
            }
            entry.node = Some(node);
        });
    }

    /// Changes what is known under a UID, and what it holds with it.
    fn change(&mut self, uid: &Text, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.entries.remove(uid).unwrap_or_default();
        let (before, was_there) = (entry.pod_cidrs(), entry.node.is_some());
        change(&mut entry);
        let is_gone = was_there && entry.node.is_none();
        if is_gone && entry.record.is_none() && entry.intent.is_empty() {
            // Until there is a record, this is all that is known of what it held.
            entry.intent = before.into_iter().map(|block| self.choice(block)).collect();
        }
        self.settle(uid, &mut entry);
        let is_over = entry.is_over() && !entry.is_busy;
        self.entries.insert(uid.clone(), entry);
        if is_over { self.drop(uid) } else { self.look_at(uid.clone()) }
    }

    /// Lets the ledger say what an entry claims.
    fn settle(&mut self, uid: &Text, entry: &mut Entry) {
        let (claims, owner) = (entry.claims(), Owner::Node(uid.clone()));
        let gone: Vec<IpNet> = entry.held.difference(&claims).copied().collect();
        for block in &gone {
            self.ledger.release(*block, &owner);
        }
        for block in claims.difference(&entry.held) {
            self.ledger.hold(*block, owner.clone());
        }
        entry.held = claims;
        if !gone.is_empty() {
            self.urgent.append(&mut self.starved);
        }
    }

    fn choice(&self, block: IpNet) -> super::Choice {
        let pool = self
            .pools
            .values()
            .find(|pool| pool.network.contains(&block) && Family::of(block) == pool.family());
        super::Choice { block, pool: pool.map(|pool| pool.name.clone()) }
    }

    fn drop(&mut self, uid: &Text) {
        self.entries.remove(uid);
        for set in [&mut self.urgent, &mut self.later, &mut self.starved] {
            set.remove(uid);
        }
    }

    fn look_at(&mut self, uid: Text) {
        let waits_for_blocks = self
            .entries
            .get(&uid)
            .and_then(|entry| entry.node.as_ref())
            .is_some_and(|node| node.pod_cidrs.is_empty());
        if waits_for_blocks {
            self.later.remove(&uid);
            self.urgent.insert(uid);
        } else {
            self.urgent.remove(&uid);
            self.later.insert(uid);
        }
    }

    fn look_at_all(&mut self) {
        let all: Vec<Text> = self.entries.keys().cloned().collect();
        all.into_iter().for_each(|uid| self.look_at(uid));
    }
}

/// Returns what to say of a refusal.
fn reason_of(refusal: &super::Refusal) -> Reason {
    match refusal {
        super::Refusal::NoPool => Reason::CidrAssignmentFailed,
        super::Refusal::Full { .. } => Reason::CidrNotAvailable,
        super::Refusal::Limited { .. } => Reason::FurtherBlockLimit,
    }
}

#[cfg(test)]
mod tests;
