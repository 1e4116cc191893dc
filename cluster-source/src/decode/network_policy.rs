//! NetworkPolicies.
//!
//! A peer or port that cannot be read matches nothing, and the policy isolates its pods all the same. Of a policy whose
//! rules are of no form at all, its pods are read, and nothing is allowed. A bad policy closes its own pods and opens
//! nobody's. When it cannot be said which pods are its own, all of its namespace are: some of them are meant, and who
//! may write policies there may close all of them anyway.

use cluster::{
    IpBlock, NetworkPolicy, Oddity, Peer, PolicyDirection, PolicyPort, PolicyRule, PortMatch,
    Protocol, Selector,
};
use ipnet::IpNet;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bad::Closes;
use super::metadata::Metadata;
use super::selector::WireSelector;
use super::wire::{IntOrWord, Word, each, text};
use super::{Context, Fault, cidr, value, wire};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
}

#[derive(Deserialize, Default)]
struct Spec<'a> {
    #[serde(borrow, rename = "podSelector")]
    pod_selector: Option<WireSelector<'a>>,
    #[serde(borrow, rename = "policyTypes")]
    policy_types: Option<Vec<Word<'a>>>,
    #[serde(borrow)]
    ingress: Option<Vec<Rule<'a>>>,
    #[serde(borrow)]
    egress: Option<Vec<Rule<'a>>>,
}

/// A rule of either direction: ingress has `from`, egress has `to`.
#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    from: Option<Vec<WirePeer<'a>>>,
    #[serde(borrow)]
    to: Option<Vec<WirePeer<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
}

#[derive(Deserialize)]
struct WirePeer<'a> {
    #[serde(borrow, rename = "ipBlock")]
    ip_block: Option<WireIpBlock<'a>>,
    #[serde(borrow, rename = "podSelector")]
    pods: Option<WireSelector<'a>>,
    #[serde(borrow, rename = "namespaceSelector")]
    namespaces: Option<WireSelector<'a>>,
}

#[derive(Deserialize)]
struct WireIpBlock<'a> {
    #[serde(borrow)]
    cidr: Option<Word<'a>>,
    #[serde(borrow)]
    except: Option<Vec<Word<'a>>>,
}

#[derive(Deserialize)]
struct Port<'a> {
    #[serde(borrow)]
    protocol: Option<Word<'a>>,
    #[serde(borrow)]
    port: Option<IntOrWord<'a>>,
    #[serde(rename = "endPort")]
    end_port: Option<i64>,
}

/// What is read of a policy whose rules cannot be: its name, its pods, its directions, each as far as it can be.
#[derive(Deserialize)]
struct MetadataOnly<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct PodsOnly<'a> {
    #[serde(borrow)]
    spec: Pods<'a>,
}

#[derive(Deserialize)]
struct Pods<'a> {
    #[serde(borrow, rename = "podSelector")]
    pod_selector: Option<WireSelector<'a>>,
}

#[derive(Deserialize)]
struct TypesOnly<'a> {
    #[serde(borrow)]
    spec: Types<'a>,
}

#[derive(Deserialize)]
struct Types<'a> {
    #[serde(borrow, rename = "policyTypes")]
    policy_types: Option<Vec<Word<'a>>>,
    egress: Option<IgnoredAny>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<NetworkPolicy, Fault> {
    let fault = match decode_whole(json, context) {
        Ok(policy) => return Ok(policy),
        Err(fault) => fault,
    };
    context.dropped.clear();
    let Some((policy, closes)) = closed(json, context) else { return Err(fault) };
    context.dropped.push(fault.closing(closes));
    Ok(policy)
}

/// Reads a policy whose rules cannot be read as one without rules, and says whose pods it closes; none when it has no
/// name.
fn closed(json: &str, context: &mut Context<'_>) -> Option<(NetworkPolicy, Closes)> {
    let MetadataOnly { metadata } = wire::parse(json).ok()?;
    let own = wire::parse(json).and_then(|PodsOnly { spec }| {
        spec.pod_selector.map_or(Ok(Selector::default()), |selector| selector.decode(context))
    });
    let (pod_selector, closes) = match own {
        Ok(selector) => (selector, Closes::OwnPods),
        Err(_) => (Selector::default(), Closes::Namespace),
    };
    let types = wire::parse(json).and_then(|TypesOnly { spec }| {
        let named = named_types(spec.policy_types.as_deref().unwrap_or_default())?;
        Ok(named.unwrap_or((true, spec.egress.is_some())))
    });
    let (has_ingress, has_egress) = types.unwrap_or((true, true));
    let policy = NetworkPolicy {
        key: context.key(&metadata).ok()?,
        pod_selector,
        ingress: has_ingress.then(PolicyDirection::default),
        egress: has_egress.then(PolicyDirection::default),
        oddities: Box::default(),
    };
    Some((policy, closes))
}

