//! The table that keeps DNS of the node's own addresses out of connection tracking, and notes which these are, from before
//! they are on `lo` until they are off it: whenever a process is killed, the table names what it left.
//!
//! ```text
//! set own4 { … } set own6 { … }                                        notes; all that there is before the first answer
//! chain prerouting { type filter hook prerouting priority raw; … }     packets of pods, and those that come over lo
//! chain output     { type filter hook output priority raw; … }         packets of the node itself, and replies
//!     ip daddr @local4 meta l4proto udp th dport 53 notrack
//!     ip saddr @local4 meta l4proto udp th sport 53 notrack            … TCP and IPv6 likewise
//! ```
//!
//! Nobody owns it: two servers have it while one takes over from the other.

use std::collections::BTreeSet;
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

/// The sets of untracked addresses, and the fields that are looked up in them.
const SETS: [(&str, DataType, Field, Field); 2] = [
    ("local4", DataType::Ipv4, Field::Ip4Source, Field::Ip4Destination),
    ("local6", DataType::Ipv6, Field::Ip6Source, Field::Ip6Destination),
];

/// The sets of addresses that are taken off `lo` at the end.
const NOTES: [(&str, DataType); 2] = [("own4", DataType::Ipv4), ("own6", DataType::Ipv6)];

/// What the table says; of an empty one there is no table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    /// Addresses that servers put on `lo`, or are about to.
    own: BTreeSet<IpAddr>,
    /// Those whose packets are not tracked.
    untracked: BTreeSet<IpAddr>,
}

/// Notes addresses that are about to be put on `lo`, so that whoever removes what a killed process left knows them. Returns
/// those that were not noted.
///
/// # Errors
/// The kernel refuses.
pub(super) fn note(addresses: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let mut netfilter = open()?;
    let mut state = read(&mut netfilter)?;
    let mut noted = addresses.to_vec();
    noted.retain(|address| state.own.insert(*address));
    if !noted.is_empty() {
        write(&mut netfilter, &state)?;
    }
    Ok(noted)
}

/// Has the kernel not track these addresses and no other. Returns those that an earlier start had beside them: they are
/// tracked, and noted until [`forget`].
///
/// # Errors
/// The kernel refuses.
pub(super) fn untrack(addresses: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let mut netfilter = open()?;
    let mut state = read(&mut netfilter)?;
    let untracked = addresses.iter().copied().collect();
    let gone = state.own.difference(&untracked).copied().collect();
    state.own.extend(addresses);
    write(&mut netfilter, &State { untracked, ..state })?;
    Ok(gone)
}

/// Has the kernel not track these addresses if it tracks all, and says whether it did.
///
/// # Errors
/// The kernel refuses.
pub(super) fn restore(addresses: &[IpAddr]) -> Result<bool> {
    let is_gone = read(&mut open()?)?.untracked.is_empty();
    if is_gone {
        untrack(addresses)?;
    }
    Ok(is_gone)
}

/// Has the kernel track all addresses again. They stay noted, and are returned.
///
/// # Errors
/// The kernel refuses.
pub(super) fn track() -> Result<Vec<IpAddr>> {
    let mut netfilter = open()?;
    let state = read(&mut netfilter)?;
    if !state.untracked.is_empty() {
        write(&mut netfilter, &State { own: state.own.clone(), untracked: BTreeSet::new() })?;
    }
    Ok(state.own.into_iter().collect())
}

/// Forgets addresses that are off `lo`; the table goes with the last one.
///
/// # Errors
/// The kernel refuses.
pub(super) fn forget(addresses: &[IpAddr]) -> Result<()> {
    let mut netfilter = open()?;
    let mut state = read(&mut netfilter)?;
    for address in addresses {
        state.own.remove(address);
        state.untracked.remove(address);
    }
    write(&mut netfilter, &state)
}

fn open() -> Result<Netfilter> {
    Netfilter::open_as(Ownership::None).context("cannot talk to the kernel")
}

fn read(netfilter: &mut Netfilter) -> Result<State> {
    let table = netfilter.read(&Name::new(TABLE)?).context("cannot read the table")?;
    let Some(ruleset) = table.map(nft::Observed::into_ruleset) else { return Ok(State::default()) };
    state(&ruleset)
}

fn write(netfilter: &mut Netfilter, state: &State) -> Result<()> {
    if *state == State::default() {
        netfilter.uninstall(&Name::new(TABLE)?).context("cannot remove the table")?;
        return Ok(());
    }
    netfilter.apply(&ruleset(state)?).context("cannot keep DNS out of connection tracking")?;
    Ok(())
}

/// Reads a table. What is not tracked is noted, too: older versions had no notes.
fn state(ruleset: &Ruleset) -> Result<State> {
    let mut state = State::default();
    for (name, data_type) in NOTES {
        state.own.extend(addresses_in(ruleset, name, data_type)?);
    }
    for (name, data_type, ..) in SETS {
        let untracked = addresses_in(ruleset, name, data_type)?;
        state.own.extend(&untracked);
        if !ruleset.chains.is_empty() {
            state.untracked.extend(untracked);
        }
    }
    Ok(state)
}

fn addresses_in(ruleset: &Ruleset, name: &str, data_type: DataType) -> Result<Vec<IpAddr>> {
    let elements = ruleset.sets.get(&Name::new(name)?).map(|set| &set.elements);
    let Some(Elements::Keys(keys)) = elements else { return Ok(Vec::new()) };
    let address = |key: &Key| match Value::from_octets(data_type, key.octets()) {
        Some(Value::Ipv4(address)) => Some(address.into()),
        Some(Value::Ipv6(address)) => Some(address.into()),
        _ => None,
    };
    Ok(keys.iter().filter_map(address).collect())
}

fn ruleset(state: &State) -> Result<Ruleset> {
    let mut ruleset = Ruleset::new(Name::new(TABLE)?);
    for (name, data_type) in NOTES {
        ruleset.sets.insert(Name::new(name)?, Arc::new(set_of(&state.own, data_type)));
    }
    if state.untracked.is_empty() {
        return Ok(ruleset);
    }
    let mut rules = Vec::new();
    for (name, data_type, source, destination) in SETS {
        let name = Name::new(name)?;
        ruleset.sets.insert(name.clone(), Arc::new(set_of(&state.untracked, data_type)));
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

fn set_of(addresses: &BTreeSet<IpAddr>, data_type: DataType) -> Set {
    let values = addresses.iter().map(|address| Value::from(*address));
    let keys = values.filter(|value| value.data_type() == data_type);
    Set::of_keys([data_type], keys.map(|value| Key::new(&[value])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> BTreeSet<IpAddr> {
        ["169.254.20.10", "fd00::53"].map(|text| text.parse().unwrap()).into()
    }

    #[test]
    fn both_ways_of_both_transports_are_meant() {
        let state = State { own: addresses(), untracked: addresses() };
        let text = ruleset(&state).unwrap().to_string();
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

    #[test]
    fn a_table_says_what_was_written() {
        let first: BTreeSet<IpAddr> = addresses().into_iter().take(1).collect();
        for (own, untracked) in
            [(addresses(), BTreeSet::new()), (addresses(), first.clone()), (first.clone(), first)]
        {
            let written = State { own, untracked };
            assert_eq!(state(&ruleset(&written).unwrap()).unwrap(), written);
        }
        // As older versions left it.
        let mut ruleset = ruleset(&State { own: addresses(), untracked: addresses() }).unwrap();
        ruleset.sets.retain(|name, _| !NOTES.iter().any(|(note, _)| name.as_str() == *note));
        assert_eq!(state(&ruleset).unwrap().own, addresses());
    }
}
