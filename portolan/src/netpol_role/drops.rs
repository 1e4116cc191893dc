//! What the kernel's rules denied, by policy: read from the counters of the chains.
//!
//! A chain is made for pods that the same policies isolate. What it denies, none of them allows, so that it counts for
//! each of them; the sum over directions alone is beside them. Chains come and go with policies: their counters are read
//! when somebody asks for the metrics, and before chains are replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result};
use netfilter::Netfilter;
use netpol::{Mode, Profile};
use nft::{Counts, Name};
use prometheus::{Error, IntCounter, IntCounterVec, Opts, Registry};

use super::denials::Profiles;

/// Counts denied packets.
pub(super) struct Drops {
    /// What stands behind the chains that the kernel has.
    profiles: Arc<RwLock<Profiles>>,
    kernel: Mutex<Kernel>,
    all: IntCounterVec,
    by_policy: IntCounterVec,
}

/// The labels of a policy's counter.
type PolicyLabels = [String; 4];

/// The socket that counters are read by, and what they were.
struct Kernel {
    netfilter: Netfilter,
    table: Name,
    last: BTreeMap<Name, u64>,
    /// Chains that come or go with the ruleset that the kernel gets next.
    changing: BTreeSet<Name>,
    /// How many profiles each policy that has a counter is part of.
    policies: BTreeMap<PolicyLabels, usize>,
}

impl Drops {
    /// Opens a socket and registers the metrics.
    ///
    /// # Errors
    /// No socket can be opened, or the registry has metrics of these names already.
    pub(super) fn open(table: Name, registry: &Registry) -> Result<Self> {
        let netfilter = Netfilter::open().context("cannot read the kernel's counters")?;
        let (last, changing, policies) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let kernel = Kernel { netfilter, table, last, changing, policies };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, Error>(counter)
        };
        let drops = Self {
            profiles: Arc::default(),
            kernel: Mutex::new(kernel),
            all: counter(
                "portolan_netpol_denied_packets_total",
                "Packets that no policy allows; those of audited namespaces passed.",
                &["direction", "mode"],
            )?,
            by_policy: counter(
                "portolan_netpol_policy_denied_packets_total",
                "Packets that no policy allows, for each policy that isolates the pod.",
                &["namespace", "policy", "direction", "mode"],
            )?,
        };
        for direction in netpol::Direction::ALL {
            for mode in [Mode::Enforce, Mode::Audit] {
                drops.all.with_label_values(&[direction.name(), mode.name()]).inc_by(0);
            }
        }
        Ok(drops)
    }

    /// Returns what stands behind the chains that the kernel has.
    pub(super) fn profiles(&self) -> Arc<RwLock<Profiles>> {
        Arc::clone(&self.profiles)
    }

    /// Brings the counters up to date with those of the kernel.
    pub(super) fn refresh(&self) {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let Kernel { netfilter, table, last, .. } = &mut *kernel;
        match netfilter.counts(table) {
            Ok(counts) => {
                last.retain(|chain, _| counts.contains_key(chain));
                counts.iter().for_each(|(chain, counts)| self.count_chain(chain, counts, last));
            }
            Err(error) => warn(&error),
        }
    }

    /// Reads the counters of chains that are about to go, before the kernel gets a ruleset: `changed` are the chains that
    /// come or go with it. Those that the kernel did not take before are added to them.
    pub(super) fn before(&self, changed: BTreeSet<Name>) {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let Kernel { netfilter, table, last, changing, .. } = &mut *kernel;
        changing.extend(changed);
        let going: Vec<&Name> = {
            let profiles = self.profiles.read().unwrap_or_else(PoisonError::into_inner);
            changing.iter().filter(|chain| profiles.contains_key(*chain)).collect()
        };
        for chain in going {
            match netfilter.counts_of(table, chain) {
                Ok(counts) => self.count_chain(chain, &counts, last),
                Err(error) => warn(&error),
            }
        }
    }

    /// Notes that the kernel has the ruleset, with these profiles: policies that isolate nobody any more lose their
    /// counters.
    pub(super) fn behind(&self, profiles: &Profiles) {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let Kernel { last, changing, policies, .. } = &mut *kernel;
        let mut own = self.profiles.write().unwrap_or_else(PoisonError::into_inner);
        let changed = std::mem::take(changing);
        // Those that come first, so that a policy that stays keeps its counter.
        for (chain, profile) in changed.iter().filter_map(|chain| profiles.get_key_value(chain)) {
            if own.insert(chain.clone(), profile.clone()).is_none() {
                for labels in labels(profile) {
                    self.counter(&labels).inc_by(0);
                    *policies.entry(labels).or_default() += 1;
                }
            }
        }
        for chain in changed.iter().filter(|chain| !profiles.contains_key(*chain)) {
            last.remove(chain);
            for labels in own.remove(chain).iter().flat_map(labels) {
                if leave(policies, &labels) {
                    let labels = labels.each_ref().map(String::as_str);
                    // Fails when there is none.
                    let _ = self.by_policy.remove_label_values(&labels);
                }
            }
        }
    }

    /// Counts what a chain has counted since it was read last.
    fn count_chain(&self, chain: &Name, counts: &[Counts], last: &mut BTreeMap<Name, u64>) {
        let profiles = self.profiles.read().unwrap_or_else(PoisonError::into_inner);
        let Some(profile) = profiles.get(chain) else { return };
        let packets = since(last, chain, counts);
        let (direction, mode) = (profile.direction.name(), profile.mode.name());
        self.all.with_label_values(&[direction, mode]).inc_by(packets);
        labels(profile).for_each(|labels| self.counter(&labels).inc_by(packets));
    }

    fn counter(&self, labels: &PolicyLabels) -> IntCounter {
        self.by_policy.with_label_values(&labels.each_ref().map(String::as_str))
    }
}

fn warn(error: &netfilter::Error) {
    let error = error.to_string();
    tracing::warn!(error, "denied packets cannot be counted");
}

/// Returns the labels of each policy of a profile.
fn labels(profile: &Profile) -> impl Iterator<Item = PolicyLabels> {
    let (direction, mode) = (profile.direction.name(), profile.mode.name());
    profile.policies.iter().map(move |policy| {
        let namespace = policy.namespace.to_string();
        [namespace, policy.name.to_string(), direction.to_owned(), mode.to_owned()]
    })
}

/// Notes that a policy is part of one profile less, and says whether that was the last.
fn leave(policies: &mut BTreeMap<PolicyLabels, usize>, labels: &PolicyLabels) -> bool {
    let Some(count) = policies.get_mut(labels) else { return false };
    *count -= 1;
    let is_last = *count == 0;
    if is_last {
        policies.remove(labels);
    }
    is_last
}

/// Returns how many packets the rules of a chain have counted since they were read last.
fn since(last: &mut BTreeMap<Name, u64>, chain: &Name, counts: &[Counts]) -> u64 {
    let all = counts.iter().map(|counts| counts.packets).sum::<u64>();
    // A chain that was made anew counts from 0.
    let before = last.insert(chain.clone(), all).filter(|before| *before <= all).unwrap_or(0);
    all - before
}

#[cfg(test)]
mod tests;
