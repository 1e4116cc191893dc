//! Rules, and what they do to a query. What they do to its reply is in `undo`.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};
use regex::Regex;

use super::edns::EdnsRule;
use super::name::{LazyText, NameMatch, Substitution};
use super::undo::{Backward, Undo};
use crate::Query;
use crate::engine::Metadata;
use crate::plugin::name_text::{NameText, parse_name};

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Whether the rules after it are looked at when it applied.
    pub(super) then: Then,
    pub(super) action: Action,
}

impl Rule {
    /// Says for sure whether this rule stops at every query that a later one is for; with the rules between them,
    /// which may change what the later one sees.
    pub(super) fn stops_before(&self, later: &Self, between: &[Self]) -> bool {
        let takes_all = match (&self.action, &later.action) {
            (Action::Type { from, .. }, Action::Type { from: other, .. }) => from == other,
            (Action::Class { from, .. }, Action::Class { from: other, .. }) => from == other,
            (own, other) => match (own.names(), other.names()) {
                (Some(names), Some(others)) => names.has_all(others),
                _ => false,
            },
        };
        let changes = |rule: &Self| rule.then == Then::Continue && rule.action.changes_query();
        self.then == Then::Stop && takes_all && !between.iter().any(changes)
    }
}

impl Action {
    /// Returns the names that the rule is for; none of those that other things decide.
    fn names(&self) -> Option<&NameMatch> {
        match self {
            Self::Name(rule) => Some(&rule.names),
            Self::Ttl(names, _) | Self::Rcode(names, _) => Some(names),
            Self::Type { .. } | Self::Class { .. } | Self::Cname(_) | Self::Edns(_) => None,
        }
    }

    fn changes_query(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Type { .. } | Self::Class { .. })
    }
}

/// What follows a rule that applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Stop,
    Continue,
}

/// What a rule changes.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Name(NameRule),
    Type { from: RecordType, to: RecordType },
    Class { from: DNSClass, to: DNSClass },
    Ttl(NameMatch, TtlRange),
    Rcode(NameMatch, RcodeChange),
    Cname(CnameRule),
    Edns(EdnsRule),
}

/// A `name` rule.
#[derive(Clone, Debug)]
pub(super) struct NameRule {
    pub(super) names: NameMatch,
    pub(super) to: Substitution,
    /// `answer auto`: names of the reply are turned back.
    pub(super) backward: bool,
    pub(super) answers: Vec<AnswerRule>,
}

/// `answer name` or `answer value`.
#[derive(Clone, Debug)]
pub(super) struct AnswerRule {
    pub(super) part: Part,
    pub(super) from: Regex,
    pub(super) to: Substitution,
}

/// A part of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Owner,
    Value,
}

/// The TTLs that records may have, in seconds; others become the nearer end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TtlRange {
    pub(super) min: u32,
    pub(super) max: u32,
}

/// A response code and what it becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RcodeChange {
    pub(super) from: ResponseCode,
    pub(super) to: ResponseCode,
}

/// A `cname` rule, for the targets of CNAME records.
#[derive(Clone, Debug)]
pub(super) struct CnameRule {
    pub(super) targets: NameMatch,
    pub(super) to: Substitution,
}

/// What the rules made of a query.
#[derive(Debug)]
pub(super) struct Rewritten<'r> {
    pub(super) query: Query,
    /// What is done to the reply, the latest rule first.
    pub(super) undo: Vec<Undo<'r>>,
}

/// A rule made a name that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid name after rewrite: {0}; correct the rule that makes it of {1}")]
pub(super) struct InvalidName(String, Name);

