//! What the kernel's rules denied, by policy: read from the counters of the chains.
//!
//! A chain is made for pods that the same policies isolate. What it denies, none of them allows, so that it counts for
//! each of them; the sum over directions alone is beside them. Chains come and go with policies: their counters are read
//! when somebody asks for the metrics, and before chains are replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use netfilter::Netfilter;
use netpol::{Mode, Profile};
use nft::{Counts, Name};
use prometheus::{Error, IntCounterVec, Opts, Registry};

use super::denials::Profiles;

/// Counts denied packets.
pub(super) struct Drops {
    /// What stands behind the chains that the kernel has.
    profiles: Arc<ArcSwap<Profiles>>,
    kernel: Mutex<Kernel>,
    all: IntCounterVec,
    by_policy: IntCounterVec,
}

/// The socket that counters are read by, and what they were.
struct Kernel {
    netfilter: Netfilter,
    table: Name,
    last: BTreeMap<Name, u64>,
    /// The labels of the policies that have a counter.
    policies: BTreeSet<[String; 4]>,
}

impl Drops {
    /// Opens a socket and registers the metrics.
    ///
    /// # Errors
    /// No socket can be opened, or the registry has metrics of these names already.
    pub(super) fn open(table: Name, registry: &Registry) -> Result<Self> {
        let netfilter = Netfilter::open().context("cannot read the kernel's counters")?;
        let kernel = Kernel { netfilter, table, last: BTreeMap::new(), policies: BTreeSet::new() };
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
    pub(super) fn profiles(&self) -> Arc<ArcSwap<Profiles>> {
        Arc::clone(&self.profiles)
    }

    /// Reads the counters.
    pub(super) fn refresh(&self) {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let Kernel { netfilter, table, last, .. } = &mut *kernel;
        match netfilter.counts(table) {
            Ok(counts) => {
                for (profile, packets) in denied(&self.profiles.load(), &counts, last) {
                    self.count(&profile, packets);
                }
            }
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(error, "denied packets cannot be counted");
            }
        }
    }

    /// Reads the counters of chains that are about to be replaced by others. Chains whose rules stay keep theirs.
    pub(super) fn before(&self, next: &Profiles) {
        if **self.profiles.load() != *next {
            self.refresh();
        }
    }

    /// Notes what the kernel has from here on: policies that isolate nobody any more lose their counters.
    pub(super) fn behind(&self, profiles: &Profiles) {
        if **self.profiles.load() == *profiles {
            return;
        }
        let policies: BTreeSet<[String; 4]> = profiles.values().flat_map(labels).collect();
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in kernel.policies.difference(&policies) {
            // Fails when there is none.
            let _ = self.by_policy.remove_label_values(&gone.each_ref().map(String::as_str));
        }
        for policy in &policies {
            self.by_policy.with_label_values(&policy.each_ref().map(String::as_str)).inc_by(0);
        }
        kernel.policies = policies;
        self.profiles.store(Arc::new(profiles.clone()));
    }

    fn count(&self, profile: &Profile, packets: u64) {
        let (direction, mode) = (profile.direction.name(), profile.mode.name());
        self.all.with_label_values(&[direction, mode]).inc_by(packets);
        for labels in labels(profile) {
            let labels = labels.each_ref().map(String::as_str);
            self.by_policy.with_label_values(&labels).inc_by(packets);
        }
    }
}

/// Returns the labels of each policy of a profile.
fn labels(profile: &Profile) -> impl Iterator<Item = [String; 4]> {
    let (direction, mode) = (profile.direction.name(), profile.mode.name());
    profile.policies.iter().map(move |policy| {
        let namespace = policy.namespace.to_string();
        [namespace, policy.name.to_string(), direction.to_owned(), mode.to_owned()]
    })
}

/// Returns what the chains of profiles have counted since they were read last.
fn denied(
    profiles: &Profiles,
    counts: &BTreeMap<Name, Vec<Counts>>,
    last: &mut BTreeMap<Name, u64>,
) -> Vec<(Profile, u64)> {
    let mut read = BTreeMap::new();
    let mut denied = Vec::new();
    for (chain, profile) in profiles {
        let Some(counts) = counts.get(chain) else { continue };
        let all = counts.iter().map(|counts| counts.packets).sum::<u64>();
        // A chain that was made anew counts from 0.
        let before = last.get(chain).copied().filter(|before| *before <= all).unwrap_or(0);
        if all > before {
            denied.push((profile.clone(), all - before));
        }
        read.insert(chain.clone(), all);
    }
    *last = read;
    denied
}

#[cfg(test)]
mod tests {
    use cluster::ObjectKey;
    use netpol::{Direction, Family};

    use super::*;

    #[test]
    fn what_a_chain_counted_before_is_not_counted_again() {
        let profile = Profile {
            direction: Direction::Egress,
            family: Family::V4,
            mode: Mode::Enforce,
            policies: vec![ObjectKey::new("x", "a")],
        };
        let chain = Name::new("egress4_1").unwrap();
        let profiles = Profiles::from([(chain.clone(), profile)]);
        let mut last = BTreeMap::new();
        let mut read = |packets: Option<u64>| {
            let counts =
                |packets| (chain.clone(), vec![Counts::default(), Counts { packets, octets: 0 }]);
            let counts = packets.map(counts).into_iter().collect();
            let denied = denied(&profiles, &counts, &mut last);
            denied.iter().map(|(_, packets)| *packets).sum::<u64>()
        };
        assert_eq!([read(Some(7)), read(Some(9)), read(Some(9))], [7, 2, 0]);
        assert_eq!(read(Some(4)), 4, "it was made anew");
        assert_eq!([read(None), read(Some(5))], [0, 5], "it was gone");
    }
}