fn decode_whole(json: &str, context: &mut Context<'_>) -> Result<NetworkPolicy, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let spec = wire.spec.unwrap_or_default();
    let pod_selector = match &spec.pod_selector {
        Some(selector) => {
            selector.decode(context).map_err(|fault| fault.under("spec.podSelector"))?
        }
        None => Selector::default(),
    };
    let (has_ingress, has_egress) = policy_types(&spec)?;
    Ok(NetworkPolicy {
        key: context.key(&wire.metadata)?,
        pod_selector,
        ingress: has_ingress.then(|| direction(&spec.ingress, "ingress", context)),
        egress: has_egress.then(|| direction(&spec.egress, "egress", context)),
        oddities: oddities(&spec),
    })
}

/// Without `policyTypes` a policy is about ingress, and about egress if it has egress rules, as the API
/// server fills in.
fn policy_types(spec: &Spec<'_>) -> Result<(bool, bool), Fault> {
    let types = named_types(spec.policy_types.as_deref().unwrap_or_default())?;
    Ok(types.unwrap_or((true, spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()))))
}

/// Finds what is written in a way that says something else than it means.
fn oddities(spec: &Spec<'_>) -> Box<[Oddity]> {
    let mut found = Vec::new();
    let has = |rules: &Option<Vec<Rule<'_>>>| rules.as_ref().is_some_and(|rules| !rules.is_empty());
    match named_types(spec.policy_types.as_deref().unwrap_or_default()) {
        Ok(Some((ingress, egress))) => {
            let unused = [(ingress, &spec.ingress, "ingress"), (egress, &spec.egress, "egress")];
            let unused = unused.into_iter().filter(|(is_meant, rules, _)| !is_meant && has(rules));
            found.extend(unused.map(|(.., name)| Oddity::UnusedRules(name)));
        }
        Ok(None) if has(&spec.egress) && !has(&spec.ingress) => found.push(Oddity::ImpliedIngress),
        Ok(None) if spec.egress.is_some() && !has(&spec.egress) => found.push(Oddity::EmptyEgress),
        Ok(None) | Err(_) => {}
    }
    for (rules, name) in [(&spec.ingress, "ingress"), (&spec.egress, "egress")] {
        for (at, rule) in each(rules) {
            let (peers, side) =
                if name == "ingress" { (&rule.from, "from") } else { (&rule.to, "to") };
            for (number, peer) in each(peers) {
                let place = format!("spec.{name}[{at}].{side}[{number}].ipBlock");
                found.extend(peer.ip_block.iter().flat_map(|block| spellings(block, &place)));
            }
        }
    }
    found.into()
}

/// Finds networks in spellings that newer API servers refuse in new objects.
fn spellings(block: &WireIpBlock<'_>, place: &str) -> Vec<Oddity> {
    let cidr = block.cidr.iter().map(|text| (format!("{place}.cidr"), text));
    let except = each(&block.except).map(|(at, text)| (format!("{place}.except[{at}]"), text));
    let odd = cidr.chain(except).filter_map(|(field, text)| {
        let network = cidr::parse(text)?;
        let written = (**text).into();
        (!cidr::is_strict(text)).then(|| Oddity::Spelling { field: field.into(), written, network })
    });
    odd.collect()
}

