//! Denied packets: whose they are, which policies deny them, and which of them are worth a line.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use cluster::{Cluster, ObjectKey};
use netfilter::LoggedPacket;
use netpol::{Direction, Mode, Profile, Traffic, pod_at, policies_of};
use nft::{Field, Name, Packet, Value, protocol};

/// What stands behind the chains that deny.
pub(super) type Profiles = BTreeMap<Name, Profile>;

/// How long the same flow is not told again.
const WINDOW: Duration = Duration::from_secs(10);

/// How many flows are told in a window.
const FLOWS: usize = 1000;

/// A packet that no policy allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Denial {
    /// Who is isolated: `NAMESPACE/POD`, or an address that is no pod's any more.
    pub pod: String,
    /// Whether it sent or was sent to.
    pub direction: Direction,
    /// Whether the packet was dropped.
    pub mode: Mode,
    /// The other side: `NAMESPACE/POD`, `node NAME`, or an address.
    pub peer: String,
    /// The source of the packet.
    pub source: IpAddr,
    /// The destination of the packet.
    pub destination: IpAddr,
    /// What was sent.
    pub traffic: Traffic,
    /// The policies that isolate the pod.
    pub policies: Vec<ObjectKey>,
}

/// Why a packet has no line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Skipped {
    /// The same flow has had one shortly before.
    Repeated,
    /// Too many others have had one.
    TooMany,
}

/// What one flow has in common, whatever the port of its source is.
type FlowKey = (Direction, IpAddr, IpAddr, Traffic);

/// Chooses the packets that have a line: of each flow the first in 10 s, and of all 1,000.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    began: Option<Instant>,
    told: HashSet<FlowKey>,
}

impl Denial {
    /// Reads what a rule of a profile logged; none of other packets.
    pub(super) fn read(
        cluster: &Cluster,
        profiles: &Profiles,
        logged: &LoggedPacket,
    ) -> Option<Self> {
        let direction = Direction::ALL
            .into_iter()
            .find(|direction| logged.prefix.starts_with(direction.name()))?;
        let packet = Packet::read(&logged.octets)?;
        let (own, other) = match direction {
            Direction::Egress => (packet.source, packet.destination),
            Direction::Ingress => (packet.destination, packet.source),
        };
        let profile =
            Name::new(&logged.prefix).ok().and_then(|chain| profiles.get(&chain).cloned());
        let (mode, policies) = match profile {
            Some(profile) => (profile.mode, profile.policies),
            // The chain is gone since.
            None => newest(cluster, own, direction),
        };
        Some(Self {
            pod: name_of(cluster, own),
            direction,
            mode,
            peer: name_of(cluster, other),
            source: packet.source,
            destination: packet.destination,
            traffic: traffic(&packet),
            policies,
        })
    }

    /// Returns the names of the policies, as `x/a, x/b`.
    pub(super) fn policy_names(&self) -> String {
        self.policies.iter().map(ObjectKey::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Returns what the newest snapshot says of an address.
fn newest(cluster: &Cluster, own: IpAddr, direction: Direction) -> (Mode, Vec<ObjectKey>) {
    let Some(pod) = pod_at(cluster, own) else { return (Mode::Enforce, Vec::new()) };
    let is_audited = cluster.namespace(&pod.key.namespace).is_some_and(|it| it.audit);
    let mode = if is_audited { Mode::Audit } else { Mode::Enforce };
    let policies = policies_of(cluster, pod, direction);
    (mode, policies.iter().map(|policy| policy.key.clone()).collect())
}

/// Names what has an address.
fn name_of(cluster: &Cluster, address: IpAddr) -> String {
    if let Some(pod) = pod_at(cluster, address) {
        return pod.key.to_string();
    }
    let node = cluster.nodes().find(|node| node.addresses.contains(&address));
    node.map_or_else(|| address.to_string(), |node| format!("node {}", node.name))
}

fn traffic(packet: &Packet) -> Traffic {
    // Of a header that is cut off, the port is not known.
    let port = match packet.field(Field::DestinationPort) {
        Some(Value::Port(port)) => port,
        _ => 0,
    };
    match packet.protocol {
        protocol::TCP => Traffic::Tcp(port),
        protocol::UDP => Traffic::Udp(port),
        protocol::SCTP => Traffic::Sctp(port),
        protocol::ICMP | protocol::ICMP6 => {
            Traffic::Icmp(packet.header.first().copied().unwrap_or(0))
        }
        other => Traffic::Other(other),
    }
}

impl Throttle {
    /// Says whether a packet has a line.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) fn admit(&mut self, denial: &Denial, now: Instant) -> Result<(), Skipped> {
        if self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.began = Some(now);
            self.told.clear();
        }
        let Denial { direction, source, destination, traffic, .. } = denial;
        let key = (*direction, *source, *destination, *traffic);
        if self.told.contains(&key) {
            return Err(Skipped::Repeated);
        }
        if self.told.len() >= FLOWS {
            return Err(Skipped::TooMany);
        }
        self.told.insert(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
