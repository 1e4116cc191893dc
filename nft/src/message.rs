//! Changes as messages of nfnetlink.

use crate::attribute::Attributes;
use crate::expression::write_verdict;
use crate::lower::lower;
use crate::uapi::{LIST_ELEM, chain, data, element, message, rule, set, table, userdata};
use crate::{
    BaseChain, Change, DataType, ElementChange, ElementList, Hook, Key, KeyRange, Name, Policy,
    Quoted, Rule, SetKind, Transaction,
};

/// The family `inet` (`NFPROTO_INET`).
const INET: u8 = 1;

/// The octets of elements that go into one message: an attribute has 65,535 at most.
const MOST_OF_ELEMENTS: usize = 48 * 1024;

/// One message, without the header of netlink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its kind within nftables (`NFT_MSG_…`); in the type of a netlink message it is the low octet.
    pub kind: u8,
    /// Whether it adds something (`NLM_F_CREATE`), at the end of a list (`NLM_F_APPEND`).
    pub adds: Adds,
    /// The header of nfnetlink and the attributes.
    pub body: Vec<u8>,
    /// The place of the change in its transaction.
    pub change: usize,
}

/// What a message does to a list of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adds {
    /// It adds nothing: no flag.
    Nothing,
    /// It adds an object if there is none: `NLM_F_CREATE`.
    Object,
    /// It adds a rule behind the others: `NLM_F_CREATE` and `NLM_F_APPEND`.
    AtTheEnd,
}

/// Flags of a table (`enum nft_table_flags`), which the kernel gives to who adds the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ownership {
    /// Anyone may change the table.
    #[default]
    None,
    /// Only the socket that added the table may change it, and the table stays when the socket is closed:
    /// `owner` (Linux 5.12) and `persist` (Linux 6.9).
    OwnedAndPersistent,
    /// Only the socket that added the table may change it, and the table is gone with it: `owner` (Linux 5.12).
    Owned,
    /// A flag that no kernel knows, as `owner` and `persist` are to old ones: for tests of what is done there.
    Unknown,
}

impl Ownership {
    fn flags(self) -> u32 {
        match self {
            Self::None => 0,
            Self::OwnedAndPersistent => 2 | 4,
            Self::Owned => 2,
            Self::Unknown => 1 << 31,
        }
    }

    /// Says whether a kernel that takes rulesets may refuse the flags, so that it has to be asked.
    pub fn may_be_refused(self) -> bool {
        match self {
            Self::OwnedAndPersistent | Self::Unknown => true,
            // Who asks for it counts on the table to be gone, and cannot do without.
            Self::None | Self::Owned => false,
        }
    }
}

