//! What each of many Services gets: for objects that no API server has completed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cluster::{ObjectKey, ServiceType};
use ipnet::IpNet;

use super::banded::Banded;
use super::family_policy::{families_of, family_of};
use super::range::{AddressRange, RangeError};
use super::wish::Wish;
use crate::Family;

/// The first node port (kube-apiserver: `--service-node-port-range`).
const FIRST_NODE_PORT: u16 = 30_000;

/// The last one.
const LAST_NODE_PORT: u16 = 32_767;

/// The node ports that people choose from, a thirty-second of all (KEP-3668).
const NODE_PORT_BAND: u64 = 86;

/// The ranges that Services get their addresses from.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    ranges: Vec<AddressRange>,
}

/// What a Service gets beyond what is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Given {
    /// All of its cluster addresses, the primary first; empty when they are all written, or it has none.
    pub addresses: Vec<IpAddr>,
    /// For each of its ports the node port that it is given; none when it is written, or there is none.
    pub node_ports: Vec<Option<u16>>,
    /// The node ports that are written are taken out: it is of a type that has none. Only controllers take some out.
    pub drops_node_ports: bool,
    /// What becomes of its `healthCheckNodePort`; nothing when it is as it should be. Only controllers give one.
    pub health_check: Option<HealthCheck>,
}

/// What becomes of a `healthCheckNodePort`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthCheck {
    /// It is given.
    Given(u16),
    /// It is taken out: nobody asks there any more.
    Dropped,
}

/// What is wrong with a Service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// The Service.
    pub service: ObjectKey,
    /// What, and the remedy.
    pub text: String,
}

/// What the Services get.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// For each that gets something.
    pub given: BTreeMap<ObjectKey, Given>,
    /// Sorted by Service.
    pub problems: Vec<Problem>,
}

impl Ranges {
    /// Returns the ranges, every address of them free. The family of the first one is the default.
    ///
    /// # Errors
    /// One of them cannot be a range.
    pub fn new(networks: &[IpNet]) -> Result<Self, RangeError> {
        let ranges = networks.iter().map(|network| AddressRange::new(*network));
        ranges.collect::<Result<_, _>>().map(|ranges| Self { ranges })
    }

    /// Returns the families that there are ranges of, that of the first range first.
    pub fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for range in &self.ranges {
            let family = Family::of(range.network());
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// Takes an address in every range that has it; says whether one has it and it was free.
    fn take(&mut self, ip: IpAddr) -> bool {
        let mut was_free = false;
        for range in &mut self.ranges {
            was_free |= range.take(ip);
        }
        was_free
    }

    fn free(&mut self, ip: IpAddr) {
        for range in &mut self.ranges {
            range.free(ip);
        }
    }

    /// Takes a free address of a family out of the first range that has one.
    fn take_any(&mut self, family: Family, seed: u64) -> Option<IpAddr> {
        let mut of_family = self.ranges.iter().filter(|it| Family::of(it.network()) == family);
        let ip = of_family.find_map(|range| range.pick(seed))?;
        self.take(ip).then_some(ip)
    }
}

/// Says what each Service gets that does not say itself: cluster addresses out of `ranges`, of which none may be taken yet, and
/// node ports from 30000 to 32767.
///
/// What is written stays as it is. What a Service had `before` it keeps where that is still possible. What is given for the first
/// time follows from namespace and name, so that it is the same after a restart, unless another Service has it: then it is the
/// next free one, in the order of namespaces and names. A Service gets addresses of all its families or of none.
pub fn assign(
    ranges: Ranges,
    wishes: &BTreeMap<ObjectKey, Wish>,
    before: &BTreeMap<ObjectKey, Given>,
) -> Assignment {
    let node_ports = Banded::new(u64::from(LAST_NODE_PORT - FIRST_NODE_PORT), NODE_PORT_BAND);
    let mut work =
        Work { ranges, node_ports, owners: BTreeMap::new(), assignment: Assignment::default() };
    for (key, wish) in wishes {
        work.take_written(key, wish);
    }
    let kept: BTreeSet<&ObjectKey> = wishes
        .iter()
        .filter(|(key, wish)| before.get(*key).is_some_and(|given| work.keep(key, wish, given)))
        .map(|(key, _)| key)
        .collect();
    for (key, wish) in wishes.iter().filter(|(key, _)| !kept.contains(key)) {
        work.give(key, wish);
    }
    work.assignment.problems.sort();
    work.assignment
}

struct Work<'a> {
    ranges: Ranges,
    node_ports: Banded,
    /// Who has an address that is written.
    owners: BTreeMap<IpAddr, &'a ObjectKey>,
    assignment: Assignment,
}

impl<'a> Work<'a> {
    fn take_written(&mut self, key: &'a ObjectKey, wish: &Wish) {
        for ip in wish.written() {
            self.ranges.take(*ip);
            if let Some(other) = self.owners.insert(*ip, key).filter(|other| *other != key) {
                let text = format!(
                    "spec.clusterIP {ip} is that of Service {other}, too; take it out of one of them, which is given \
                     another then"
                );
                self.problem(key, text);
            }
        }
        for port in wish.ports.iter().filter_map(|port| port.node_port) {
            // Ports of different protocols may have one number, in one Service or in several.
            if let Some(number) = port.checked_sub(FIRST_NODE_PORT) {
                self.node_ports.take(number.into());
            }
        }
    }

