//! nftables as data, without effects.
//!
//! A [`Ruleset`] is the content of one `inet` table: sets, verdict maps and chains of rules. It can be
//! written as text that `nft -f` takes (by `Display`), and a packet can be sent through it ([`trace()`]). What
//! changes from one ruleset to another is a [`Transaction`], which is encoded as [`Message`]s of nfnetlink;
//! [`Observed`] is a ruleset again, from what the kernel lists. Sockets are in the crate `netfilter`.
//!
//! What the kernel does with each part is said where the part is defined; the source is the kernel's
//! `net/netfilter` and nft(8).

pub mod attribute;
mod chain;
mod command;
mod counts;
mod edits;
mod expression;
mod field;
mod key;
mod lift;
mod lower;
mod message;
mod name;
mod observe;
mod packet;
mod request;
mod rule;
mod ruleset;
#[cfg(test)]
mod sample;
mod set;
mod text;
mod trace;
mod transaction;
mod uapi;
mod value;

pub use chain::{BaseChain, Chain, Hook, Policy};
pub use command::Command;
pub use counts::Counts;
pub use edits::Edits;
pub use field::Field;
pub use key::{Key, KeyRange};
pub use message::{Adds, Message, Ownership};
pub use name::{InterfaceName, Name, NameError, Quoted};
pub use observe::Observed;
pub use packet::{CtState, Packet, protocol};
pub use request::Request;
pub use rule::{Comparison, Limit, Log, Rule, Statement, TimeUnit, Verdict};
pub use ruleset::Ruleset;
pub use set::{Elements, Set, VerdictMap};
pub use trace::{Decision, TraceError, trace};
pub use transaction::{Change, ElementChange, ElementList, SetKind, Transaction};
pub use value::{DataType, Value};
