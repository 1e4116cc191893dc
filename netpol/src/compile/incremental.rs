//! A ruleset that follows the cluster, at the cost of what changes in it.
//!
//! ```text
//! pods that changed ───────▶ who has which address ──▶ elements of the sets that select them
//!                                  │
//! namespaces that changed ──▶ elements of the sets that look into them
//!                                  │
//! policies that changed ─────▶ pods here that they select ──▶ profiles anew ──▶ elements of the maps, chains, sets
//! ```
//!
//! Names of chains and sets say what is in them, so that neither is ever changed but for the elements of sets of pods:
//! a chain comes when the first pod needs it, with the sets that it needs, and goes with the last.

mod addresses;
mod live_sets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Changed, Cluster, Namespace, NetworkPolicy, Pod, ShortText, Text};
use nft::{Edits, Key, Name, Ruleset, Transaction, Verdict, VerdictMap};

use super::objects::WantedSets;
use super::{Compiled, Draft, Family, Mode, TABLE, name, skeleton};
use crate::{Direction, Options};
use addresses::Addresses;
use live_sets::{LiveSets, Move};

/// The ruleset of a node, which follows the cluster.
///
/// After each [`Compiler::update`] it equals what [`compile()`](super::compile()) makes of the snapshot.
#[derive(Debug)]
pub struct Compiler {
    node: String,
    options: Options,
    cluster: Arc<Cluster>,
    compiled: Compiled,
    edits: Edits,
    addresses: Addresses,
    policies: BTreeMap<Text, BTreeMap<ShortText, Arc<NetworkPolicy>>>,
    sets: LiveSets,
    /// How many elements of maps lead to each chain.
    jumps: BTreeMap<Name, usize>,
    /// Chains of profiles that came or went since somebody asked.
    changed_profiles: BTreeSet<Name>,
}

/// Chains of an update by the policies that select, which are told by their addresses in memory.
type Known = BTreeMap<(Vec<*const NetworkPolicy>, Direction, Family), Name>;

impl Compiler {
    /// Compiles the ruleset of a node.
    pub fn new(cluster: &Arc<Cluster>, node: &str, options: &Options) -> Self {
        let mut ruleset = Ruleset::new(name(TABLE.into()));
        skeleton::add_base_chains(&mut ruleset, options);
        let link_local = skeleton::link_local_set(&[]);
        ruleset.sets.insert(skeleton::link_local_name(), link_local);
        for family in Family::ALL {
            let own_pairs = skeleton::own_pairs_set(family, std::iter::empty());
            ruleset.sets.insert(skeleton::own_pairs_name(family), own_pairs);
            for direction in Direction::ALL {
                let map = Arc::new(VerdictMap::new([family.address()], []));
                ruleset.maps.insert(skeleton::map_name(direction, family), map);
            }
        }
        let mut compiler = Self {
            node: node.to_owned(),
            options: options.clone(),
            cluster: Arc::default(),
            compiled: Compiled { ruleset, profiles: BTreeMap::new() },
            edits: Edits::default(),
            addresses: Addresses::default(),
            policies: BTreeMap::new(),
            sets: LiveSets::default(),
            jumps: BTreeMap::new(),
            changed_profiles: BTreeSet::new(),
        };
        compiler.follow(cluster);
        // What was edited up to here is everything.
        compiler.edits = Edits::default();
        compiler
    }

    /// Returns the ruleset of the last snapshot, and what its chains are.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Brings the ruleset to another snapshot, and returns the transaction from what it was.
    pub fn update(&mut self, cluster: &Arc<Cluster>) -> Transaction {
        self.follow(cluster);
        self.edits.finish(&self.compiled.ruleset)
    }

