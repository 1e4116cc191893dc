//! Rules, and what they are made of.

use crate::{Field, Name, Quoted, Value};

/// A rule: statements that are run from the first to the last, until one does not match or decides.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rule {
    /// What it does.
    pub statements: Vec<Statement>,
    /// A comment that `nft list ruleset` shows.
    pub comment: Option<Quoted>,
}

/// One step of a [`Rule`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Statement {
    /// Goes on if a field compares as said.
    Compare {
        /// The field.
        field: Field,
        /// With what, and how.
        comparison: Comparison,
    },
    /// Goes on if a key of fields is in a set: `ip saddr . th dport @name`.
    Lookup {
        /// The fields, of the types of the set's key.
        key: Vec<Field>,
        /// The set.
        set: Name,
    },
    /// Goes on if a key of fields is not in a set: `ip saddr != @name`.
    LookupNot {
        /// The fields, of the types of the set's key.
        key: Vec<Field>,
        /// The set.
        set: Name,
    },
    /// Does what a map says for a key, and ends the rule without an effect if it says nothing:
    /// `ip saddr vmap @name`.
    VerdictMap {
        /// The fields, of the types of the map's key.
        key: Vec<Field>,
        /// The map.
        map: Name,
    },
    /// Counts packets and octets.
    Counter,
    /// Keeps the packet out of connection tracking, and goes on. It acts in chains before -200 alone, where connections
    /// begin to be tracked.
    NoTrack,
    /// Goes on as long as packets come no faster.
    Limit(Limit),
    /// Sends the packet to a netlink group (NFLOG), and goes on.
    Log(Log),
    /// Has the kernel tell what every rule behind it does to the packet: `meta nftrace set 1`.
    Trace,
    /// Decides.
    Verdict(Verdict),
}

/// How a field is compared. Values are of the field's type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Comparison {
    /// The field has this value.
    Is(Value),
    /// The field has another value.
    IsNot(Value),
    /// The field is neither below the first nor above the second.
    Between(Value, Value),
    /// The field has at least one of these bits. For [`Field::CtState`] and [`Field::CtMark`] and
    /// [`Field::TcpFlags`].
    AnyBit(Value),
    /// The field has none of these bits. For the same fields.
    NoBit(Value),
}

/// What is decided for a packet, and where it goes on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// The packet passes this base chain; other base chains may still drop it.
    Accept,
    /// The packet is dropped at once.
    Drop,
    /// The packet goes on behind the jump that led here; in a base chain, its policy decides.
    Return,
    /// The packet goes through another chain, and comes back if that does not decide. At most 16 deep
    /// (`NFT_JUMP_STACK_SIZE`).
    Jump(Name),
    /// The packet goes through another chain, from where it does not come back here but to where this
    /// chain was jumped from.
    Goto(Name),
}

/// A rate: `limit rate 10/second burst 5 packets`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limit {
    /// Packets in each unit of time, at least 1.
    pub rate: u64,
    /// The unit.
    pub per: TimeUnit,
    /// Packets that may come at once, at least 1.
    pub burst: u32,
}

/// The unit of time of a [`Limit`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimeUnit {
    /// `second`.
    Second,
    /// `minute`.
    Minute,
    /// `hour`.
    Hour,
}

/// Where and how a packet is logged.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Log {
    /// The netlink group.
    pub group: u16,
    /// The octets of the packet that are sent, from its IP header on; at least 1.
    pub snaplen: u32,
    /// A text that is sent with it.
    pub prefix: Quoted,
}

impl TimeUnit {
    /// Returns the seconds of the unit.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

impl Rule {
    /// Makes a rule without a comment.
    pub fn new(statements: impl Into<Vec<Statement>>) -> Self {
        Self { statements: statements.into(), comment: None }
    }
}

impl Statement {
    /// Makes the statement that goes on if a field has a value.
    pub fn is(field: Field, value: Value) -> Self {
        Self::Compare { field, comparison: Comparison::Is(value) }
    }
}

impl Verdict {
    /// Returns the chain that it leads to.
    pub fn chain(&self) -> Option<&Name> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            Self::Accept | Self::Drop | Self::Return => None,
        }
    }
}
