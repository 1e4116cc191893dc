//! What is known of one node, by its UID, and what should be written for it.

use std::collections::BTreeSet;

use cluster::{Labels, Text};
use ipnet::IpNet;

use super::ask::Ask;
use super::choose::Choice;
use super::pool::Family;

/// A `v1` Node as far as blocks are concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeState {
    /// `metadata.name`.
    pub name: Text,
    /// `metadata.uid`.
    pub uid: Text,
    /// `metadata.resourceVersion`: the precondition of a write.
    pub resource_version: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.podCIDRs` as written, whatever it says.
    pub pod_cidrs: Vec<String>,
    /// Blocks that the node is to have of each family, `spec.podCIDRs` counted: the annotation `portolan.dev/blocks`.
    pub wanted: u8,
    /// It is being deleted.
    pub is_deleting: bool,
}

/// A NodeBlock: every block of one node, for as long as it holds them and the time after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The UID of the node, and the name of the object.
    pub uid: Text,
    /// The name of the node.
    pub node: Text,
    /// `metadata.resourceVersion`; empty before it is written.
    pub resource_version: String,
    /// `spec.blocks`: those of `spec.podCIDRs`, in their order, then further ones.
    pub blocks: Vec<Choice>,
    /// `spec.releasedAt`: when the node was seen to be gone, in seconds since 1970.
    pub released_at: Option<u64>,
    /// `status.requests`: what the node asks for; at most one of each family. The node writes it, and nobody else.
    pub asks: Vec<Ask>,
}

/// Something to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Sets `spec.podCIDRs` of a Node that has none.
    Assign {
        /// The node.
        node: Text,
        /// It has to be this one.
        uid: Text,
        /// And not to have changed since.
        resource_version: String,
        /// The first block of each family.
        blocks: Vec<Choice>,
    },
    /// Creates the NodeBlock, or replaces the one of its resource version.
    Put(Record),
    /// Deletes the NodeBlock, and with it the last that is known of the node.
    Forget(Record),
    /// Tells the operator of something, as an Event on the Node.
    Report {
        /// The node.
        node: Text,
        /// Its UID.
        uid: Text,
        /// Why.
        reason: Reason,
        /// What, and the remedy.
        message: String,
    },
}

impl Action {
    /// Returns the UID of the node that it is about.
    pub fn uid(&self) -> &Text {
        match self {
            Self::Assign { uid, .. } | Self::Report { uid, .. } => uid,
            Self::Put(record) | Self::Forget(record) => &record.uid,
        }
    }

    /// Says whether it tells of something that somebody has to do something about.
    pub fn is_problem(&self) -> bool {
        matches!(self, Self::Report { reason, .. } if reason.is_problem())
    }
}

/// Why an Event is sent; kube-controller-manager's words where it has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Every pool of a family is full.
    CidrNotAvailable,
    /// No pool selects the node.
    CidrAssignmentFailed,
    /// `spec.podCIDRs` says something that is no network.
    InvalidPodCidr,
    /// A block of the node is in no pool.
    PodCidrOutOfRange,
    /// Another has addresses of a block of the node.
    PodCidrConflict,
    /// The node gets a further block.
    FurtherBlockAssigned,
    /// The node asks for more blocks than it may have.
    FurtherBlockLimit,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::CidrNotAvailable,
        Self::CidrAssignmentFailed,
        Self::InvalidPodCidr,
        Self::PodCidrOutOfRange,
        Self::PodCidrConflict,
        Self::FurtherBlockAssigned,
        Self::FurtherBlockLimit,
    ];

    /// Returns the reason as Events have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CidrNotAvailable => "CIDRNotAvailable",
            Self::CidrAssignmentFailed => "CIDRAssignmentFailed",
            Self::InvalidPodCidr => "InvalidPodCIDR",
            Self::PodCidrOutOfRange => "PodCIDROutOfRange",
            Self::PodCidrConflict => "PodCIDRConflict",
            Self::FurtherBlockAssigned => "FurtherBlockAssigned",
            Self::FurtherBlockLimit => "FurtherBlockLimit",
        }
    }

    /// Says whether somebody has to do something.
    pub const fn is_problem(self) -> bool {
        !matches!(self, Self::FurtherBlockAssigned)
    }
}

/// Everything that is known under one UID.
#[derive(Clone, Default, Debug)]
pub(super) struct Entry {
    /// The node, while it is there.
    pub(super) node: Option<NodeState>,
    /// Its record.
    pub(super) record: Option<Record>,
    /// What it was given, until the node says so. Kept whatever becomes of the write, so that an attempt that failed is made
    /// again with the same blocks and none is lost.
    pub(super) intent: Vec<Choice>,
    /// What it was given beyond, until its record says so; and what a record that was deleted said.
    pub(super) further: Vec<Choice>,
    /// What the ledger says that it holds.
    pub(super) held: BTreeSet<IpNet>,
    /// A write is under way.
    pub(super) is_busy: bool,
    /// What has been reported of it, so that it is reported once.
    pub(super) reported: BTreeSet<(Reason, String)>,
}

impl Entry {
    /// Returns the name of the node; empty when nothing is known of it.
    pub(super) fn name(&self) -> Text {
        let node = self.node.as_ref().map(|node| &node.name);
        node.or(self.record.as_ref().map(|record| &record.node)).cloned().unwrap_or_default()
    }

    /// Returns the blocks that `spec.podCIDRs` names.
    pub(super) fn pod_cidrs(&self) -> Vec<IpNet> {
        let texts = self.node.iter().flat_map(|node| &node.pod_cidrs);
        texts.filter_map(|text| text.parse::<IpNet>().ok()).map(|block| block.trunc()).collect()
    }

    /// Returns every block that it has a claim to.
    pub(super) fn claims(&self) -> BTreeSet<IpNet> {
        let recorded = self.record.iter().flat_map(|record| &record.blocks);
        let chosen = recorded.chain(&self.intent).chain(&self.further).map(|choice| choice.block);
        self.pod_cidrs().into_iter().chain(chosen).collect()
    }

    /// Notes that there is no record. Who deletes that of a node that is gone gives its blocks free. A node that is there
    /// keeps all of them, for its pods have their addresses: what only the record named is kept until another one does.
    pub(super) fn lose_record(&mut self) {
        let record = self.record.take();
        if self.node.is_none() {
            self.intent.clear();
            self.further.clear();
            return;
        }
        let own = self.pod_cidrs();
        let recorded = record.into_iter().flat_map(|record| record.blocks);
        let mut further: Vec<Choice> =
            recorded.filter(|choice| !own.contains(&choice.block)).collect();
        further.append(&mut self.further);
        self.further = further;
    }

    /// Returns what the node asks for of a family.
    pub(super) fn ask(&self, family: Family) -> Option<Ask> {
        let asks = self.record.iter().flat_map(|record| &record.asks);
        asks.copied().find(|ask| ask.family == family)
    }

    /// Says whether the node has blocks of a family and is to have more of them, or asks for more.
    pub(super) fn is_short(&self) -> bool {
        let (Some(node), Some(record)) = (&self.node, &self.record) else { return false };
        let of = |family| record.blocks.iter().filter(move |it| Family::of(it.block) == family);
        Family::ALL.into_iter().any(|family| {
            let asked = self.ask(family).map_or(0, |ask| ask.blocks);
            let have = of(family).count();
            have > 0 && have < usize::from(node.wanted.max(asked))
        }) && !node.is_deleting
    }

    /// Says whether there is nothing left to know.
    pub(super) fn is_over(&self) -> bool {
        self.node.is_none() && self.record.is_none() && self.held.is_empty()
    }
}
