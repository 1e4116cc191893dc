//! NetworkPolicies as data; what they mean is decided elsewhere.

use ipnet::IpNet;

use crate::{ObjectKey, Protocol, Selector, Text};

/// A `networking.k8s.io/v1` NetworkPolicy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkPolicy {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The pods of the namespace that it applies to.
    pub pod_selector: Selector,
    /// Ingress rules; none when the policy does not have the policy type `Ingress`.
    pub ingress: Option<PolicyDirection>,
    /// Egress rules; none when the policy does not have the policy type `Egress`.
    pub egress: Option<PolicyDirection>,
    /// Where it is written in a way that says something else than it means, for those who look for mistakes.
    pub oddities: Box<[Oddity]>,
}

/// Something in how a policy is written that its meaning does not show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// `policyTypes` leaves a direction out that has rules, which mean nothing then: `ingress` or `egress`.
    UnusedRules(&'static str),
    /// Without `policyTypes` and ingress rules, a policy with egress rules isolates ingress, too.
    ImpliedIngress,
    /// Without `policyTypes`, an empty list of egress rules isolates ingress alone.
    EmptyEgress,
    /// A network in a spelling that newer API servers refuse in new objects (KEP-4858).
    Spelling {
        /// Where: `spec.egress[0].to[1].ipBlock.cidr`.
        field: Text,
        /// As it is written.
        written: Text,
        /// What it means.
        network: IpNet,
    },
}

/// The rules of one direction. Without any, the direction is isolated and allows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyDirection {
    /// Traffic is allowed when one of them allows it.
    pub rules: Vec<PolicyRule>,
}

/// One rule: peers and ports that are allowed together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyRule {
    /// The other side (`from` or `to`); empty means anyone.
    pub peers: Vec<Peer>,
    /// The ports on the destination; empty means every port of every protocol.
    pub ports: Vec<PolicyPort>,
}

/// The other side of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Pods by labels. Without a namespace selector: of the policy's own namespace; without a pod
    /// selector: every pod of the selected namespaces.
    Pods {
        /// `podSelector`.
        pods: Option<Selector>,
        /// `namespaceSelector`.
        namespaces: Option<Selector>,
    },
    /// Addresses.
    IpBlock(IpBlock),
    /// What was written cannot be read as a peer. It must not come to mean anyone.
    Nobody,
}

/// A network and the parts of it that are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpBlock {
    /// `cidr`, its host bits cleared.
    pub cidr: IpNet,
    /// `except`, host bits cleared.
    pub except: Vec<IpNet>,
}

/// An entry of a rule's `ports`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyPort {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Which ports.
    pub ports: PortMatch,
}

/// Which ports of a protocol a [`PolicyPort`] matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortMatch {
    /// Every port.
    Any,
    /// From the first to the last (`port` to `endPort`), both included.
    Range(u16, u16),
    /// The container port of this name on the destination pod.
    Named(Text),
    /// No port: what was written cannot be read as one. It must not come to mean every port.
    Nothing,
}
