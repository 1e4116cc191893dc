//! One connection, traced through the kernel: `portolan explain flow --live`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cluster::Cluster;
use netfilter::{Netfilter, Outcome, Step, Tracer};
use netpol::{Explanation, Family, Flow, TABLE};
use nft::{
    BaseChain, Chain, Comparison, CtState, Field, Hook, Limit, Name, Ownership, Policy, Rule,
    Ruleset, Statement, TimeUnit, Value,
};

use super::bridges;
use crate::print;

/// The table that marks packets. The kernel removes it when the process ends, however it does.
const MARKS: &str = "portolan-trace";

/// Right behind conntrack (-200), which says what begins a connection.
const PRIORITY: i32 = -199;

/// How long after its first step a packet is followed, and how long nothing may come until it is through.
const MOST: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_millis(300);

/// Traces the next connection that begins like a flow, and says what it met and whether that is what policies say.
///
/// # Errors
/// The kernel cannot trace, or no such connection begins in time.
pub(super) fn trace(
    cluster: &Cluster,
    node: &str,
    explanation: &Explanation,
    patience: Duration,
) -> Result<String> {
    let mut netfilter =
        Netfilter::open_as(Ownership::Owned).context("cannot talk to the kernel")?;
    let mut tracer = Tracer::open().context("cannot follow traces")?;
    let marks = marks(&explanation.flow)?;
    netfilter.apply(&marks).context("cannot mark packets; Linux 5.12 or later is needed")?;
    let seconds = patience.as_secs();
    print::remark(&format!("waiting up to {seconds} s for such a connection to begin\n"));
    let steps = follow(&mut tracer, Instant::now() + patience)?;
    netfilter.uninstall(&marks.table).context("cannot remove the marks")?;
    let mut text = String::new();
    for bypass in bridges::bypasses(cluster, node)? {
        let setting = bridges::setting(bypass.family);
        let _ = writeln!(
            text,
            "note: packets between pods of bridge {} pass the rules by; set {setting} to 1",
            bypass.bridge
        );
    }
    if steps.is_empty() {
        bail!(
            "{text}no such connection began through this node within {seconds} s (--live-timeout)"
        );
    }
    let rules = tracer.rules(&Name::new(TABLE)?).context("cannot list the rules")?;
    text.push_str(&told(&steps, &rules, explanation.verdict.passes_on(node)));
    Ok(text)
}

/// Returns the table that marks the first packets of connections like a flow.
fn marks(flow: &Flow) -> Result<Ruleset> {
    let Some((protocol, port)) = flow.traffic.port() else {
        bail!("{}: only TCP, UDP and SCTP are traced", flow.traffic)
    };
    let protocol = match protocol {
        cluster::Protocol::Tcp => nft::protocol::TCP,
        cluster::Protocol::Udp => nft::protocol::UDP,
        cluster::Protocol::Sctp => nft::protocol::SCTP,
    };
    let (source, destination) = match Family::of(flow.source) {
        Family::V4 => (Field::Ip4Source, Field::Ip4Destination),
        Family::V6 => (Field::Ip6Source, Field::Ip6Destination),
    };
    let is_address = |field, address: IpAddr| Statement::is(field, address.into());
    // What a cache of the node is asked is not tracked, so that each packet stands by itself.
    let state = Comparison::AnyBit(CtState::NEW.or(CtState::UNTRACKED).value());
    let rule = Rule::new([
        is_address(source, flow.source),
        is_address(destination, flow.destination),
        Statement::is(Field::Protocol, Value::Protocol(protocol)),
        Statement::is(Field::DestinationPort, Value::Port(port)),
        Statement::Compare { field: Field::CtState, comparison: state },
        Statement::Limit(Limit { rate: 5, per: TimeUnit::Second, burst: 5 }),
        Statement::Trace,
    ]);
    let mut ruleset = Ruleset::new(Name::new(MARKS)?);
    for hook in [Hook::Forward, Hook::Input, Hook::Output] {
        let base = BaseChain { hook, priority: PRIORITY, policy: Policy::Accept };
        let chain = Chain { base: Some(base), ..Chain::new([rule.clone()]) };
        ruleset.chains.insert(Name::new(hook.name())?, Arc::new(chain));
    }
    Ok(ruleset)
}

