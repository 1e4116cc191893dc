//! The table that keeps DNS of the node's own addresses out of connection tracking.
//!
//! ```text
//! chain prerouting { type filter hook prerouting priority raw; … }     packets of pods, and those that come over lo
//! chain output     { type filter hook output priority raw; … }         packets of the node itself, and replies
//!     ip daddr @local4 meta l4proto udp th dport 53 notrack
//!     ip saddr @local4 meta l4proto udp th sport 53 notrack            … TCP and IPv6 likewise
//! ```
//!
//! Nobody owns it: two servers have it while one takes over from the other.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use netfilter::Netfilter;
use nft::{
    BaseChain, Chain, DataType, Elements, Field, Hook, Key, Name, Ownership, Policy, Rule, Ruleset,
    Set, Statement, Value, protocol,
};

use super::PORT;

/// The name of the table.
const TABLE: &str = "portolan-node-local";

/// `raw`: before connections are tracked, which is at -200.
const PRIORITY: i32 = -300;

/// The sets of addresses, and the fields that are looked up in them.
const SETS: [(&str, DataType, Field, Field); 2] = [
    ("local4", DataType::Ipv4, Field::Ip4Source, Field::Ip4Destination),
    ("local6", DataType::Ipv6, Field::Ip6Source, Field::Ip6Destination),
];

/// Brings the table to these addresses, and returns those that it had before.
///
/// # Errors
/// The kernel refuses.
pub(super) fn apply(addresses: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let mut netfilter = open()?;
    let before = addresses_of(&mut netfilter)?;
    netfilter.apply(&ruleset(addresses)?).context("cannot keep DNS out of connection tracking")?;
    Ok(before)
}

/// Makes the table again when it is gone, and says whether it was.
///
/// # Errors
/// The kernel refuses.
pub(super) fn restore(addresses: &[IpAddr]) -> Result<bool> {
    let mut netfilter = open()?;
    let is_gone = read(&mut netfilter)?.is_none();
    if is_gone {
        netfilter.apply(&ruleset(addresses)?).context("cannot make the table again")?;
    }
    Ok(is_gone)
}

/// Removes the table, and returns the addresses that it had.
///
/// # Errors
/// The kernel refuses.
pub(super) fn remove() -> Result<Vec<IpAddr>> {
    let mut netfilter = open()?;
    let addresses = addresses_of(&mut netfilter)?;
    netfilter.uninstall(&Name::new(TABLE)?).context("cannot remove the table")?;
    Ok(addresses)
}

fn open() -> Result<Netfilter> {
    Netfilter::open_as(Ownership::None).context("cannot talk to the kernel")
}

fn read(netfilter: &mut Netfilter) -> Result<Option<Ruleset>> {
    let table = netfilter.read(&Name::new(TABLE)?).context("cannot read the table")?;
    Ok(table.map(nft::Observed::into_ruleset))
}

fn addresses_of(netfilter: &mut Netfilter) -> Result<Vec<IpAddr>> {
    let Some(ruleset) = read(netfilter)? else { return Ok(Vec::new()) };
    let mut addresses = Vec::new();
    for (name, data_type, ..) in SETS {
        let elements = ruleset.sets.get(&Name::new(name)?).map(|set| &set.elements);
        let Some(Elements::Keys(keys)) = elements else { continue };
        for key in keys {
            match Value::from_octets(data_type, key.octets()) {
                Some(Value::Ipv4(address)) => addresses.push(address.into()),
                Some(Value::Ipv6(address)) => addresses.push(address.into()),
                _ => {}
            }
        }
    }
    Ok(addresses)
}

fn ruleset(addresses: &[IpAddr]) -> Result<Ruleset> {
    let mut ruleset = Ruleset::new(Name::new(TABLE)?);
    let mut rules = Vec::new();
    for (name, data_type, source, destination) in SETS {
        let name = Name::new(name)?;
        let values = addresses.iter().map(|address| Value::from(*address));
        let keys = values.filter(|value| value.data_type() == data_type);
        let set = Set::of_keys([data_type], keys.map(|value| Key::new(&[value])));
        ruleset.sets.insert(name.clone(), Arc::new(set));
        for (address, port) in [(destination, Field::DestinationPort), (source, Field::SourcePort)]
        {
            for transport in [protocol::UDP, protocol::TCP] {
                rules.push(Rule::new([
                    Statement::Lookup { key: vec![address], set: name.clone() },
                    Statement::is(Field::Protocol, Value::Protocol(transport)),
                    Statement::is(port, Value::Port(PORT)),
                    Statement::NoTrack,
                ]));
            }
        }
    }
    for hook in [Hook::Prerouting, Hook::Output] {
        let base = BaseChain { hook, priority: PRIORITY, policy: Policy::Accept };
        let chain = Chain { base: Some(base), ..Chain::new(rules.clone()) };
        ruleset.chains.insert(Name::new(hook.name())?, Arc::new(chain));
    }
    Ok(ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_both_transports_are_meant() {
        let addresses = ["169.254.20.10", "fd00::53"].map(|text| text.parse().unwrap());
        let text = ruleset(&addresses).unwrap().to_string();
        for line in [
            "169.254.20.10",
            "fd00::53",
            "type filter hook prerouting priority -300; policy accept;",
            "type filter hook output priority -300; policy accept;",
            "ip daddr @local4 meta l4proto udp th dport 53 notrack",
            "ip saddr @local4 meta l4proto tcp th sport 53 notrack",
            "ip6 daddr @local6 meta l4proto tcp th dport 53 notrack",
            "ip6 saddr @local6 meta l4proto udp th sport 53 notrack",
        ] {
            assert!(text.contains(line), "{line} is in {text}");
        }
    }
}