impl Transaction {
    /// Encodes the changes. A change of many elements becomes several messages.
    pub fn messages(&self, ownership: Ownership) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.changes.len());
        // Sets of one batch are told apart by a number; they are found by name, so that it need only differ.
        let mut set_id = 0;
        for (place, change) in self.changes.iter().enumerate() {
            let mut push = |kind, adds, attributes: Attributes| {
                messages.push(Message { kind, adds, body: attributes.finish(), change: place });
            };
            match change {
                Change::AddTable => push(message::NEW_TABLE, Adds::Object, self.table(ownership)),
                Change::DeleteTable => {
                    let mut to = body();
                    to.text(table::NAME, self.table.as_str());
                    push(message::DEL_TABLE, Adds::Nothing, to);
                }
                Change::AddSet { name, key, kind, comment } => {
                    set_id += 1;
                    let to = self.set(name, key, *kind, comment.as_ref(), set_id);
                    push(message::NEW_SET, Adds::Object, to);
                }
                Change::DeleteSet(name, _) => {
                    push(message::DEL_SET, Adds::Nothing, self.named(set::TABLE, set::NAME, name));
                }
                Change::AddChain { name, base, comment } => {
                    push(
                        message::NEW_CHAIN,
                        Adds::Object,
                        self.chain(name, *base, comment.as_ref()),
                    );
                }
                Change::DeleteChain(name) => {
                    push(
                        message::DEL_CHAIN,
                        Adds::Nothing,
                        self.named(chain::TABLE, chain::NAME, name),
                    );
                }
                Change::FlushChain(name) => {
                    push(
                        message::DEL_RULE,
                        Adds::Nothing,
                        self.named(rule::TABLE, rule::CHAIN, name),
                    );
                }
                Change::AddRule { chain, rule } => {
                    push(message::NEW_RULE, Adds::AtTheEnd, self.rule(chain, rule));
                }
                Change::AddElements(change) => {
                    for to in self.element_lists(change) {
                        push(message::NEW_SET_ELEM, Adds::Object, to);
                    }
                }
                Change::DeleteElements(change) => {
                    for to in self.element_lists(change) {
                        push(message::DEL_SET_ELEM, Adds::Nothing, to);
                    }
                }
            }
        }
        messages
    }

    fn table(&self, ownership: Ownership) -> Attributes {
        let mut to = body();
        to.text(table::NAME, self.table.as_str());
        to.u32(table::FLAGS, ownership.flags());
        to
    }

    /// Begins a message about something of the table.
    fn named(&self, table: u16, kind: u16, name: &Name) -> Attributes {
        let mut to = body();
        to.text(table, self.table.as_str());
        to.text(kind, name.as_str());
        to
    }

    fn set(
        &self,
        name: &Name,
        key: &[DataType],
        kind: SetKind,
        comment: Option<&Quoted>,
        id: u32,
    ) -> Attributes {
        let mut to = self.named(set::TABLE, set::NAME, name);
        let is_concatenated_range = key.len() > 1 && kind == SetKind::Ranges;
        to.u32(
            set::FLAGS,
            match kind {
                SetKind::Keys => 0,
                SetKind::Verdicts => set::FLAG_MAP,
                SetKind::Ranges if is_concatenated_range => set::FLAG_INTERVAL | set::FLAG_CONCAT,
                SetKind::Ranges => set::FLAG_INTERVAL,
            },
        );
        to.u32(set::KEY_TYPE, key.iter().fold(0, |types, key| types << 6 | number(*key)));
        to.u32(set::KEY_LEN, octets(key_len(key)));
        if kind == SetKind::Verdicts {
            to.u32(set::DATA_TYPE, set::DATA_VERDICT);
            to.u32(set::DATA_LEN, 0);
        }
        to.u32(set::ID, id);
        if is_concatenated_range {
            to.nested(set::DESC, |to| {
                to.nested(set::DESC_CONCAT, |to| {
                    for field in key {
                        to.nested(LIST_ELEM, |to| to.u32(set::FIELD_LEN, octets(field.octets())));
                    }
                });
            });
        }
        write_comment(&mut to, set::USERDATA, userdata::SET_COMMENT, comment);
        to
    }

    fn chain(&self, name: &Name, base: Option<BaseChain>, comment: Option<&Quoted>) -> Attributes {
        let mut to = self.named(chain::TABLE, chain::NAME, name);
        if let Some(BaseChain { hook, priority, policy }) = base {
            to.nested(chain::HOOK, |to| {
                to.u32(chain::HOOK_NUM, hook_number(hook));
                to.octets(chain::HOOK_PRIORITY, &priority.to_be_bytes());
            });
            to.u32(
                chain::POLICY,
                match policy {
                    Policy::Drop => 0,
                    Policy::Accept => 1,
                },
            );
            to.text(chain::TYPE, "filter");
        }
        write_comment(&mut to, chain::USERDATA, userdata::CHAIN_COMMENT, comment);
        to
    }

    fn rule(&self, chain: &Name, rule: &Rule) -> Attributes {
        let mut to = self.named(rule::TABLE, rule::CHAIN, chain);
        to.nested(rule::EXPRESSIONS, |to| {
            for expression in lower(&rule.statements) {
                to.nested(LIST_ELEM, |to| expression.write(to));
            }
        });
        write_comment(&mut to, rule::USERDATA, userdata::RULE_COMMENT, rule.comment.as_ref());
        to
    }

    /// Encodes elements, as many to a message as fit.
    fn element_lists(&self, change: &ElementChange) -> Vec<Attributes> {
        let mut messages = Vec::new();
        let mut list = Attributes::default();
        let mut flush = |list: Attributes| {
            let list = list.finish();
            if !list.is_empty() {
                let mut to = self.named(element::LIST_TABLE, element::LIST_SET, &change.set);
                to.nested(element::LIST_ELEMENTS, |to| to.append(&list));
                messages.push(to);
            }
        };
        let mut add = |write: &dyn Fn(&mut Attributes)| {
            write(&mut list);
            if list.len() >= MOST_OF_ELEMENTS {
                flush(std::mem::take(&mut list));
            }
        };
        match &change.elements {
            ElementList::Keys(keys) => {
                keys.iter().for_each(|key| add(&|to| write_key(to, key, &change.key, None, None)));
            }
            ElementList::Verdicts(verdicts) => {
                let data = |to: &mut Attributes, verdict| {
                    to.nested(element::DATA, |to| write_verdict(to, verdict));
                };
                for (key, verdict) in verdicts {
                    add(&|to| write_key(to, key, &change.key, None, Some(&|to| data(to, verdict))));
                }
            }
            ElementList::Ranges(ranges) => {
                ranges.iter().for_each(|range| add(&|to| write_range(to, range, &change.key)));
            }
        }
        flush(list);
        messages
    }
}