    /// Returns the chains of [`Compiled::profiles`] that came or went since this was called last; the first time, all that
    /// are there. What stands behind a chain never changes.
    pub fn take_changed_profiles(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.changed_profiles)
    }

    fn follow(&mut self, cluster: &Arc<Cluster>) {
        let old = std::mem::replace(&mut self.cluster, Arc::clone(cluster));
        let difference = cluster.since(&old);
        let mut touched = BTreeSet::new();
        self.move_addresses(&difference.pods, &old, &mut touched);
        for namespace in &difference.namespaces {
            self.change_namespace(*namespace, &mut touched);
        }
        for policy in &difference.policies {
            self.change_policy(*policy, &mut touched);
        }
        let mut known = Known::new();
        let mut left = BTreeSet::new();
        for address in touched {
            self.decide(address, &mut known, &mut left);
        }
        left.into_iter().for_each(|chain| self.leave(&chain));
        self.close_link_local();
    }

    /// Closes link-local addresses when there is an isolated pod, and opens them when there is none any more.
    fn close_link_local(&mut self) {
        let Compiled { ruleset, profiles } = &mut self.compiled;
        let (name, set) =
            (skeleton::link_local_name(), skeleton::link_local_set(profiles.values()));
        if ruleset.sets.get(&name) != Some(&set) {
            self.edits.put_set(ruleset, &name, set);
        }
    }

    /// Gives addresses to the pods that have them, and brings them into the sets of these.
    fn move_addresses(
        &mut self,
        pods: &[Changed<'_, Pod>],
        old: &Cluster,
        touched: &mut BTreeSet<IpAddr>,
    ) {
        let pods = pods.iter().flat_map(|changed| changed.old.into_iter().chain(changed.new));
        let affected: BTreeSet<IpAddr> = pods.flat_map(|pod| &pod.ips).copied().collect();
        for address in affected {
            let is = addresses::holder(&self.cluster, address).cloned();
            let was = self.addresses.give(address, is.clone());
            if was.as_ref().map(Arc::as_ptr) == is.as_ref().map(Arc::as_ptr) {
                continue;
            }
            if was.iter().chain(&is).any(|pod| self.is_here(pod)) {
                touched.insert(address);
            }
            let (clusters, node) = ((old, &*self.cluster), &*self.node);
            let moved = Move { address, was: was.as_deref(), is: is.as_deref(), clusters, node };
            self.sets.follow(&moved, &mut self.edits, &mut self.compiled.ruleset);
        }
    }

    fn change_namespace(
        &mut self,
        changed: Changed<'_, Namespace>,
        touched: &mut BTreeSet<IpAddr>,
    ) {
        let Some(namespace) = changed.new.or(changed.old) else { return };
        let pods: Vec<_> = self.addresses.in_namespace(&namespace.name).collect();
        let (edits, ruleset) = (&mut self.edits, &mut self.compiled.ruleset);
        self.sets.look_into(changed, &pods, edits, ruleset);
        let audit = |namespace: Option<&Arc<Namespace>>| namespace.is_some_and(|it| it.audit);
        if audit(changed.old) != audit(changed.new) {
            let here = pods.iter().filter(|(_, pod)| self.is_here(pod));
            touched.extend(here.map(|(address, _)| *address));
        }
    }

    fn change_policy(
        &mut self,
        changed: Changed<'_, NetworkPolicy>,
        touched: &mut BTreeSet<IpAddr>,
    ) {
        let Some(policy) = changed.new.or(changed.old) else { return };
        let namespace = &policy.key.namespace;
        let of_namespace = self.policies.entry(namespace.clone()).or_default();
        match changed.new {
            Some(new) => of_namespace.insert(new.key.name.clone(), Arc::clone(new)),
            None => of_namespace.remove(&policy.key.name),
        };
        if of_namespace.is_empty() {
            self.policies.remove(namespace);
        }
        let is_selected = |pod: &Pod| {
            let mut both = changed.old.into_iter().chain(changed.new);
            both.any(|policy| policy.pod_selector.matches(&pod.labels))
        };
        let pods = self.addresses.in_namespace(namespace);
        let here = pods.filter(|(_, pod)| self.is_here(pod) && is_selected(pod));
        touched.extend(here.map(|(address, _)| address));
    }

    /// Finds the profiles of an address anew. Chains that it no longer leads to are noted.
    fn decide(&mut self, address: IpAddr, known: &mut Known, left: &mut BTreeSet<Name>) {
        let family = Family::of(address);
        let pod = self.addresses.get(address).filter(|pod| self.is_here(pod)).cloned();
        let mut is_isolated = false;
        for direction in Direction::ALL {
            let chain = pod.as_ref().and_then(|pod| self.profile_of(pod, direction, family, known));
            is_isolated |= chain.is_some();
            if let Some(chain) = &chain {
                *self.jumps.entry(chain.clone()).or_default() += 1;
            }
            let map = skeleton::map_name(direction, family);
            let ruleset = &mut self.compiled.ruleset;
            let verdict = chain.map(Verdict::Jump);
            let old = self.edits.set_verdict(ruleset, &map, Key::from(address), verdict);
            if let Some(chain) = old.as_ref().and_then(Verdict::chain) {
                if let Some(jumps) = self.jumps.get_mut(chain) {
                    *jumps -= 1;
                }
                left.insert(chain.clone());
            }
        }
        let own_pair = Key::new(&[address.into(), address.into()]);
        let own_pairs = skeleton::own_pairs_name(family);
        self.edits.set_key(&mut self.compiled.ruleset, &own_pairs, own_pair, is_isolated);
    }

    /// Returns the chain of a pod's profile, which is there from here on; none when no policy isolates it.
    fn profile_of(
        &mut self,
        pod: &Pod,
        direction: Direction,
        family: Family,
        known: &mut Known,
    ) -> Option<Name> {
        let policies = self.policies.get(&pod.key.namespace)?;
        let selects = |policy: &&NetworkPolicy| {
            direction.of(policy).is_some() && policy.pod_selector.matches(&pod.labels)
        };
        let selecting: Vec<&NetworkPolicy> =
            policies.values().map(|policy| &**policy).filter(selects).collect();
        if selecting.is_empty() {
            return None;
        }
        let places = selecting.iter().map(|policy| std::ptr::from_ref(*policy)).collect();
        let key = (places, direction, family);
        if let Some(chain) = known.get(&key) {
            return Some(chain.clone());
        }
        let mode = Mode::of(&self.cluster, &pod.key.namespace);
        let draft = Draft::of(&selecting, direction, family, mode);
        known.insert(key, draft.name.clone());
        let Compiled { ruleset, profiles } = &mut self.compiled;
        if !ruleset.chains.contains_key(&draft.name) {
            let mut wanted = WantedSets::new();
            let chain = draft.chain(&selecting, &self.options, &mut wanted);
            let sources = (&*self.cluster, &self.addresses, &*self.node);
            self.sets.need(wanted, sources, &mut self.edits, ruleset);
            self.edits.put_chain(ruleset, &draft.name, Arc::new(chain));
            profiles.insert(draft.name.clone(), draft.profile(&selecting));
            self.changed_profiles.insert(draft.name.clone());
        }
        Some(draft.name)
    }

    /// Takes a chain away that nothing leads to, with the sets that only it needed.
    fn leave(&mut self, chain: &Name) {
        if self.jumps.get(chain).is_some_and(|jumps| *jumps > 0) {
            return;
        }
        self.jumps.remove(chain);
        let Compiled { ruleset, profiles } = &mut self.compiled;
        profiles.remove(chain);
        self.changed_profiles.insert(chain.clone());
        if let Some(chain) = self.edits.take_chain(ruleset, chain) {
            self.sets.leave(&chain, &mut self.edits, ruleset);
        }
    }

    fn is_here(&self, pod: &Pod) -> bool {
        pod.node_name.as_deref() == Some(&*self.node)
    }
}
