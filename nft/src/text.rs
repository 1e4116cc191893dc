//! Rulesets in nft's language, one element to a line, as `nft -f` takes it (nft(8)).
//!
//! Equal rulesets give equal texts. `nft -f` adds to a table that is there already; to replace one, give it
//! `destroy table inet NAME` (or `table inet NAME; delete table inet NAME`) before.

use std::fmt::{self, Display, Formatter};

use crate::{
    BaseChain, Chain, Comparison, CtState, DataType, Elements, Field, Key, KeyRange, Limit, Log,
    Name, Quoted, Rule, Ruleset, Set, Statement, TimeUnit, Value, Verdict, VerdictMap, protocol,
};

/// Writes the table.
impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.table)?;
        let mut parts = Parts { is_first: true };
        for (name, set) in &self.sets {
            parts.next(f)?;
            write_set(f, name, set)?;
        }
        for (name, map) in &self.maps {
            parts.next(f)?;
            write_map(f, name, map)?;
        }
        for (name, chain) in &self.chains {
            parts.next(f)?;
            write_chain(f, name, chain)?;
        }
        writeln!(f, "}}")
    }
}

/// Separates parts by empty lines.
struct Parts {
    is_first: bool,
}

impl Parts {
    fn next(&mut self, f: &mut Formatter<'_>) -> fmt::Result {
        if std::mem::take(&mut self.is_first) { Ok(()) } else { writeln!(f) }
    }
}

fn write_set(f: &mut Formatter<'_>, name: &Name, set: &Set) -> fmt::Result {
    writeln!(f, "\tset {name} {{\n\t\ttype {}", Concatenated(&set.key, |t| t.name()))?;
    match &set.elements {
        Elements::Keys(keys) => {
            write_comment(f, set.comment.as_ref())?;
            write_elements(f, keys.iter().map(|key| KeyText(key, &set.key)))?;
        }
        Elements::Ranges(ranges) => {
            writeln!(f, "\t\tflags interval")?;
            write_comment(f, set.comment.as_ref())?;
            write_elements(f, ranges.iter().map(|range| RangeText(range, &set.key)))?;
        }
    }
    writeln!(f, "\t}}")
}

fn write_map(f: &mut Formatter<'_>, name: &Name, map: &VerdictMap) -> fmt::Result {
    writeln!(f, "\tmap {name} {{\n\t\ttype {} : verdict", Concatenated(&map.key, |t| t.name()))?;
    write_comment(f, map.comment.as_ref())?;
    let element = |(key, verdict)| format!("{} : {verdict}", KeyText(key, &map.key));
    write_elements(f, map.elements.iter().map(element))?;
    writeln!(f, "\t}}")
}

fn write_comment(f: &mut Formatter<'_>, comment: Option<&Quoted>) -> fmt::Result {
    comment.map_or(Ok(()), |comment| writeln!(f, "\t\tcomment \"{}\"", comment.as_str()))
}

fn write_elements(
    f: &mut Formatter<'_>,
    elements: impl Iterator<Item = impl Display>,
) -> fmt::Result {
    let mut elements = elements.peekable();
    if elements.peek().is_none() {
        return Ok(());
    }
    writeln!(f, "\t\telements = {{")?;
    elements.try_for_each(|element| writeln!(f, "\t\t\t{element},"))?;
    writeln!(f, "\t\t}}")
}

fn write_chain(f: &mut Formatter<'_>, name: &Name, chain: &Chain) -> fmt::Result {
    writeln!(f, "\tchain {name} {{")?;
    write_comment(f, chain.comment.as_ref())?;
    if let Some(base) = &chain.base {
        f.write_str("\t\t")?;
        write_base(f, base)?;
        writeln!(f)?;
    }
    chain.rules.iter().try_for_each(|rule| writeln!(f, "\t\t{rule}"))?;
    writeln!(f, "\t}}")
}

/// Writes what makes a chain a base chain.
pub(crate) fn write_base(f: &mut Formatter<'_>, base: &BaseChain) -> fmt::Result {
    let BaseChain { hook, priority, policy } = base;
    write!(f, "type filter hook {} priority {priority}; policy {};", hook.name(), policy.name())
}

/// Writes a comment if there is one, between a space and what ends it.
pub(crate) fn write_quoted(
    f: &mut Formatter<'_>,
    comment: Option<&Quoted>,
    end: &str,
) -> fmt::Result {
    comment.map_or(Ok(()), |comment| write!(f, " comment \"{}\"{end}", comment.as_str()))
}

/// Writes the rule on one line.
impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, statement) in self.statements.iter().enumerate() {
            write!(f, "{}{statement}", if place == 0 { "" } else { " " })?;
        }
        write_quoted(f, self.comment.as_ref(), "")
    }
}