/// Begins a message with the header of nfnetlink (`struct nfgenmsg`).
pub(crate) fn body() -> Attributes {
    Attributes::behind(vec![INET, 0, 0, 0])
}

fn octets(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Returns the octets of a key: values of a concatenation take whole words, one alone does not.
pub(crate) fn key_len(key: &[DataType]) -> usize {
    match key {
        [single] => single.octets(),
        several => several.iter().map(|field| field.padded_octets()).sum(),
    }
}

/// Returns the number by which `nft` knows a type; the kernel keeps it (`enum datatypes` in nft's `datatype.h`).
pub(crate) fn number(data_type: DataType) -> u32 {
    match data_type {
        DataType::Ipv4 => 7,
        DataType::Ipv6 => 8,
        DataType::Protocol => 12,
        DataType::Port => 13,
        DataType::TcpFlags => 15,
        DataType::Mark => 19,
        DataType::CtState => 26,
        DataType::Icmp6Type => 29,
        DataType::Interface => 41,
    }
}

/// Returns the number of a hook (`enum nf_inet_hooks`).
pub(crate) fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

/// Writes a comment where `nft` looks for it, with its NUL.
fn write_comment(to: &mut Attributes, attribute: u16, kind: u8, comment: Option<&Quoted>) {
    let Some(comment) = comment else { return };
    let text = comment.as_str().as_bytes();
    // A comment has at most 127 octets.
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    to.octets(attribute, &[&[kind, length], text, &[0]].concat());
}

type Write<'a> = Option<&'a dyn Fn(&mut Attributes)>;

/// Writes an element: its key, the key that ends it, and more.
fn write_key(
    to: &mut Attributes,
    key: &Key,
    types: &[DataType],
    end: Option<&Key>,
    more: Write<'_>,
) {
    let octets = |key: &Key| key.octets().get(..key_len(types)).unwrap_or(key.octets()).to_vec();
    to.nested(LIST_ELEM, |to| {
        to.nested(element::KEY, |to| to.octets(data::VALUE, &octets(key)));
        if let Some(end) = end {
            to.nested(element::KEY_END, |to| to.octets(data::VALUE, &octets(end)));
        }
        if let Some(more) = more {
            more(to);
        }
    });
}

/// Writes a range: of a concatenation as one element; else as one that begins it and one, marked, behind its end,
/// which is left out behind the last value of all.
fn write_range(to: &mut Attributes, range: &KeyRange, types: &[DataType]) {
    if types.len() > 1 {
        return write_key(to, &range.first, types, Some(&range.last), None);
    }
    write_key(to, &range.first, types, None, None);
    if let Some(end) = successor(&range.last, key_len(types)) {
        let flag = |to: &mut Attributes| to.u32(element::FLAGS, element::FLAG_END);
        write_key(to, &end, types, None, Some(&flag));
    }
}

/// Returns the key behind one of a single value; none behind the last.
fn successor(key: &Key, len: usize) -> Option<Key> {
    let mut octets = key.octets().to_vec();
    for octet in octets.get_mut(..len)?.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            return Some(Key::from_octets(&octets));
        }
    }
    None
}

/// Returns the key before one of a single value; none before the first.
pub(crate) fn predecessor(key: &Key, len: usize) -> Option<Key> {
    let mut octets = key.octets().to_vec();
    for octet in octets.get_mut(..len)?.iter_mut().rev() {
        *octet = octet.wrapping_sub(1);
        if *octet != 0xff {
            return Some(Key::from_octets(&octets));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn keys_have_neighbours_but_at_the_ends() {
        let v4 = |text: &str| Key::new(&[Value::Ipv4(text.parse().unwrap())]);
        assert_eq!(successor(&v4("10.0.255.255"), 4), Some(v4("10.1.0.0")));
        assert_eq!(predecessor(&v4("10.1.0.0"), 4), Some(v4("10.0.255.255")));
        assert_eq!(successor(&v4("255.255.255.255"), 4), None);
        assert_eq!(predecessor(&v4("0.0.0.0"), 4), None);
        let port = |port| Key::new(&[Value::Port(port)]);
        assert_eq!(successor(&port(255), 2), Some(port(256)));
        assert_eq!(successor(&port(65535), 2), None);
        assert_eq!(predecessor(&port(256), 2), Some(port(255)));
    }
}
