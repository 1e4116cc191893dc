//! What a table holds, from the kernel's messages.
//!
//! The kernel lists chains, sets, elements and rules, each by a dump. Nothing of it is taken on trust: what
//! cannot be the work of a [`Transaction`](crate::Transaction) is kept in a form that differs from every ruleset,
//! so that the transaction to a ruleset puts it right: a rule without statements, a set without types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::attribute::{Attribute, find};
use crate::expression::{Expression, read_verdict};
use crate::lift::lift;
use crate::message::{hook_number, key_len, number, predecessor};
use crate::uapi::{chain, data, element, rule, set, userdata};
use crate::{
    BaseChain, Chain, DataType, Elements, Hook, Key, KeyRange, Name, Policy, Quoted, Rule, Ruleset,
    Set, Verdict, VerdictMap,
};

/// The octets of the header of nfnetlink.
const HEADER: usize = 4;

/// The content of a table, as it is collected.
#[derive(Debug)]
pub struct Observed {
    table: Name,
    chains: BTreeMap<Name, Chain>,
    sets: BTreeMap<Name, ObservedSet>,
}

#[derive(Debug)]
struct ObservedSet {
    /// Empty when it is no set that a transaction makes.
    key: Vec<DataType>,
    is_map: bool,
    is_interval: bool,
    comment: Option<Quoted>,
    elements: Vec<ObservedElement>,
}

#[derive(Debug)]
struct ObservedElement {
    key: Key,
    end: Option<Key>,
    is_end: bool,
    verdict: Option<Verdict>,
}

impl Observed {
    /// Begins with an empty table.
    pub fn new(table: Name) -> Self {
        Self { table, chains: BTreeMap::new(), sets: BTreeMap::new() }
    }

    /// Takes a message of a dump of [`Request::Chains`]; those of other tables are passed over.
    pub fn take_chain(&mut self, message: &[u8]) {
        let octets = attributes(message);
        if self.is_of_table(octets, chain::TABLE)
            && let Some(name) = name_in(octets, chain::NAME)
        {
            let base = find(octets, chain::HOOK).and_then(|hook| read_base(octets, hook));
            let comment = read_comment(octets, chain::USERDATA, userdata::CHAIN_COMMENT);
            self.chains.insert(name, Chain { base, rules: Vec::new(), comment });
        }
    }

    /// Takes a message of a dump of [`Request::Sets`].
    pub fn take_set(&mut self, message: &[u8]) {
        let octets = attributes(message);
        let number = |kind| find(octets, kind).and_then(Attribute::u32);
        let Some(name) = name_in(octets, set::NAME) else { return };
        let flags = number(set::FLAGS).unwrap_or(0);
        let known = set::FLAG_INTERVAL | set::FLAG_MAP | set::FLAG_CONCAT;
        let is_map = flags & set::FLAG_MAP != 0;
        let is_ours = flags & !known == 0
            && (!is_map || number(set::DATA_TYPE) == Some(set::DATA_VERDICT))
            && !(is_map && flags & set::FLAG_INTERVAL != 0);
        let key =
            number(set::KEY_TYPE).and_then(read_types).filter(|_| is_ours).unwrap_or_default();
        let comment = read_comment(octets, set::USERDATA, userdata::SET_COMMENT);
        let is_interval = flags & set::FLAG_INTERVAL != 0;
        self.sets
            .insert(name, ObservedSet { key, is_map, is_interval, comment, elements: Vec::new() });
    }

    /// Returns the sets and maps that were taken, to ask for their elements.
    pub fn sets(&self) -> Vec<Name> {
        self.sets.keys().cloned().collect()
    }

    /// Takes a message of a dump of [`Request::Elements`].
    pub fn take_elements(&mut self, message: &[u8]) {
        let octets = attributes(message);
        let Some(set) =
            name_in(octets, element::LIST_SET).and_then(|name| self.sets.get_mut(&name))
        else {
            return;
        };
        let list = find(octets, element::LIST_ELEMENTS);
        let elements = list.into_iter().flat_map(Attribute::nested);
        set.elements.extend(elements.filter_map(|element| read_element(element.octets)));
    }

    /// Takes a message of a dump of [`Request::Rules`].
    pub fn take_rule(&mut self, message: &[u8]) {
        let octets = attributes(message);
        let Some(name) = name_in(octets, rule::CHAIN) else { return };
        let Some(chain) = self.chains.get_mut(&name) else { return };
        let expressions: Option<Vec<Expression>> = expressions(octets).collect();
        let statements = expressions.and_then(|expressions| lift(&expressions)).unwrap_or_default();
        let comment = read_comment(octets, rule::USERDATA, userdata::RULE_COMMENT);
        chain.rules.push(Rule { statements, comment });
    }

    /// Makes the ruleset of what was taken.
    pub fn into_ruleset(self) -> Ruleset {
        let mut ruleset = Ruleset::new(self.table);
        let chains = self.chains.into_iter().map(|(name, chain)| (name, Arc::new(chain)));
        ruleset.chains = chains.collect();
        for (name, set) in self.sets {
            if set.is_map {
                let verdicts = set.elements.into_iter().filter_map(|e| Some((e.key, e.verdict?)));
                let map = VerdictMap { comment: set.comment, ..VerdictMap::new(set.key, verdicts) };
                ruleset.maps.insert(name, Arc::new(map));
            } else {
                ruleset.sets.insert(name, Arc::new(set.into_set()));
            }
        }
        ruleset
    }

