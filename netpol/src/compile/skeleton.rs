//! The part of the ruleset that is the same for every cluster.
//!
//! ```text
//! chain forward {
//!     type filter hook forward priority filter - 1; policy accept;
//!     ct mark & REVOKED != 0 drop
//!     ct state established,related accept
//!     ip6 daddr != :: meta l4proto ipv6-icmp icmpv6 type 133-137 accept
//!     ip6 daddr @linklocal6 drop
//!     ip6 saddr @linklocal6 ip6 daddr NO MULTICAST drop
//!     ip saddr vmap @egress4
//!     ip6 saddr vmap @egress6
//!     ip daddr vmap @ingress4
//!     ip6 daddr vmap @ingress6
//! }
//! chain input { … the same without ingress and link-local addresses, and with the DNS server of the node … }
//! ```
//!
//! Only the first packet of a connection goes further than the second rule, and that of a pod without policies no
//! further than the maps. What a base chain accepts, other tables may still drop, and what it drops none can accept:
//! the order of the tables does not matter.
//!
//! The set `linklocal6` is empty, or holds fe80::/10 when a pod of the node is isolated. Only a bridge makes packets between
//! such addresses be forwarded; whose they are, nobody tells.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use nft::{
    BaseChain, Chain, Comparison, CtState, DataType, Field, Hook, Key, KeyRange, Name, Policy,
    Rule, Ruleset, Set, Statement, Value, Verdict, protocol,
};

use super::{Family, Mode, Profile, name};
use crate::flow::DISCOVERY;
use crate::{Direction, Options, PodToOwnNode};

/// Before `filter` (0), behind conntrack (-200) and the rewriting of destinations (-100).
const PRIORITY: i32 = -1;

/// The port of DNS.
const DNS: u16 = 53;

/// The first and the last link-local address (RFC 4291 section 2.5.6).
const LINK_LOCAL: (Ipv6Addr, Ipv6Addr) = (
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
    Ipv6Addr::new(0xfebf, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff),
);

/// The last address before those of multicast (RFC 4291 section 2.7).
const LAST_UNICAST: Ipv6Addr =
    Ipv6Addr::new(0xfeff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff);

/// Adds the base chains.
pub(super) fn add_base_chains(ruleset: &mut Ruleset, options: &Options) {
    let mut forward = first_rules(options);
    forward.extend(link_local_rules());
    forward.extend(Family::ALL.map(|family| dispatch(Direction::Egress, family)));
    forward.extend(Family::ALL.map(|family| dispatch(Direction::Ingress, family)));
    ruleset.chains.insert(name("forward".into()), base(Hook::Forward, forward));
    if options.pod_to_own_node == PodToOwnNode::Enforce {
        let mut input = first_rules(options);
        for family in Family::ALL {
            input.extend(exempt_dns(ruleset, options, family));
        }
        input.extend(Family::ALL.map(|family| dispatch(Direction::Egress, family)));
        ruleset.chains.insert(name("input".into()), base(Hook::Input, input));
    }
}

/// Returns the name of the set of link-local addresses.
pub(super) fn link_local_name() -> Name {
    name("linklocal6".into())
}

/// Returns the set of [`link_local_name`]: empty unless a pod of the node is isolated.
pub(super) fn link_local_set<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Arc<Set> {
    let is_isolated = profiles.into_iter().any(|profile| profile.mode == Mode::Enforce);
    let key = |address: Ipv6Addr| Key::from(IpAddr::from(address));
    let range = KeyRange { first: key(LINK_LOCAL.0), last: key(LINK_LOCAL.1) };
    Arc::new(Set::of_ranges([DataType::Ipv6], is_isolated.then_some(range)))
}

/// Returns the name of the map from the addresses of pods to what is decided about them.
pub(super) fn map_name(direction: Direction, family: Family) -> Name {
    name(format!("{}{}", direction.name(), family.digit()))
}

/// Returns the name of the set of pairs of an address and the same address.
pub(super) fn own_pairs_name(family: Family) -> Name {
    name(format!("self{}", family.digit()))
}

