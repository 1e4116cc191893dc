//! An answer before it is encoded.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record};

use crate::Lasting;

/// The answer to a [`Query`](crate::Query): what of the reply's message does not follow from the question.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// The response code.
    pub rcode: ResponseCode,
    /// The AA bit.
    pub authoritative: bool,
    /// The RA bit.
    pub recursion_available: bool,
    /// The TC bit as it came from upstream; the encoder sets it too when records do not fit.
    pub truncated: bool,
    /// The AD bit.
    pub authentic_data: bool,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section.
    pub authorities: Vec<Record>,
    /// The additional section, without OPT.
    pub additionals: Vec<Record>,
    /// An Extended DNS Error for clients with EDNS (RFC 8914).
    pub extended_error: Option<ExtendedError>,
    /// More EDNS options for clients with EDNS: code and data (RFC 6891 §6.1.2).
    pub options: Vec<(u16, Vec<u8>)>,
    /// The RD bit when it shall not be that of the question.
    pub recursion_desired: Option<bool>,
    /// The most octets that the message may have over UDP, where the client takes more.
    pub size_limit: Option<u16>,
    /// The upstream that the answer came from, as metadata and `dnstap` tell it.
    pub upstream: Option<Arc<str>>,
    /// How the answer came from upstream for this query, as `dnstap` tells it; none of one that was kept or is
    /// shared with a query before.
    pub exchange: Option<Arc<Exchange>>,
    /// How long the same question gets the same reply; none when every question has to be answered anew.
    pub lasting: Option<Box<Lasting>>,
    /// Whether a limit of this server made it, which the same question may not meet in the next moment: it is never kept.
    pub is_momentary: bool,
    /// Why the server failed, for the operator; the `errors` plugin logs it.
    pub error: Option<String>,
    /// The plugin that made the answer; empty when the server itself did.
    pub plugin: &'static str,
}

/// A question to an upstream and its reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The address of the upstream.
    pub upstream: SocketAddr,
    /// What carried the reply.
    pub transport: Transport,
    /// When it was asked.
    pub asked: SystemTime,
    /// When the reply was there.
    pub answered: SystemTime,
    /// The octets of both messages; empty unless a plugin of the server reads messages.
    pub messages: ExchangedMessages,
}

/// The octets of a question to an upstream and of its reply.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ExchangedMessages {
    /// The question.
    pub question: Vec<u8>,
    /// The reply, as much of it as was received.
    pub reply: Vec<u8>,
}

/// What carries messages between this server and an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Plain DNS over UDP (RFC 1035 §4.2.1).
    Udp,
    /// Plain DNS over TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

/// An Extended DNS Error (RFC 8914 §2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtendedError {
    /// The INFO-CODE.
    pub code: ExtendedErrorCode,
    /// The EXTRA-TEXT, for people.
    pub text: Cow<'static, str>,
}

/// The INFO-CODEs that this server uses (RFC 8914 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum ExtendedErrorCode {
    /// 0: Other Error.
    Other = 0,
    /// 3: Stale Answer.
    StaleAnswer = 3,
    /// 14: Not Ready.
    NotReady = 14,
    /// 15: Blocked.
    Blocked = 15,
    /// 17: Filtered.
    Filtered = 17,
    /// 18: Prohibited.
    Prohibited = 18,
    /// 19: Stale NXDOMAIN Answer.
    StaleNxDomain = 19,
    /// 20: Not Authoritative.
    NotAuthoritative = 20,
    /// 21: Not Supported.
    NotSupported = 21,
    /// 22: No Reachable Authority.
    NoReachableAuthority = 22,
    /// 23: Network Error.
    NetworkError = 23,
}

impl Reply {
    /// Returns the TTL in seconds that all records have; none if they differ, or there is none.
    pub fn common_ttl(&self) -> Option<u32> {
        let records = [&self.answers, &self.authorities, &self.additionals].into_iter().flatten();
        let mut ttls = records.map(|record| record.ttl);
        let first = ttls.next()?;
        ttls.all(|ttl| ttl == first).then_some(first)
    }

    /// Returns an empty reply with a response code.
    pub fn new(rcode: ResponseCode) -> Self {
        Self {
            rcode,
            authoritative: false,
            recursion_available: false,
            truncated: false,
            authentic_data: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            extended_error: None,
            options: Vec::new(),
            recursion_desired: None,
            size_limit: None,
            upstream: None,
            exchange: None,
            lasting: None,
            is_momentary: false,
            error: None,
            plugin: "",
        }
    }

    /// Writes the owners of answers that are this name as it is written: in the case in which the client asks
    /// (RFC 4343 §4.1).
    pub(crate) fn repeat_case_of(&mut self, name: &Name) {
        for record in &mut self.answers {
            if record.name.eq_ignore_root(name) && !record.name.eq_ignore_root_case(name) {
                record.name = name.clone();
            }
        }
    }

    /// Returns a SERVFAIL that tells the operator and, by Extended DNS Error, the client why.
    pub fn server_failure(code: ExtendedErrorCode, why: impl Into<String>) -> Self {
        let why = why.into();
        let extended_error = Some(ExtendedError { code, text: why.clone().into() });
        Self { extended_error, error: Some(why), ..Self::new(ResponseCode::ServFail) }
    }

    /// Tells the client this instead of what the operator reads: clients need not know addresses, files and lines.
    #[must_use]
    pub fn telling(mut self, text: &'static str) -> Self {
        if let Some(error) = &mut self.extended_error {
            error.text = text.into();
        }
        self
    }

    /// Returns a REFUSED that tells the client why.
    pub fn refused(code: ExtendedErrorCode, why: &'static str) -> Self {
        let extended_error = Some(ExtendedError { code, text: why.into() });
        Self { extended_error, ..Self::new(ResponseCode::Refused) }
    }

    /// Says whether the response code is neither an answer nor that there is none.
    pub fn is_failure(&self) -> bool {
        !matches!(self.rcode, ResponseCode::NoError | ResponseCode::NXDomain)
    }
}
