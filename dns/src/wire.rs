//! DNS messages: octets in, a query out; a reply in, octets out (RFC 1035 §4, RFC 6891).
//!
//! Ours rather than a library's because every query passes here: it reads only what a question needs,
//! refuses what no resolver sends, and writes a reply that fits in one pass.

mod encode;
mod names;
mod parse;

pub use encode::{Encoded, encode, encode_rejection};
pub use parse::{Arrival, Rejection, parse};

/// Length of the message header in octets (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// The TYPE of the OPT pseudo-record (RFC 6891 §6.1.1).
const TYPE_OPT: u16 = 41;
