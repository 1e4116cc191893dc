//! DNS messages: octets in, a query out; a reply in, octets out (RFC 1035 §4, RFC 6891).
//!
//! Ours rather than a library's because every query passes here: it reads only what a question needs,
//! refuses what no resolver sends, and writes a reply that fits in one pass.

mod encode;
mod lifetime;
mod names;
mod padding;
mod parse;
mod rejection;

pub use encode::{Encoded, encode, encode_rejection};
pub(crate) use encode::{MAX_EXTRA_TEXT, OPTION_EXTENDED_ERROR};
pub use lifetime::lifetime;
pub use parse::{Arrival, parse};
pub use rejection::{BareOpt, BareReply, Rejection};

/// Length of the message header in octets (RFC 1035 §4.1.1).
pub(crate) const HEADER: usize = 12;

/// The TYPE of the OPT pseudo-record (RFC 6891 §6.1.1).
pub(crate) const TYPE_OPT: u16 = 41;

/// The flags of the header's second pair of octets (RFC 1035 §4.1.1, RFC 4035 §3).
pub(crate) mod flags {
    pub(crate) const RESPONSE: u16 = 0x8000;
    /// Four bits, 0 for a query.
    pub(crate) const OPCODE: u16 = 0x7800;
    pub(crate) const AUTHORITATIVE: u16 = 0x0400;
    pub(crate) const TRUNCATED: u16 = 0x0200;
    pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
    pub(crate) const RECURSION_AVAILABLE: u16 = 0x0080;
    pub(crate) const AUTHENTIC_DATA: u16 = 0x0020;
    pub(crate) const CHECKING_DISABLED: u16 = 0x0010;
}
