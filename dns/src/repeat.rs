//! Replies that are the same for the same question, and may be sent again without asking the plugins.
//!
//! Clients of a cluster ask the same few questions over and over. A reply that follows from the question and from a few
//! objects of the cluster alone is kept as octets under the octets of its question, and sent again with another id
//! while those objects stay as they are:
//!
//! ```text
//! message ─▶ Table: the same octets? grounds hold? ─▶ id, serial, TTLs, order of addresses ─▶ reply
//!               ▼ no
//!            plugins ─▶ reply: says how long it lasts; each plugin says what a repetition has to do for it
//! ```
//!
//! What a plugin has to see itself is never repeated, and nothing is the default. So the answers are the same with and
//! without this, which a property test holds; only the time differs.

mod layout;
mod searched;
mod table;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::Grounds;

pub(crate) use layout::Layout;
pub(crate) use searched::Searched;
pub(crate) use table::{Key, Lesson, Repeated, Table};

/// How long the same question gets the same reply.
#[derive(Clone, PartialEq, Debug)]
pub enum Lasting {
    /// As long as nothing changes in these parts of the cluster. The serial of an SOA record in it follows the whole
    /// cluster.
    While(Grounds),
    /// Until then.
    Until(Instant),
    /// Until then; the TTL of every record is what is left, in whole seconds rounded up.
    CountingDown(Instant),
    /// As long as all replies of a search last.
    Searched(Box<Searched>),
}

/// Nanoseconds of a second.
const NANOS: u128 = Duration::from_secs(1).as_nanos();

/// What a plugin that a query passed has to do when its reply is sent again.
#[derive(Clone, Debug)]
pub enum Repetition {
    /// To see the query: it must not be repeated.
    Never,
    /// Nothing.
    Nothing,
    /// To vary the order of the addresses.
    Order,
    /// To count it.
    Count(Arc<dyn Count>),
}

/// What the plugins have to do when a reply is sent again, in all.
#[derive(Clone, Debug)]
pub(crate) struct Duties {
    /// To be counted with each of these.
    pub(crate) counts: Counts,
    /// The order of the addresses is to vary.
    pub(crate) is_ordered: bool,
}

/// All that has to be counted when a reply is sent again.
pub(crate) type Counts = Box<[Arc<dyn Count>]>;

/// Counts repetitions of a reply.
pub trait Count: Send + Sync + Debug {
    /// Counts these.
    fn count(&self, again: Again<'_>);
}

/// Replies that are sent again together.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The sizes of each.
    pub sizes: &'a [Sizes],
    /// From the arrival of the questions until the replies were ready to be sent.
    pub elapsed: Duration,
}

/// The sizes of a question and its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// The size of the question's message in octets.
    pub question: usize,
    /// The size of the reply's message in octets.
    pub reply: usize,
}

impl Again<'_> {
    /// Returns how many replies there are.
    pub fn number(self) -> u64 {
        self.sizes.len() as u64
    }
}

impl Lasting {
    /// Says whether the reply is as good as new.
    fn holds(&self, now: Instant) -> bool {
        match self {
            Self::While(grounds) => grounds.hold(),
            Self::Until(end) | Self::CountingDown(end) => now < *end,
            Self::Searched(searched) => searched.lastings().all(|lasting| lasting.holds(now)),
        }
    }

    /// Returns the same without what is not needed any more once the duties are known.
    pub(crate) fn for_keeping(self) -> Self {
        match self {
            Self::Searched(mut searched) => {
                searched.duties = Vec::new();
                Self::Searched(searched)
            }
            other => other,
        }
    }

    /// Returns the TTL that records have by now, if it is not the one that they had.
    fn ttl(&self, now: Instant) -> Option<u32> {
        let end = match self {
            Self::CountingDown(end) => end,
            Self::Searched(searched) => return searched.found.ttl(now),
            Self::While(_) | Self::Until(_) => return None,
        };
        let left = end.saturating_duration_since(now);
        u32::try_from(left.as_nanos().div_ceil(NANOS)).ok()
    }

    /// Returns the serial that SOA records have by now, if it is not the one that they had.
    fn serial(&self) -> Option<u32> {
        let grounds = match self {
            Self::While(grounds) => grounds,
            Self::Searched(searched) => return searched.found.serial(),
            Self::Until(_) | Self::CountingDown(_) => return None,
        };
        // Serials count modulo 2^32 (RFC 1982).
        u32::try_from(grounds.changed_at() & u64::from(u32::MAX)).ok()
    }
}