/// Returns the steps of the first packet; none when none comes in time.
fn follow(tracer: &mut Tracer, deadline: Instant) -> Result<Vec<Step>> {
    let receive = |tracer: &mut Tracer, until| tracer.next_until(until).context("cannot trace");
    let Some(first) = receive(tracer, deadline)? else { return Ok(Vec::new()) };
    let (packet, end) = (first.packet, Instant::now() + MOST);
    let mut steps = vec![first];
    while let Some(step) = receive(tracer, end.min(Instant::now() + QUIET))? {
        if step.packet == packet {
            steps.push(step);
        }
    }
    Ok(steps)
}

/// Says what the packet met, and whether it fared as policies say.
fn told(steps: &[Step], rules: &BTreeMap<u64, (Name, Rule)>, should_pass: bool) -> String {
    let mut text = "traced through the kernel of this node:\n".to_owned();
    let others = steps.iter().filter(|step| step.table != MARKS);
    for Step { family, table, chain, rule, outcome, .. } in others.clone() {
        let what = match rule {
            None => "policy".to_owned(),
            Some(handle) => match rules.get(handle).filter(|_| table == TABLE) {
                Some((_, rule)) => format!("`{rule}`"),
                None => format!("rule with handle {handle}"),
            },
        };
        let outcome = match outcome {
            Outcome::Accept => "accept",
            Outcome::Drop => "drop",
            Outcome::GoesOn(what) => what,
        };
        let _ = writeln!(text, "  table {family} {table}, chain {chain}, {what}: {outcome}");
    }
    let drop = others.clone().find(|step| step.outcome == Outcome::Drop);
    text.push_str(&match (drop, should_pass) {
        (None, true) => "it passed this node, as policies say\n".to_owned(),
        (Some(step), false) if step.table == TABLE => {
            "it was dropped on this node, as policies say\n".to_owned()
        }
        (Some(step), true) if step.table == TABLE => {
            "it was dropped on this node, but policies allow it: see whether `portolan netpol` is up to date\n"
                .to_owned()
        }
        (Some(step), _) => {
            let Step { family, table, chain, .. } = step;
            format!("it was dropped by somebody else: table {family} {table}, chain {chain}\n")
        }
        (None, false) => {
            "it passed this node, but policies deny it: see whether `portolan netpol` runs and is up to date\n"
                .to_owned()
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(table: &str, rule: Option<u64>, outcome: Outcome) -> Step {
        let (table, chain) = (table.to_owned(), "forward".to_owned());
        Step { packet: 1, family: "inet", table, chain, rule, outcome }
    }

    #[test]
    fn what_the_kernel_did_is_compared_with_what_policies_say() {
        let rule = Rule::new([Statement::Counter]);
        let rules = BTreeMap::from([(7, (Name::new("forward").unwrap(), rule))]);
        let last = |steps: &[Step], should_pass| {
            told(steps, &rules, should_pass).lines().last().unwrap().to_owned()
        };
        let marked = step(MARKS, Some(1), Outcome::GoesOn("continue".to_owned()));
        let dropped = [marked.clone(), step(TABLE, Some(7), Outcome::Drop)];
        assert_eq!(
            told(&dropped, &rules, false),
            "traced through the kernel of this node:\n  table inet portolan-netpol, chain forward, `counter`: drop\n\
             it was dropped on this node, as policies say\n"
        );
        assert!(last(&dropped, true).contains("but policies allow it"));
        let passed = [marked, step(TABLE, None, Outcome::Accept)];
        assert_eq!(last(&passed, true), "it passed this node, as policies say");
        assert!(last(&passed, false).contains("but policies deny it"));
        let others = [step("filter", Some(7), Outcome::Drop)];
        assert!(told(&others, &rules, true).contains("chain forward, rule with handle 7: drop\n"));
        assert_eq!(
            last(&others, false),
            "it was dropped by somebody else: table inet filter, chain forward"
        );
    }
}
