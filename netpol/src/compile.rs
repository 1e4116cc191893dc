//! From a cluster to the nftables ruleset of one node.
//!
//! Pods with equal rules share a **profile**: a chain for each direction and family. Four verdict maps lead from the
//! addresses of this node's pods to their profiles, so that the number of policies and pods does not matter to a
//! packet. Rules look peers up in hash sets of addresses, shared by all policies that select the same pods, and
//! networks in interval sets of disjoint ranges.
//!
//! Profiles and sets have names made of their content. A pod that comes with a known profile is one element more; a
//! policy that changes makes another chain, to which the maps lead in the same transaction.
//!
//! [`compile()`] makes the whole ruleset of a snapshot. A [`Compiler`] keeps one and follows the snapshots, at the cost of
//! what changes; a property test holds both equal after every edit.

mod family;
mod fill;
mod holders;
mod id;
mod incremental;
mod objects;
mod ports;
mod profile;
mod ranges;
mod rules;
mod skeleton;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, NetworkPolicy, ObjectKey, Pod};
use nft::{Chain, Key, Name, Quoted, Ruleset, Set, Verdict, VerdictMap};

pub use family::Family;
use holders::Holders;
pub use incremental::Compiler;
use objects::WantedSets;
use profile::Allowed;
use rules::Frame;

use crate::{Direction, Options};

/// The name of the table.
pub const TABLE: &str = "portolan-netpol";

/// The ruleset of a node, and what its chains are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compiled {
    /// The content of the table [`TABLE`].
    pub ruleset: Ruleset,
    /// What stands behind each chain that is not a base chain. Log lines begin with the name of the chain.
    pub profiles: BTreeMap<Name, Profile>,
}

/// Rules that pods share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The direction.
    pub direction: Direction,
    /// The family.
    pub family: Family,
    /// Whether what is not allowed is dropped.
    pub mode: Mode,
    /// The policies that isolate the pods, sorted.
    pub policies: Vec<ObjectKey>,
}

/// What happens to what no policy allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// It is dropped.
    Enforce,
    /// It is counted and logged, and passes.
    Audit,
}

impl Mode {
    /// Returns what holds for the pods of a namespace.
    fn of(cluster: &Cluster, namespace: &str) -> Self {
        let is_audited = cluster.namespace(namespace).is_some_and(|it| it.audit);
        if is_audited { Self::Audit } else { Self::Enforce }
    }

    /// Returns `enforce` or `audit`, as in the annotation of a namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }

    fn end(self) -> Verdict {
        match self {
            Self::Enforce => Verdict::Drop,
            Self::Audit => Verdict::Return,
        }
    }
}

/// Makes the ruleset that enforces a cluster's policies for the pods of one node.
pub fn compile(cluster: &Cluster, node: &str, options: &Options) -> Compiled {
    let holders = Holders::of(cluster);
    let mut compilation = Compilation {
        cluster,
        options,
        wanted: WantedSets::new(),
        policies: policies_by_namespace(cluster),
        known: BTreeMap::new(),
        chains: BTreeMap::new(),
        profiles: BTreeMap::new(),
    };
    let mut maps: BTreeMap<(Direction, Family), BTreeMap<IpAddr, Name>> = BTreeMap::new();
    let is_here = |pod: &Pod| pod.node_name.as_deref() == Some(node);
    for (address, pod) in holders.iter().filter(|(_, pod)| is_here(pod)) {
        let family = Family::of(address);
        for direction in Direction::ALL {
            if let Some(chain) = compilation.profile_of(pod, direction, family) {
                maps.entry((direction, family)).or_default().insert(address, chain);
            }
        }
    }
    let sets = fill::fill(&compilation.wanted, cluster, &holders, node);
    compilation.finish(sets, &maps)
}

/// Whose policies select a pod, in which direction and family: the pods for which it is equal share a profile.
type ProfileKey<'a> = (&'a str, Vec<usize>, Direction, Family);

struct Compilation<'a> {
    cluster: &'a Cluster,
    options: &'a Options,
    wanted: WantedSets,
    policies: BTreeMap<&'a str, Vec<&'a NetworkPolicy>>,
    known: BTreeMap<ProfileKey<'a>, Name>,
    chains: BTreeMap<Name, Arc<Chain>>,
    profiles: BTreeMap<Name, Profile>,
}

fn policies_by_namespace(cluster: &Cluster) -> BTreeMap<&str, Vec<&NetworkPolicy>> {
    let mut namespaces: BTreeMap<&str, Vec<&NetworkPolicy>> = BTreeMap::new();
    for policy in cluster.policies() {
        namespaces.entry(&policy.key.namespace).or_default().push(policy);
    }
    namespaces.values_mut().for_each(|policies| policies.sort_by(|a, b| a.key.cmp(&b.key)));
    namespaces
}

