//! The question as upstreams see it.

use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, OPT};
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};

use super::config::{LetterCase, ProbeConfig};
use crate::query::MIN_PAYLOAD;
use crate::reply::ExchangedMessages;
use crate::{Protocol, Query};

/// The options of OPT that are between the client and this server, not for an upstream: NSID (RFC 5001 §2.1),
/// COOKIE (RFC 7873 §5), edns-tcp-keepalive (RFC 7828 §3.2), Padding (RFC 7830 §3) and the two of RFC 8764 and
/// its predecessor that set up state in a server.
const HOP_BY_HOP: [EdnsCode; 6] = [
    EdnsCode::NSID,
    EdnsCode::Cookie,
    EdnsCode::Keepalive,
    EdnsCode::Padding,
    EdnsCode::LLQ,
    EdnsCode::UL,
];

/// Is one question to an upstream, encoded but for its id.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) question: Question,
    max_reply: u16,
    /// The message with the id 0.
    pub(super) message: Vec<u8>,
    pub(super) letter_case: LetterCase,
    /// The last sending and its reply, if somebody wants to see them.
    pub(super) kept: Option<Arc<Mutex<ExchangedMessages>>>,
}

/// What makes two queries the same for an upstream, so that one answer serves both. Every bit that an answer
/// may depend on is part of it; the letter case of the name is not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct RequestKey {
    name: LowerName,
    qtype: RecordType,
    qclass: DNSClass,
    /// RD, CD, AD.
    bits: [bool; 3],
    edns: Option<EdnsKey>,
    protocol: Protocol,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct EdnsKey {
    max_payload: u16,
    version: u8,
    flags: u16,
    options: OPT,
}

impl Request {
    /// Encodes a client's query; none when hickory cannot encode what it decoded.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = query.recursion_desired;
        message.metadata.checking_disabled = query.checking_disabled;
        message.metadata.authentic_data = query.authentic_data;
        let mut question = Question::query(query.name.clone(), query.qtype);
        question.query_class = query.qclass;
        message.edns = query.edns.as_ref().map(passed_on);
        Self::encode(message, question)
    }

    /// Encodes the question of a probe.
    pub(super) fn probe(config: &ProbeConfig) -> Option<Self> {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = config.recursion_desired;
        Self::encode(message, Question::query(config.name.clone(), RecordType::NS))
    }

    /// Encodes the question for the addresses of an upstream.
    pub(crate) fn lookup(name: &Name, qtype: RecordType) -> Option<Self> {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        Self::encode(message, Question::query(name.clone(), qtype))
    }

    fn encode(mut message: Message, question: Question) -> Option<Self> {
        message.add_query(question.clone());
        let max_reply = message.edns.as_ref().map_or(MIN_PAYLOAD, Edns::max_payload);
        let message = message.to_vec().ok()?;
        let letter_case = LetterCase::AsAsked;
        Some(Self { question, max_reply, message, letter_case, kept: None })
    }

    /// Returns the same question, whose name is written like this.
    #[must_use]
    pub(crate) fn in_case(self, letter_case: LetterCase) -> Self {
        Self { letter_case, ..self }
    }

    /// Returns the same question, which keeps its octets and those of the last reply.
    pub(super) fn keeping_messages(self) -> Self {
        Self { kept: Some(Arc::default()), ..self }
    }

    /// Takes out what [`Sending::keep`](super::sending::Sending::keep) kept; empty when that is nothing.
    pub(super) fn take_kept(&self) -> ExchangedMessages {
        let kept =
            self.kept.as_ref().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner));
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    /// Returns the size of reply that the question allows over UDP, in octets.
    pub(crate) fn max_reply(&self) -> u16 {
        self.max_reply
    }
}

impl RequestKey {
    pub(super) fn of(query: &Query) -> Self {
        let edns = query.edns.as_ref().map(|edns| {
            let edns = passed_on(edns);
            EdnsKey {
                max_payload: edns.max_payload(),
                version: edns.version(),
                flags: (*edns.flags()).into(),
                options: edns.options().clone(),
            }
        });
        Self {
            name: query.lower.clone(),
            qtype: query.qtype,
            qclass: query.qclass,
            bits: [query.recursion_desired, query.checking_disabled, query.authentic_data],
            edns,
            protocol: query.protocol,
        }
    }
}

