//! nftables as data, without effects.
//!
//! A [`Ruleset`] is the content of one `inet` table: sets, verdict maps and chains of rules. It can be
//! written as text that `nft -f` takes (by `Display`), and a packet can be sent through it ([`trace()`]).
//!
//! What the kernel does with each part is said where the part is defined; the source is the kernel's
//! `net/netfilter` and nft(8).

mod chain;
mod field;
mod key;
mod name;
mod packet;
mod rule;
mod ruleset;
#[cfg(test)]
mod sample;
mod set;
mod text;
mod trace;
mod value;

pub use chain::{BaseChain, Chain, Hook, Policy};
pub use field::Field;
pub use key::{Key, KeyRange};
pub use name::{InterfaceName, Name, NameError, Quoted};
pub use packet::{CtState, Packet, protocol};
pub use rule::{Comparison, Limit, Log, Rule, Statement, TimeUnit, Verdict};
pub use ruleset::Ruleset;
pub use set::{Elements, Set, VerdictMap};
pub use trace::{Decision, TraceError, trace};
pub use value::{DataType, Value};
