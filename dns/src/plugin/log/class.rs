//! Which kind of answer a reply is.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::Reply;

/// The kind of a reply, as the documentation of CoreDNS's `log` defines it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResponseClass {
    /// An answer, a referral, or an empty NOERROR without SOA.
    Success,
    /// NXDOMAIN, or NODATA: NOERROR with a SOA and no answer (RFC 2308 §2).
    Denial,
    /// Every other response code, and no reply at all.
    Error,
}

/// A set of classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes {
    success: bool,
    denial: bool,
    error: bool,
}

impl ResponseClass {
    /// Classifies a reply; none is a dropped query.
    pub fn of(reply: Option<&Reply>) -> Self {
        let Some(reply) = reply else { return Self::Error };
        match reply.rcode {
            ResponseCode::NXDomain => Self::Denial,
            ResponseCode::NoError if is_nodata(reply) => Self::Denial,
            ResponseCode::NoError => Self::Success,
            _ => Self::Error,
        }
    }
}

fn is_nodata(reply: &Reply) -> bool {
    let is_soa = |record_type| record_type == RecordType::SOA;
    reply.answers.is_empty() && reply.authorities.iter().any(|record| is_soa(record.record_type()))
}

impl Classes {
    /// Every class.
    pub const ALL: Self = Self { success: true, denial: true, error: true };

    /// Says whether the class is in the set.
    pub const fn contains(self, class: ResponseClass) -> bool {
        match class {
            ResponseClass::Success => self.success,
            ResponseClass::Denial => self.denial,
            ResponseClass::Error => self.error,
        }
    }

    /// Adds the class or classes of a word; none if the word is no class.
    pub(super) fn with(self, word: &str) -> Option<Self> {
        match word {
            "all" => Some(Self::ALL),
            "success" => Some(Self { success: true, ..self }),
            "denial" => Some(Self { denial: true, ..self }),
            "error" => Some(Self { error: true, ..self }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::SOA;
    use hickory_proto::rr::{Name, RData, Record};

    use super::*;
    use crate::plugin::testing::record;

    #[test]
    fn replies_have_one_class() {
        let root = Name::root;
        let soa = RData::SOA(SOA::new(root(), root(), 1, 1, 1, 1, 1));
        let soa = Record::from_rdata(root(), 5, soa);
        let reply = |rcode, answers: &[Record], authorities: &[Record]| Reply {
            answers: answers.to_vec(),
            authorities: authorities.to_vec(),
            ..Reply::new(rcode)
        };
        let address = record("a.", "10.0.0.1");
        let soa = [soa];
        for (case, expected) in [
            (
                reply(ResponseCode::NoError, std::slice::from_ref(&address), &[]),
                ResponseClass::Success,
            ),
            (reply(ResponseCode::NoError, &[address], &soa), ResponseClass::Success),
            (reply(ResponseCode::NoError, &[], &[]), ResponseClass::Success),
            (reply(ResponseCode::NoError, &[], &soa), ResponseClass::Denial),
            (reply(ResponseCode::NXDomain, &[], &soa), ResponseClass::Denial),
            (reply(ResponseCode::NXDomain, &[], &[]), ResponseClass::Denial),
            (reply(ResponseCode::ServFail, &[], &soa), ResponseClass::Error),
            (reply(ResponseCode::Refused, &[], &[]), ResponseClass::Error),
            (reply(ResponseCode::NotImp, &[], &[]), ResponseClass::Error),
        ] {
            assert_eq!(ResponseClass::of(Some(&case)), expected, "{case:?}");
        }
        assert_eq!(ResponseClass::of(None), ResponseClass::Error);
    }
}