/// Returns the rule that lets a pod reach itself through a Service.
pub(super) fn own_pairs(family: Family) -> Rule {
    let key = vec![family.source(), family.destination()];
    let lookup = Statement::Lookup { key, set: own_pairs_name(family) };
    Rule::new([lookup, Statement::Verdict(Verdict::Return)])
}

/// Returns the set of [`own_pairs_name`].
pub(super) fn own_pairs_set(family: Family, addresses: impl Iterator<Item = IpAddr>) -> Arc<Set> {
    let keys = addresses.map(|address| Key::new(&[address.into(), address.into()]));
    Arc::new(Set::of_keys([family.address(); 2], keys))
}

fn base(hook: Hook, rules: Vec<Rule>) -> Arc<Chain> {
    let base = BaseChain { hook, priority: PRIORITY, policy: Policy::Accept };
    Arc::new(Chain { base: Some(base), ..Chain::new(rules) })
}

fn first_rules(options: &Options) -> Vec<Rule> {
    let bits = |field, value| Statement::Compare { field, comparison: Comparison::AnyBit(value) };
    let known = CtState::ESTABLISHED.or(CtState::RELATED).value();
    let discovery =
        Comparison::Between(Value::Icmp6Type(DISCOVERY.0), Value::Icmp6Type(DISCOVERY.1));
    let not_unspecified = Comparison::IsNot(Value::Ipv6(Ipv6Addr::UNSPECIFIED));
    let accept = || Statement::Verdict(Verdict::Accept);
    let revoked = bits(Field::CtMark, Value::Mark(options.revoked_mark));
    vec![
        Rule::new([revoked, Statement::Counter, Statement::Verdict(Verdict::Drop)]),
        Rule::new([bits(Field::CtState, known), accept()]),
        Rule::new([
            // True of every packet of IPv6. IPv4 has a protocol 58, too, which finds nobody.
            Statement::Compare { field: Field::Ip6Destination, comparison: not_unspecified },
            Statement::is(Field::Protocol, Value::Protocol(protocol::ICMP6)),
            Statement::Compare { field: Field::Icmp6Type, comparison: discovery },
            accept(),
        ]),
    ]
}

/// Returns the rules that drop what link-local addresses send to one pod, and what is sent to them.
fn link_local_rules() -> [Rule; 2] {
    let is_link_local = |field| Statement::Lookup { key: vec![field], set: link_local_name() };
    let unicast =
        Comparison::Between(Value::Ipv6(Ipv6Addr::UNSPECIFIED), Value::Ipv6(LAST_UNICAST));
    let drop = || Statement::Verdict(Verdict::Drop);
    [
        Rule::new([is_link_local(Field::Ip6Destination), Statement::Counter, drop()]),
        Rule::new([
            is_link_local(Field::Ip6Source),
            Statement::Compare { field: Field::Ip6Destination, comparison: unicast },
            Statement::Counter,
            drop(),
        ]),
    ]
}

fn dispatch(direction: Direction, family: Family) -> Rule {
    let key = vec![family.own(direction)];
    Rule::new([Statement::VerdictMap { key, map: map_name(direction, family) }])
}

/// Adds the set of a family's DNS servers of the node and returns the rule that accepts what is sent to them.
fn exempt_dns(ruleset: &mut Ruleset, options: &Options, family: Family) -> Option<Rule> {
    let is_of_family = |address: &&IpAddr| Family::of(**address) == family;
    let addresses = options.node_local_dns.iter().filter(is_of_family);
    let keys: Vec<Key> = addresses
        .flat_map(|address| {
            let key = |protocol| {
                Key::new(&[(*address).into(), Value::Protocol(protocol), Value::Port(DNS)])
            };
            [key(protocol::TCP), key(protocol::UDP)]
        })
        .collect();
    if keys.is_empty() {
        return None;
    }
    let set = name(format!("dns{}", family.digit()));
    let types = [family.address(), DataType::Protocol, DataType::Port];
    ruleset.sets.insert(set.clone(), Arc::new(Set::of_keys(types, keys)));
    let key = vec![family.destination(), Field::Protocol, Field::DestinationPort];
    Some(Rule::new([Statement::Lookup { key, set }, Statement::Verdict(Verdict::Accept)]))
}
