//! What the kernel can be asked for, as messages of nfnetlink.

use crate::Name;
use crate::message::body;
use crate::uapi::{element, message, rule, set, table};

/// What the kernel can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// A table, or the error ENOENT; no dump.
    Table(&'a Name),
    /// The chains of all tables, as a dump.
    Chains,
    /// The sets and maps of a table, as a dump.
    Sets(&'a Name),
    /// The elements of a set or map, as a dump.
    Elements(&'a Name, &'a Name),
    /// The rules of a table, as a dump.
    Rules(&'a Name),
    /// The rules of a chain of a table, as a dump, or the error ENOENT.
    RulesOf(&'a Name, &'a Name),
}

impl Request<'_> {
    /// Returns the kind of the message within nftables, and its octets behind the header of netlink.
    pub fn message(&self) -> (u8, Vec<u8>) {
        let mut to = body();
        let kind = match self {
            Self::Table(name) => {
                to.text(table::NAME, name.as_str());
                message::GET_TABLE
            }
            Self::Chains => message::GET_CHAIN,
            Self::Sets(table) => {
                to.text(set::TABLE, table.as_str());
                message::GET_SET
            }
            Self::Elements(table, name) => {
                to.text(element::LIST_TABLE, table.as_str());
                to.text(element::LIST_SET, name.as_str());
                message::GET_SET_ELEM
            }
            Self::Rules(table) => {
                to.text(rule::TABLE, table.as_str());
                message::GET_RULE
            }
            Self::RulesOf(table, chain) => {
                to.text(rule::TABLE, table.as_str());
                to.text(rule::CHAIN, chain.as_str());
                message::GET_RULE
            }
        };
        (kind, to.finish())
    }
}