/// Applies rules in their order; none when none of them applies.
pub(super) fn rewrite<'r>(
    rules: &'r [Rule],
    query: &Query,
    metadata: &Metadata<'_>,
) -> Result<Option<Rewritten<'r>>, InvalidName> {
    let (mut text, mut result) = (LazyText::default(), None::<Rewritten<'_>>);
    for rule in rules {
        let now = result.as_ref().map_or(query, |result| &result.query);
        let Some(change) = rule.action.change(now, metadata, &mut text)? else { continue };
        let result =
            result.get_or_insert_with(|| Rewritten { query: query.clone(), undo: Vec::new() });
        if change.apply(&mut result.query, &mut result.undo) {
            text = LazyText::default();
        }
        if rule.then == Then::Stop {
            break;
        }
    }
    if let Some(result) = &mut result {
        result.undo.reverse();
    }
    Ok(result)
}

/// What one rule does to one query.
enum Change<'r> {
    Name(&'r NameRule, Name),
    Type(RecordType),
    Class(DNSClass),
    Edns(&'r EdnsRule, (u16, Vec<u8>)),
    Reply(Undo<'r>),
}

impl Action {
    /// Returns what is to be done; none when the rule does not apply.
    fn change(
        &self,
        query: &Query,
        metadata: &Metadata<'_>,
        text: &mut LazyText,
    ) -> Result<Option<Change<'_>>, InvalidName> {
        let change = match self {
            Self::Name(rule) if rule.names.takes(query, text) => {
                let made = rule.names.replace(text.of(&query.name), &rule.to).unwrap_or_default();
                let name = parse_name(&made);
                let name = name.ok_or_else(|| InvalidName(made, query.name.clone()))?;
                Change::Name(rule, name)
            }
            Self::Type { from, to } if query.qtype == *from => Change::Type(*to),
            Self::Class { from, to } if query.qclass == *from => Change::Class(*to),
            Self::Ttl(names, range) if names.takes(query, text) => Change::Reply(Undo::Ttl(*range)),
            Self::Rcode(names, change) if names.takes(query, text) => {
                Change::Reply(Undo::Rcode(*change))
            }
            Self::Cname(rule) => Change::Reply(Undo::Cname(rule)),
            Self::Edns(rule) => match rule.data_for(query, metadata) {
                Some(option) => Change::Edns(rule, option),
                None => return Ok(None),
            },
            Self::Name(_)
            | Self::Type { .. }
            | Self::Class { .. }
            | Self::Ttl(..)
            | Self::Rcode(..) => return Ok(None),
        };
        Ok(Some(change))
    }
}

impl<'r> Change<'r> {
    /// Changes the query and adds what has to be done to the reply; says whether the name is another one.
    fn apply(self, query: &mut Query, undo: &mut Vec<Undo<'r>>) -> bool {
        match self {
            Self::Name(rule, name) => {
                // Within a rule the answers are changed in the order of its options; the list is turned round.
                undo.extend(rule.answers.iter().rev().map(Undo::Answer));
                if rule.backward {
                    undo.push(Undo::Backward(backward(rule, query.name.clone(), name.clone())));
                }
                query.lower = LowerName::new(&name);
                query.name = name;
                return true;
            }
            Self::Type(to) => query.qtype = to,
            Self::Class(to) => {
                undo.push(Undo::Class { from: to, to: query.qclass });
                query.qclass = to;
            }
            Self::Edns(rule, option) => {
                rule.apply(query, &option);
                if !rule.revert && rule.action != super::edns::EdnsAction::Unset {
                    undo.push(Undo::Option(option));
                }
            }
            Self::Reply(change) => undo.push(change),
        }
        false
    }
}

/// Returns how names are turned back: of a suffix rule those that end with what the suffix became, of others
/// the name itself and those below it.
fn backward(rule: &NameRule, old: Name, new: Name) -> Backward<'_> {
    match &rule.names {
        NameMatch::Suffix(suffix) => Backward::Suffix { from: rule.to.literal(), to: suffix },
        _ => Backward::Name { from: new, to: old },
    }
}

/// Returns the text of a name with what a rule makes of it; none when the rule is not for it, or makes what is
/// no name.
pub(super) fn renamed(name: &Name, change: impl FnOnce(&str) -> Option<String>) -> Option<Name> {
    parse_name(&change(NameText::of(name).as_str())?)
}