/// Writes the statement as it stands in a rule.
impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fields = |key| Concatenated(key, |field: &Field| field.name());
        match self {
            Self::Compare { field, comparison } => write_comparison(f, *field, comparison),
            Self::Lookup { key, set } => write!(f, "{} @{set}", fields(key)),
            Self::LookupNot { key, set } => write!(f, "{} != @{set}", fields(key)),
            Self::VerdictMap { key, map } => write!(f, "{} vmap @{map}", fields(key)),
            Self::Counter => f.write_str("counter"),
            Self::NoTrack => f.write_str("notrack"),
            Self::Limit(Limit { rate, per, burst }) => {
                write!(f, "limit rate {rate}/{} burst {burst} packets", unit(*per))
            }
            Self::Log(Log { group, snaplen, prefix }) => {
                write!(f, "log prefix \"{}\" group {group} snaplen {snaplen}", prefix.as_str())
            }
            Self::Trace => f.write_str("meta nftrace set 1"),
            Self::Verdict(verdict) => verdict.fmt(f),
        }
    }
}

fn unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "second",
        TimeUnit::Minute => "minute",
        TimeUnit::Hour => "hour",
    }
}

fn write_comparison(f: &mut Formatter<'_>, field: Field, comparison: &Comparison) -> fmt::Result {
    let name = field.name();
    match comparison {
        Comparison::Is(value) => write!(f, "{name} {value}"),
        Comparison::IsNot(value) => write!(f, "{name} != {value}"),
        Comparison::Between(first, last) => write!(f, "{name} {first}-{last}"),
        // A list of states is how nft writes this itself; it knows no other way for states that are named.
        Comparison::AnyBit(value @ Value::CtState(_)) => write!(f, "{name} {value}"),
        Comparison::NoBit(value @ Value::CtState(_)) => write!(f, "{name} & {value:#} == 0x0"),
        Comparison::AnyBit(value) => write!(f, "{name} & {value} != 0x0"),
        Comparison::NoBit(value) => write!(f, "{name} & {value} == 0x0"),
    }
}

/// Writes the verdict.
impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// Writes the value; with `#` several states of connections as an expression instead of a list.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Protocol(protocol::ICMP) => f.write_str("icmp"),
            Self::Protocol(protocol::TCP) => f.write_str("tcp"),
            Self::Protocol(protocol::UDP) => f.write_str("udp"),
            Self::Protocol(protocol::ICMP6) => f.write_str("icmpv6"),
            Self::Protocol(protocol::SCTP) => f.write_str("sctp"),
            Self::Protocol(number) | Self::Icmp6Type(number) => number.fmt(f),
            Self::Port(port) => port.fmt(f),
            Self::Interface(name) => write!(f, "\"{}\"", name.as_str()),
            Self::CtState(bits) if f.alternate() => write!(f, "({})", states(*bits, "|")),
            Self::CtState(bits) => f.write_str(&states(*bits, ",")),
            Self::Mark(bits) => write!(f, "{bits:#010x}"),
            Self::TcpFlags(bits) => write!(f, "{bits:#04x}"),
        }
    }
}

/// Returns the names of states; bits without a name in hexadecimal.
fn states(bits: u32, separator: &str) -> String {
    let known = [
        (CtState::INVALID, "invalid"),
        (CtState::ESTABLISHED, "established"),
        (CtState::RELATED, "related"),
        (CtState::NEW, "new"),
        (CtState::UNTRACKED, "untracked"),
    ];
    let set = known.iter().filter(|(state, _)| bits & state.bits() != 0);
    let unknown = known.iter().fold(bits, |bits, (state, _)| bits & !state.bits());
    let mut names: Vec<String> = set.map(|(_, name)| (*name).to_owned()).collect();
    if unknown != 0 || names.is_empty() {
        names.push(format!("{unknown:#x}"));
    }
    names.join(separator)
}

/// Things in a row, with dots between them.
pub(crate) struct Concatenated<'a, T>(pub(crate) &'a [T], pub(crate) fn(&T) -> &'static str);

impl<T> Display for Concatenated<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(place, item)| {
            write!(f, "{}{}", if place == 0 { "" } else { " . " }, (self.1)(item))
        })
    }
}

/// A key of these types.
pub(crate) struct KeyText<'a>(pub(crate) &'a Key, pub(crate) &'a [DataType]);

impl Display for KeyText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        RangeText(&KeyRange::one(self.0.clone()), self.1).fmt(f)
    }
}

/// A range of keys of these types. A key that is not of its set's types is written in hexadecimal, which `nft`
/// refuses, as the kernel would.
pub(crate) struct RangeText<'a>(pub(crate) &'a KeyRange, pub(crate) &'a [DataType]);

impl Display for RangeText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let KeyRange { first, last } = self.0;
        let (Some(first), Some(last)) = (first.values(self.1), last.values(self.1)) else {
            return write!(f, "{first:?}-{last:?}");
        };
        for (place, (first, last)) in first.iter().zip(&last).enumerate() {
            write!(f, "{}{first}", if place == 0 { "" } else { " . " })?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