    /// Takes what a Service had if it fits what it says and nobody else has it; says whether it does.
    fn keep(&mut self, key: &ObjectKey, wish: &Wish, given: &Given) -> bool {
        let Ok(families) = families_of(wish, &self.ranges.families()) else { return false };
        let written = wish.written();
        let fits = given.addresses.is_empty() == (written.len() == families.len())
            && (given.addresses.is_empty()
                || given.addresses.iter().map(family_of).collect::<Vec<_>>() == families)
            && written.iter().all(|ip| given.addresses.is_empty() || given.addresses.contains(ip))
            && ports_fit(wish, given);
        if !fits {
            return false;
        }
        let mut taken = Vec::new();
        for ip in given.addresses.iter().filter(|ip| !written.contains(ip)) {
            if !self.ranges.take(*ip) {
                taken.iter().for_each(|ip| self.ranges.free(*ip));
                return false;
            }
            taken.push(*ip);
        }
        let ports: BTreeSet<u16> = given.node_ports.iter().flatten().copied().collect();
        let mut taken_ports = Vec::new();
        for port in ports {
            let number = u64::from(port.saturating_sub(FIRST_NODE_PORT));
            if !self.node_ports.take(number) {
                taken.iter().for_each(|ip| self.ranges.free(*ip));
                for number in taken_ports {
                    self.node_ports.free(number);
                }
                return false;
            }
            taken_ports.push(number);
        }
        self.assignment.given.insert(key.clone(), given.clone());
        true
    }

    fn give(&mut self, key: &ObjectKey, wish: &Wish) {
        let addresses = self.addresses(key, wish).unwrap_or_else(|text| {
            self.problem(key, text);
            Vec::new()
        });
        let node_ports = self.node_ports(key, wish);
        if !addresses.is_empty() || node_ports.iter().any(Option::is_some) {
            self.assignment
                .given
                .insert(key.clone(), Given { addresses, node_ports, ..Given::default() });
        }
    }

    fn addresses(&mut self, key: &ObjectKey, wish: &Wish) -> Result<Vec<IpAddr>, String> {
        let families = families_of(wish, &self.ranges.families())?;
        let written = wish.written();
        let mut addresses = written.to_vec();
        for family in families.iter().skip(written.len()) {
            match self.ranges.take_any(*family, seed(key, &family.to_string())) {
                Some(ip) => addresses.push(ip),
                None => {
                    addresses.iter().skip(written.len()).for_each(|ip| self.ranges.free(*ip));
                    return Err(format!(
                        "no address of {family} is free; add a range of it, or delete Services"
                    ));
                }
            }
        }
        Ok(if addresses.len() == written.len() { Vec::new() } else { addresses })
    }

    fn node_ports(&mut self, key: &ObjectKey, wish: &Wish) -> Vec<Option<u16>> {
        if !has_node_ports(wish) {
            return Vec::new();
        }
        // The same port of several protocols has one node port.
        let mut of_port: BTreeMap<u16, u16> = BTreeMap::new();
        for port in &wish.ports {
            of_port.extend(port.node_port.map(|node_port| (port.port, node_port)));
        }
        let mut given = Vec::new();
        for port in &wish.ports {
            given.push(match (port.node_port, of_port.get(&port.port)) {
                (Some(_), _) => None,
                (None, Some(node_port)) => Some(*node_port),
                (None, None) => {
                    let new = self.any_node_port(seed(key, &port.port.to_string()));
                    if new.is_none() {
                        let text =
                            "no node port is free; delete Services, or make some of type ClusterIP";
                        self.problem(key, text.to_owned());
                    }
                    of_port.extend(new.map(|new| (port.port, new)));
                    new
                }
            });
        }
        given
    }

    fn any_node_port(&mut self, seed: u64) -> Option<u16> {
        let number = self.node_ports.pick(seed)?;
        self.node_ports.take(number);
        u16::try_from(number).ok()?.checked_add(FIRST_NODE_PORT)
    }

    fn problem(&mut self, key: &ObjectKey, text: String) {
        self.assignment.problems.push(Problem { service: key.clone(), text });
    }
}

pub(super) fn has_node_ports(wish: &Wish) -> bool {
    match wish.service_type {
        ServiceType::NodePort => true,
        ServiceType::LoadBalancer => wish.allocates_node_ports,
        ServiceType::ClusterIp | ServiceType::ExternalName => false,
    }
}

/// Says whether node ports that were given are those that would be given, but for their numbers.
fn ports_fit(wish: &Wish, given: &Given) -> bool {
    if !has_node_ports(wish) {
        return given.node_ports.is_empty();
    }
    let is_given = wish.ports.iter().map(|port| port.node_port.is_none());
    let shared = |at: usize| {
        let same =
            wish.ports.iter().zip(&given.node_ports).filter(|(p, _)| p.port == wish.ports[at].port);
        same.filter_map(|(port, given)| port.node_port.or(*given)).collect::<BTreeSet<_>>().len()
            <= 1
    };
    given.node_ports.len() == wish.ports.len()
        && is_given.eq(given.node_ports.iter().map(Option::is_some))
        && (0..wish.ports.len()).all(shared)
        // Shared with one that is written, it would be taken already.
        && wish.ports.iter().all(|port| port.node_port.is_none_or(|p| !given.node_ports.contains(&Some(p))))
}

/// Returns a number that follows from a name: FNV-1a, which is the same everywhere and always.
pub(super) fn seed(key: &ObjectKey, what: &str) -> u64 {
    let octets = [&*key.namespace, "/", &*key.name, "/", what].into_iter().flat_map(str::bytes);
    let hash = octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV follow the last octets; all of them shall count.
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1
}

#[cfg(test)]
mod tests;