/// Returns the directions that `policyTypes` names, ingress and egress; none when it names nothing.
fn named_types(types: &[Word<'_>]) -> Result<Option<(bool, bool)>, Fault> {
    if types.is_empty() {
        return Ok(None);
    }
    if let Some((at, other)) =
        types.iter().enumerate().find(|(_, name)| !matches!(&***name, "Ingress" | "Egress"))
    {
        let problem = format!("{:?} is no policy type; write Ingress or Egress", &**other);
        return Err(Fault::new(format!("spec.policyTypes[{at}]"), problem));
    }
    let has = |name: &str| types.iter().any(|word| **word == *name);
    Ok(Some((has("Ingress"), has("Egress"))))
}

fn direction(
    rules: &Option<Vec<Rule<'_>>>,
    name: &str,
    context: &mut Context<'_>,
) -> PolicyDirection {
    let mut decoded = Vec::new();
    for (at, entry) in each(rules) {
        let peers = if name == "ingress" { ("from", &entry.from) } else { ("to", &entry.to) };
        let known = context.dropped.len();
        decoded.push(rule(peers, &entry.ports, context));
        let place = format!("spec.{name}[{at}]");
        let faults: Vec<Fault> = context.dropped.drain(known..).collect();
        context.dropped.extend(faults.into_iter().map(|fault| fault.under(&place)));
    }
    PolicyDirection { rules: decoded }
}

fn rule(
    (side, wire_peers): (&str, &Option<Vec<WirePeer<'_>>>),
    wire_ports: &Option<Vec<Port<'_>>>,
    context: &mut Context<'_>,
) -> PolicyRule {
    let mut rule = PolicyRule::default();
    for (at, entry) in each(wire_peers) {
        rule.peers.push(peer(entry, context).unwrap_or_else(|fault| {
            context.dropped.push(fault.matching_nothing("peer").under(&format!(".{side}[{at}]")));
            Peer::Nobody
        }));
    }
    for (at, entry) in each(wire_ports) {
        rule.ports.push(port(entry, context).unwrap_or_else(|fault| {
            context.dropped.push(fault.matching_nothing("port").under(&format!(".ports[{at}]")));
            PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Nothing }
        }));
    }
    rule
}

fn peer(peer: &WirePeer<'_>, context: &mut Context<'_>) -> Result<Peer, Fault> {
    let has_selector = peer.pods.is_some() || peer.namespaces.is_some();
    match &peer.ip_block {
        Some(block) if !has_selector => Ok(Peer::IpBlock(ip_block(block)?)),
        None if has_selector => Ok(Peer::Pods {
            pods: selector(&peer.pods, ".podSelector", context)?,
            namespaces: selector(&peer.namespaces, ".namespaceSelector", context)?,
        }),
        _ => {
            let problem = "write either `ipBlock`, or `podSelector` and `namespaceSelector`";
            Err(Fault::new("", problem))
        }
    }
}

fn selector(
    wire: &Option<WireSelector<'_>>,
    field: &str,
    context: &mut Context<'_>,
) -> Result<Option<Selector>, Fault> {
    wire.as_ref()
        .map(|selector| selector.decode(context).map_err(|fault| fault.under(field)))
        .transpose()
}

fn ip_block(block: &WireIpBlock<'_>) -> Result<IpBlock, Fault> {
    let except: Result<Vec<_>, Fault> = each(&block.except)
        .map(|(at, text)| network(&format!(".ipBlock.except[{at}]"), text))
        .collect();
    Ok(IpBlock { cidr: network(".ipBlock.cidr", text(&block.cidr))?, except: except? })
}

fn network(field: &str, text: &str) -> Result<IpNet, Fault> {
    cidr::parse(text).map_or_else(|| value::cidr(field, text), Ok)
}

fn port(port: &Port<'_>, context: &mut Context<'_>) -> Result<PolicyPort, Fault> {
    let protocol = value::protocol(".protocol", text(&port.protocol))?;
    let ports = match (&port.port, port.end_port) {
        (None, None) => PortMatch::Any,
        (Some(IntOrWord::Int(first)), end) => range(*first, end)?,
        (Some(IntOrWord::Word(name)), None) if !name.is_empty() => {
            PortMatch::Named(context.names.text(name))
        }
        (Some(IntOrWord::Word(_)), None) => {
            return Err(Fault::new(".port", "is empty; write a number or the name of a port"));
        }
        (None | Some(IntOrWord::Word(_)), Some(_)) => {
            return Err(Fault::new(".endPort", "needs a numeric `port` before it"));
        }
    };
    Ok(PolicyPort { protocol, ports })
}

fn range(first: i64, end: Option<i64>) -> Result<PortMatch, Fault> {
    let first = value::port(".port", first)?;
    let last = end.map_or(Ok(first), |end| value::port(".endPort", end))?;
    if last < first {
        return Err(Fault::new(".endPort", format!("{last} is below `port` {first}; swap them")));
    }
    Ok(PortMatch::Range(first, last))
}
