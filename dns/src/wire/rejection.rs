//! Messages that are no query, and what is answered to them.

use hickory_proto::op::ResponseCode;

use crate::ExtendedErrorCode;
use crate::cookie::Cookie;

/// Why a message is not a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// It is too short to have a header, or is itself a response: answering could start a loop, so
    /// nothing is sent.
    Silent,
    /// It is answered without a question.
    Answered(BareReply),
}

/// A reply of a header, and an OPT record if the message had one that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BareReply {
    /// The message id.
    pub id: u16,
    /// The second pair of octets of the header as it came: opcode and RD are echoed.
    pub flags: u16,
    /// FORMERR or NOTIMP; NOERROR when the message asks for a cookie alone.
    pub rcode: ResponseCode,
    /// Of the message's OPT record what the reply's depends on.
    pub opt: Option<BareOpt>,
    /// Why, for the reply's Extended DNS Error.
    pub error: Option<(ExtendedErrorCode, &'static str)>,
}

/// What a [`BareReply`] repeats of an OPT record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BareOpt {
    /// The size of reply that the client takes, in octets.
    pub payload: u16,
    /// The COOKIE option, unless it is malformed.
    pub cookie: Option<Cookie>,
}

impl BareReply {
    /// Returns a SERVFAIL to a message of which nothing but this is known.
    pub fn server_failure(id: u16, opt: Option<BareOpt>) -> Self {
        let error = Some((ExtendedErrorCode::Other, "a defect of the server; please report it"));
        Self { id, flags: 0, rcode: ResponseCode::ServFail, opt, error }
    }
}
