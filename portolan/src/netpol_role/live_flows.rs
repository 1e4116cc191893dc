//! Live connections after a change: which are no longer allowed, and which are again.
//!
//! A connection is judged as the kernel would judge its first packet: by the source of its original direction and by the
//! source of its replies, which is the destination behind all rewriting of addresses. The direction of the packet that
//! happens to come next says nothing: a server that sends would pass as a client.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use netfilter::{Endpoint, Flow, Tuple};
use nft::{Hook, Packet, Policy, Ruleset, protocol};

/// What is to be done to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// It stays as it is.
    Keep,
    /// It is cut: its mark is set.
    Revoke,
    /// It is let go on: its mark is cleared.
    Restore,
}

/// Says what is to be done to a connection under a ruleset. `own` are the node's addresses.
pub(super) fn judge(
    ruleset: &Ruleset,
    own: &BTreeSet<IpAddr>,
    revoked_mark: u32,
    flow: &Flow,
) -> Judgement {
    let is_revoked = flow.mark & revoked_mark != 0;
    match (passes(ruleset, own, flow), is_revoked) {
        (true, true) => Judgement::Restore,
        (false, false) => Judgement::Revoke,
        (true, false) | (false, true) => Judgement::Keep,
    }
}

/// Says whether a connection would be let through if it began now.
fn passes(ruleset: &Ruleset, own: &BTreeSet<IpAddr>, flow: &Flow) -> bool {
    let Tuple { source, destination } = flow.real();
    if own.contains(&source.address) {
        // The node may always talk to its pods.
        return true;
    }
    let hook = if own.contains(&destination.address) { Hook::Input } else { Hook::Forward };
    let packet = first_packet(flow.protocol, source, destination);
    // A ruleset that cannot be traced is one that the kernel refuses: it is not in force.
    nft::trace(ruleset, hook, &packet).map_or(true, |decision| decision.verdict == Policy::Accept)
}

fn first_packet(protocol: u8, source: Endpoint, destination: Endpoint) -> Packet {
    match protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            let of = |endpoint: Endpoint| SocketAddr::new(endpoint.address, endpoint.port);
            Packet::between(protocol, of(source), of(destination))
        }
        // Of ICMP, connection tracking follows echo: this is its request.
        protocol::ICMP => Packet::new(source.address, destination.address, protocol, [8, 0]),
        protocol::ICMP6 => Packet::new(source.address, destination.address, protocol, [128, 0]),
        other => Packet::new(source.address, destination.address, other, []),
    }
}