impl<'a> Compilation<'a> {
    /// Returns the chain of a pod's profile; none when no policy isolates it.
    fn profile_of(&mut self, pod: &'a Pod, direction: Direction, family: Family) -> Option<Name> {
        let namespace = &*pod.key.namespace;
        let policies = self.policies.get(namespace)?;
        let places: Vec<usize> = (0..policies.len())
            .filter(|place| {
                let policy = policies[*place];
                direction.of(policy).is_some() && policy.pod_selector.matches(&pod.labels)
            })
            .collect();
        if places.is_empty() {
            return None;
        }
        let selecting: Vec<&NetworkPolicy> = places.iter().map(|place| policies[*place]).collect();
        let key = (namespace, places, direction, family);
        if let Some(chain) = self.known.get(&key) {
            return Some(chain.clone());
        }
        let chain = self.add_profile(namespace, &selecting, direction, family);
        self.known.insert(key, chain.clone());
        Some(chain)
    }

    fn add_profile(
        &mut self,
        namespace: &str,
        policies: &[&NetworkPolicy],
        direction: Direction,
        family: Family,
    ) -> Name {
        let mode = Mode::of(self.cluster, namespace);
        let draft = Draft::of(policies, direction, family, mode);
        let chain = draft.chain(policies, self.options, &mut self.wanted);
        let name = draft.name.clone();
        self.chains.insert(name.clone(), Arc::new(chain));
        self.profiles.insert(name.clone(), draft.profile(policies));
        name
    }

    fn finish(
        self,
        sets: BTreeMap<Name, Arc<Set>>,
        maps: &BTreeMap<(Direction, Family), BTreeMap<IpAddr, Name>>,
    ) -> Compiled {
        let mut ruleset = Ruleset::new(name(TABLE.into()));
        ruleset.sets = sets;
        ruleset.chains = self.chains;
        skeleton::add_base_chains(&mut ruleset, self.options);
        let none = BTreeMap::new();
        for family in Family::ALL {
            let [egress, ingress] =
                Direction::ALL.map(|direction| maps.get(&(direction, family)).unwrap_or(&none));
            let isolated = egress.keys().chain(ingress.keys()).copied();
            let own_pairs = skeleton::own_pairs_set(family, isolated);
            ruleset.sets.insert(skeleton::own_pairs_name(family), own_pairs);
            for (direction, pods) in [(Direction::Egress, egress), (Direction::Ingress, ingress)] {
                let jump = |(address, chain): (&IpAddr, &Name)| {
                    (Key::from(*address), Verdict::Jump(chain.clone()))
                };
                let map = VerdictMap::new([family.address()], pods.iter().map(jump));
                ruleset.maps.insert(skeleton::map_name(direction, family), Arc::new(map));
            }
        }
        let link_local = skeleton::link_local_set(self.profiles.values());
        ruleset.sets.insert(skeleton::link_local_name(), link_local);
        Compiled { ruleset, profiles: self.profiles }
    }
}

/// A profile whose chain is not written yet: its name says what it allows.
struct Draft {
    name: Name,
    allowed: Allowed,
    direction: Direction,
    family: Family,
    mode: Mode,
}

impl Draft {
    /// Puts together what policies allow, which are sorted.
    fn of(policies: &[&NetworkPolicy], direction: Direction, family: Family, mode: Mode) -> Self {
        let allowed = Allowed::by(policies, direction, family);
        let id = allowed.id(policies, direction, mode);
        let name = name(format!("{}{}_{id}", direction.name(), family.digit()));
        Self { name, allowed, direction, family, mode }
    }

    /// Writes the chain, and adds the sets that it looks things up in.
    fn chain(
        &self,
        policies: &[&NetworkPolicy],
        options: &Options,
        sets: &mut WantedSets,
    ) -> Chain {
        let Self { name, direction, family, mode, .. } = self;
        let (direction, family, mode) = (*direction, *family, *mode);
        let frame = Frame { direction, family, mode, log: options.log, name };
        let mut chain = rules::chain(&self.allowed, &frame, sets);
        let words: Vec<String> = policies.iter().map(|policy| policy.key.to_string()).collect();
        chain.comment = Some(Quoted::lossy(&words.join(", ")));
        chain
    }

    fn profile(&self, policies: &[&NetworkPolicy]) -> Profile {
        let (direction, family, mode) = (self.direction, self.family, self.mode);
        let policies = policies.iter().map(|policy| policy.key.clone()).collect();
        Profile { direction, family, mode, policies }
    }
}

/// Makes the name of an object of the table.
fn name(text: String) -> Name {
    Name::new(&text).expect("names are words, digits and hexadecimal ids")
}

#[cfg(test)]
mod tests;
