//! From a cluster to the nftables ruleset of one node.
//!
//! Pods with equal rules share a **profile**: a chain for each direction and family. Four verdict maps lead from the
//! addresses of this node's pods to their profiles, so that the number of policies and pods does not matter to a
//! packet. Rules look peers up in hash sets of addresses, shared by all policies that select the same pods, and
//! networks in interval sets of disjoint ranges.
//!
//! Profiles and sets have names made of their content. A pod that comes with a known profile is one element more; a
//! policy that changes makes another chain, to which the maps lead in the same transaction.

mod family;
mod holders;
mod id;
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
use nft::{Chain, Key, Name, Quoted, Ruleset, Verdict, VerdictMap};

pub use family::Family;
use holders::Holders;
use objects::Sets;
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
    let mut compiler = Compiler {
        cluster,
        options,
        sets: Sets::new(cluster, &holders, node),
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
            if let Some(chain) = compiler.profile_of(pod, direction, family) {
                maps.entry((direction, family)).or_default().insert(address, chain);
            }
        }
    }
    compiler.finish(&maps)
}

/// Whose policies select a pod, in which direction and family: the pods for which it is equal share a profile.
type ProfileKey<'a> = (&'a str, Vec<usize>, Direction, Family);

struct Compiler<'a> {
    cluster: &'a Cluster,
    options: &'a Options,
    sets: Sets<'a>,
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

impl<'a> Compiler<'a> {
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
        let is_audited = self.cluster.namespace(namespace).is_some_and(|it| it.audit);
        let mode = if is_audited { Mode::Audit } else { Mode::Enforce };
        let allowed = Allowed::by(policies, direction, family);
        let id = allowed.id(policies, direction, mode);
        let chain_name = name(format!("{}{}_{id}", direction.name(), family.digit()));
        let log = self.options.log;
        let frame = Frame { direction, family, mode, log, name: &chain_name };
        let mut chain = rules::chain(&allowed, &frame, &mut self.sets);
        let keys: Vec<ObjectKey> = policies.iter().map(|policy| policy.key.clone()).collect();
        let words: Vec<String> = keys.iter().map(ObjectKey::to_string).collect();
        chain.comment = Some(Quoted::lossy(&words.join(", ")));
        self.chains.insert(chain_name.clone(), Arc::new(chain));
        self.profiles
            .insert(chain_name.clone(), Profile { direction, family, mode, policies: keys });
        chain_name
    }

    fn finish(self, maps: &BTreeMap<(Direction, Family), BTreeMap<IpAddr, Name>>) -> Compiled {
        let mut ruleset = Ruleset::new(name(TABLE.into()));
        ruleset.sets = self.sets.finish();
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
        Compiled { ruleset, profiles: self.profiles }
    }
}

/// Makes the name of an object of the table.
fn name(text: String) -> Name {
    Name::new(&text).expect("names are words, digits and hexadecimal ids")
}

#[cfg(test)]
mod tests;