/// Returns the OPT record of a client without what is only for this server.
fn passed_on(edns: &Edns) -> Edns {
    let mut edns = edns.clone();
    // An rcode has no meaning in a query (RFC 6891 §6.1.3).
    edns.set_rcode_high(0);
    // A typed NSID is no client's but that of a `rewrite` rule, which means the upstream.
    edns.options_mut().options.retain(|(code, option)| {
        !HOP_BY_HOP.contains(code) || matches!(option, EdnsOption::NSID(_))
    });
    edns
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::opt::NSIDPayload;

    use super::super::testing::query;
    use super::*;

    fn with_edns(options: &[(u16, &[u8])]) -> Query {
        let mut query = query("Www.Example.ORG.", RecordType::AAAA);
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(true).set_rcode_high(9);
        for (code, data) in options {
            edns.options_mut().insert(EdnsOption::Unknown(*code, data.to_vec()));
        }
        query.edns = Some(edns);
        query
    }

    #[test]
    fn what_a_client_asks_goes_upstream() {
        let mut query = with_edns(&[(10, b"cookie!!"), (12, b""), (11, b""), (65001, b"x")]);
        query.qclass = DNSClass::CH;
        query.checking_disabled = true;
        query.authentic_data = true;
        let request = Request::of(&query).unwrap();
        let message = Message::from_vec(request.sending_as_asked(0xbeef).octets()).unwrap();
        assert_eq!(message.id, 0xbeef);
        assert_eq!(message.message_type, MessageType::Query);
        assert!(message.recursion_desired && message.checking_disabled && message.authentic_data);
        let question = &message.queries[0];
        assert_eq!(question.name.to_ascii(), "Www.Example.ORG.", "in the client's case");
        assert_eq!((question.query_type, question.query_class), (RecordType::AAAA, DNSClass::CH));
        let edns = message.edns.unwrap();
        assert_eq!(
            (edns.max_payload(), edns.flags().dnssec_ok, edns.rcode_high()),
            (1232, true, 0)
        );
        let codes: Vec<u16> =
            edns.options().options.iter().map(|(code, _)| (*code).into()).collect();
        assert_eq!(codes, [65001]);
        assert_eq!(request.max_reply(), 1232);
    }

    #[test]
    fn the_nsid_of_a_rewrite_rule_goes_upstream() {
        let mut query = with_edns(&[(3, b"client's")]);
        let options = query.edns.as_mut().unwrap().options_mut();
        options.insert(EdnsOption::NSID(NSIDPayload::new([]).unwrap()));
        let message =
            Message::from_vec(Request::of(&query).unwrap().sending_as_asked(1).octets()).unwrap();
        let edns = message.edns.unwrap();
        assert_eq!(edns.options().options.len(), 1);
        assert_eq!(edns.option(EdnsCode::NSID).map(EdnsOption::is_empty), Some(true));
    }

    #[test]
    fn without_edns_none_goes_upstream() {
        let mut query = query("example.", RecordType::A);
        query.recursion_desired = false;
        let request = Request::of(&query).unwrap();
        let message = Message::from_vec(request.sending_as_asked(1).octets()).unwrap();
        assert!(message.edns.is_none() && !message.recursion_desired);
        assert_eq!(request.max_reply(), 512);
    }

    #[test]
    fn keys_tell_apart_what_answers_depend_on() {
        let base = with_edns(&[(10, b"cookie 1")]);
        let key = RequestKey::of(&base);
        let mut same = with_edns(&[(10, b"cookie 2")]);
        same.name = "wWW.example.org.".parse().unwrap();
        same.id = 77;
        assert_eq!(RequestKey::of(&same), key);
        let changes: [fn(&mut Query); 9] = [
            |query| query.lower = "w2.example.org.".parse().unwrap(),
            |query| query.qtype = RecordType::A,
            |query| query.qclass = DNSClass::CH,
            |query| query.recursion_desired = false,
            |query| query.checking_disabled = true,
            |query| query.authentic_data = true,
            |query| query.edns = None,
            |query| {
                query.edns.as_mut().unwrap().set_dnssec_ok(false);
            },
            |query| query.protocol = Protocol::Tcp,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(RequestKey::of(&other), key, "change {at}");
        }
        assert_ne!(RequestKey::of(&with_edns(&[(65001, b"x")])), key);
    }
}
