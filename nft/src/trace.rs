//! Sends a packet through a ruleset as the kernel does (`nft_do_chain` in `net/netfilter/nf_tables_core.c`).

use crate::{
    Chain, Comparison, Field, Hook, Key, Name, Packet, Policy, Ruleset, Statement, Value, Verdict,
};

/// The chains that may be entered from one another; the kernel's stack of jumps (`NFT_JUMP_STACK_SIZE`).
const MAX_DEPTH: usize = 16;

/// What a ruleset decides for a packet, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether the packet passes.
    pub verdict: Policy,
    /// The chain that decided; none when no base chain is at the hook.
    pub chain: Option<Name>,
    /// The place of the rule in the chain, from 0; none when the chain's policy decided.
    pub rule: Option<usize>,
}

/// Says why a ruleset cannot be followed. The kernel would not have taken it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TraceError {
    /// A verdict leads to a chain that is not there.
    #[error("the ruleset has no chain {0}")]
    NoChain(Name),
    /// A rule looks something up in a set that is not there.
    #[error("the ruleset has no set {0}")]
    NoSet(Name),
    /// A rule looks something up in a map that is not there.
    #[error("the ruleset has no map {0}")]
    NoMap(Name),
    /// Chains lead to one another more than 16 deep, or in a circle.
    #[error("chains lead to one another too deep at chain {0}")]
    TooDeep(Name),
}

/// How a chain was left.
enum Left {
    Decided(Decision),
    /// By `return`, or at its end.
    Returned,
}

/// Sends a packet through the base chains of a hook, in the order of their priorities.
///
/// The packet passes when all of them let it. Limits are taken as not reached; counters and logs are ignored.
/// The decision of a packet that passes is that of the last base chain.
///
/// # Errors
/// The ruleset refers to something that is not there, or chains lead to one another too deep.
pub fn trace(ruleset: &Ruleset, hook: Hook, packet: &Packet) -> Result<Decision, TraceError> {
    let base = |chain: &Chain| chain.base.filter(|base| base.hook == hook);
    let mut chains: Vec<_> =
        ruleset.chains.iter().filter_map(|(name, chain)| Some((base(chain)?, name))).collect();
    chains.sort_by_key(|(base, name)| (base.priority, *name));

    let mut decision = Decision { verdict: Policy::Accept, chain: None, rule: None };
    for (base, name) in chains {
        decision = match run(ruleset, name, packet, 0)? {
            Left::Decided(decision) => decision,
            Left::Returned => {
                Decision { verdict: base.policy, chain: Some(name.clone()), rule: None }
            }
        };
        if decision.verdict == Policy::Drop {
            break;
        }
    }
    Ok(decision)
}

/// Runs a chain, and those that it leads to.
fn run(ruleset: &Ruleset, name: &Name, packet: &Packet, depth: usize) -> Result<Left, TraceError> {
    let chain = ruleset.chains.get(name).ok_or_else(|| TraceError::NoChain(name.clone()))?;
    if depth > MAX_DEPTH {
        return Err(TraceError::TooDeep(name.clone()));
    }
    for (place, rule) in chain.rules.iter().enumerate() {
        let decided = |verdict| Decision { verdict, chain: Some(name.clone()), rule: Some(place) };
        match run_rule(ruleset, &rule.statements, packet)? {
            None => {}
            Some(Verdict::Accept) => return Ok(Left::Decided(decided(Policy::Accept))),
            Some(Verdict::Drop) => return Ok(Left::Decided(decided(Policy::Drop))),
            Some(Verdict::Return) => return Ok(Left::Returned),
            // What returns from the other chain returns from this one.
            Some(Verdict::Goto(to)) => return run(ruleset, to, packet, depth + 1),
            Some(Verdict::Jump(to)) => {
                if let Left::Decided(decision) = run(ruleset, to, packet, depth + 1)? {
                    return Ok(Left::Decided(decision));
                }
            }
        }
    }
    Ok(Left::Returned)
}

/// Runs the statements of a rule; none when one does not match or there is no verdict.
fn run_rule<'a>(
    ruleset: &'a Ruleset,
    statements: &'a [Statement],
    packet: &Packet,
) -> Result<Option<&'a Verdict>, TraceError> {
    for statement in statements {
        let goes_on = match statement {
            Statement::Compare { field, comparison } => {
                packet.field(*field).is_some_and(|value| compares(comparison, &value))
            }
            Statement::Lookup { key, set } => is_in(ruleset, key, set, packet)? == Some(true),
            Statement::LookupNot { key, set } => is_in(ruleset, key, set, packet)? == Some(false),
            Statement::VerdictMap { key, map } => {
                let found = ruleset.maps.get(map).ok_or_else(|| TraceError::NoMap(map.clone()))?;
                return Ok(read_key(key, packet).and_then(|key| found.elements.get(&key)));
            }
            Statement::Verdict(verdict) => return Ok(Some(verdict)),
            Statement::Counter | Statement::NoTrack | Statement::Trace => true,
            Statement::Limit(_) | Statement::Log(_) => true,
        };
        if !goes_on {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Says whether a packet's key is in a set; none when the packet has no such key.
fn is_in(
    ruleset: &Ruleset,
    key: &[Field],
    set: &Name,
    packet: &Packet,
) -> Result<Option<bool>, TraceError> {
    let found = ruleset.sets.get(set).ok_or_else(|| TraceError::NoSet(set.clone()))?;
    Ok(read_key(key, packet).map(|key| found.contains(&key)))
}

fn read_key(fields: &[Field], packet: &Packet) -> Option<Key> {
    let values: Option<Vec<Value>> = fields.iter().map(|field| packet.field(*field)).collect();
    values.map(|values| Key::new(&values))
}

fn compares(comparison: &Comparison, value: &Value) -> bool {
    match comparison {
        Comparison::Is(other) => value == other,
        Comparison::IsNot(other) => value != other,
        Comparison::Between(first, last) => first <= value && value <= last,
        Comparison::AnyBit(bits) => value.bits() & bits.bits() != 0,
        Comparison::NoBit(bits) => value.bits() & bits.bits() == 0,
    }
}

#[cfg(test)]
mod tests;
