//! What plugins have to do for direct answers.

use std::sync::OnceLock;

use hickory_proto::rr::RecordType;

use super::{PlainQuestion, Said};
use crate::repeat::Duties;
use crate::wire::Arrival;
use crate::{Protocol, Query, Reply};

/// The types that are answered directly.
const TYPES: [RecordType; 4] = [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::PTR];

const PROTOCOLS: usize = 6;

const SAYINGS: usize = 3;

/// What the plugins of a block have to do for each kind of answer in a zone.
#[derive(Debug)]
pub(crate) struct Effects(Box<[OnceLock<Option<Duties>>]>);

/// A kind of answer: those that no plugin tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(usize);

/// What to do for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// This.
    Duties(&'a Duties),
    /// A plugin has to see the query.
    Never,
    /// It has to be learnt.
    Unknown,
}

impl Default for Effects {
    fn default() -> Self {
        let kinds = TYPES.len() * PROTOCOLS * SAYINGS * 2 * 2;
        Self((0..kinds).map(|_| OnceLock::new()).collect())
    }
}

impl Kind {
    /// Returns the kind of an answer; none of a type that is not answered directly.
    pub(super) fn of(question: &PlainQuestion, arrival: Arrival, said: Said) -> Option<Self> {
        let dnssec_ok = question.edns().is_some_and(|edns| edns.dnssec_ok);
        Self::new(question.qtype(), dnssec_ok, arrival.protocol, arrival.client.is_ipv6(), said)
    }

    /// Returns the kind of a reply.
    pub(crate) fn of_reply(query: &Query, reply: &Reply) -> Option<Self> {
        use hickory_proto::op::ResponseCode;
        let said = match reply.rcode {
            ResponseCode::NoError if reply.answers.is_empty() => Said::NoData,
            ResponseCode::NoError => Said::Records,
            ResponseCode::NXDomain => Said::NameError,
            _ => return None,
        };
        let is_ipv6 = query.client.is_ipv6();
        Self::new(query.qtype, query.dnssec_ok(), query.protocol, is_ipv6, said)
    }

    #[cfg(test)]
    pub(super) fn numbered(number: usize) -> Self {
        Self(number)
    }

    fn new(
        qtype: RecordType,
        dnssec_ok: bool,
        protocol: Protocol,
        is_ipv6: bool,
        said: Said,
    ) -> Option<Self> {
        let qtype = TYPES.iter().position(|known| *known == qtype)?;
        let at = (qtype * PROTOCOLS + protocol as usize) * SAYINGS + said as usize;
        Some(Self((at * 2 + usize::from(dnssec_ok)) * 2 + usize::from(is_ipv6)))
    }
}

impl Effects {
    pub(super) fn of(&self, kind: Kind) -> Known<'_> {
        match self.0.get(kind.0).and_then(OnceLock::get) {
            Some(Some(duties)) => Known::Duties(duties),
            Some(None) => Known::Never,
            None => Known::Unknown,
        }
    }

    /// Learns what to do for a kind of answer; none when a plugin has to see the query.
    pub(crate) fn learn(&self, kind: Kind, duties: Option<Duties>) {
        if let Some(place) = self.0.get(kind.0) {
            // What was learnt before is the same.
            let _ = place.set(duties);
        }
    }
}