    fn is_of_table(&self, octets: &[u8], kind: u16) -> bool {
        find(octets, kind).and_then(Attribute::text) == Some(self.table.as_str())
    }
}

impl ObservedSet {
    fn into_set(self) -> Set {
        let elements = if !self.is_interval {
            Elements::Keys(self.elements.into_iter().map(|element| element.key).collect())
        } else if self.key.len() > 1 {
            let range = |element: ObservedElement| {
                let last = element.end.unwrap_or_else(|| element.key.clone());
                KeyRange { first: element.key, last }
            };
            Elements::Ranges(self.elements.into_iter().map(range).collect())
        } else {
            Elements::Ranges(join_ends(self.elements, key_len(&self.key)))
        };
        Set { key: self.key, elements, comment: self.comment }
    }
}

/// Makes ranges of elements that begin one and elements, behind its last key, that end one. A range that nothing ends
/// goes to the last value of all; an end that ends nothing is how `nft` begins a set.
fn join_ends(mut elements: Vec<ObservedElement>, len: usize) -> BTreeSet<KeyRange> {
    // Of neighbours, the one ends with the key that the other begins with.
    elements.sort_by(|a, b| (&a.key, !a.is_end).cmp(&(&b.key, !b.is_end)));
    let mut ranges = BTreeSet::new();
    let mut open = None;
    for element in elements {
        if !element.is_end {
            open = Some(element.key);
        } else if let Some(first) = open.take()
            && let Some(last) = predecessor(&element.key, len)
        {
            ranges.insert(KeyRange { first, last });
        }
    }
    if let Some(first) = open {
        let mut last = first.octets().to_vec();
        last.iter_mut().take(len).for_each(|octet| *octet = 0xff);
        ranges.insert(KeyRange { first, last: Key::from_octets(&last) });
    }
    ranges
}

/// Returns the expressions of a rule; none for one that is not known.
pub(crate) fn expressions(octets: &[u8]) -> impl Iterator<Item = Option<Expression>> {
    let list = find(octets, rule::EXPRESSIONS).into_iter().flat_map(Attribute::nested);
    list.map(Expression::read)
}

/// Returns the attributes behind the header of nfnetlink.
pub(crate) fn attributes(message: &[u8]) -> &[u8] {
    message.get(HEADER..).unwrap_or_default()
}

pub(crate) fn name_in(octets: &[u8], kind: u16) -> Option<Name> {
    Name::new(find(octets, kind)?.text()?).ok()
}

/// Reads what makes a chain a base chain; none for one of another type than `filter`.
fn read_base(octets: &[u8], hook: Attribute<'_>) -> Option<BaseChain> {
    let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    let hook_num = find(hook.octets, chain::HOOK_NUM)?.u32()?;
    let priority = find(hook.octets, chain::HOOK_PRIORITY)?.octets.try_into().ok()?;
    let policy = match find(octets, chain::POLICY)?.u32()? {
        0 => Policy::Drop,
        _ => Policy::Accept,
    };
    (find(octets, chain::TYPE)?.text()? == "filter").then_some(())?;
    Some(BaseChain {
        hook: hooks.into_iter().find(|hook| hook_number(*hook) == hook_num)?,
        priority: i32::from_be_bytes(priority),
        policy,
    })
}

/// Reads the types of a key from the number that `nft` makes of them: 6 bits each, the last one lowest.
fn read_types(mut number_of_all: u32) -> Option<Vec<DataType>> {
    const ALL: [DataType; 9] = [
        DataType::Ipv4,
        DataType::Ipv6,
        DataType::Protocol,
        DataType::Port,
        DataType::TcpFlags,
        DataType::Mark,
        DataType::CtState,
        DataType::Icmp6Type,
        DataType::Interface,
    ];
    let mut types = Vec::new();
    while number_of_all != 0 {
        types
            .insert(0, ALL.into_iter().find(|data_type| number(*data_type) == number_of_all & 63)?);
        number_of_all >>= 6;
    }
    Some(types)
}

fn read_element(octets: &[u8]) -> Option<ObservedElement> {
    let key = |kind| {
        let mut octets = find(find(octets, kind)?.octets, data::VALUE)?.octets.to_vec();
        octets.resize(octets.len().next_multiple_of(4), 0);
        Some(Key::from_octets(&octets))
    };
    let flags = find(octets, element::FLAGS).and_then(Attribute::u32).unwrap_or(0);
    Some(ObservedElement {
        key: key(element::KEY)?,
        end: key(element::KEY_END),
        is_end: flags & element::FLAG_END != 0,
        verdict: find(octets, element::DATA).and_then(read_verdict),
    })
}

/// Reads a comment from userdata: parts of a type, a length, and octets. What is no comment that a transaction
/// makes reads as none.
fn read_comment(octets: &[u8], attribute: u16, kind: u8) -> Option<Quoted> {
    let mut rest = find(octets, attribute)?.octets;
    while let [part, length, behind @ ..] = rest {
        let (text, next) = behind.split_at_checked(usize::from(*length))?;
        if *part == kind {
            return Quoted::new(std::str::from_utf8(text.strip_suffix(&[0])?).ok()?).ok();
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests;
