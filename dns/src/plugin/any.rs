//! `any`: answers ANY with a record that says nothing (RFC 8482).

use hickory_proto::rr::rdata::HINFO;
use hickory_proto::rr::{RData, Record, RecordType};

use super::{Handling, Plugin, Setup, SetupError, Site, arguments};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{Query, Reply};

/// The TTL of the record, in seconds.
const TTL: u32 = 8482;

/// The `any` directive of a server block; it has no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnyConfig;

/// Answers questions of the type ANY with one small record (RFC 8482 §4.2), so that nobody makes large replies of
/// small questions.
#[derive(Clone, Copy, Debug)]
struct Any;

impl AnyConfig {
    /// Reads the `any` directives of a server block; a repetition changes nothing.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        for directive in directives {
            arguments::none(directive)?;
            arguments::no_block(directive)?;
        }
        Ok(Self)
    }
}

impl Setup for AnyConfig {
    fn name(&self) -> &'static str {
        "any"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Any))
    }
}

impl Plugin for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qtype != RecordType::ANY {
            return Handling::NEXT;
        }
        context.note(self.name(), || "answers ANY with HINFO alone (RFC 8482)".to_owned());
        let data = HINFO::new("ANY obsoleted".to_owned(), "See RFC 8482".to_owned());
        let record = Record::from_rdata(query.name.clone(), TTL, RData::HINFO(data));
        Handling::reply(Reply { answers: vec![record], ..Reply::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query};

    #[tokio::test]
    async fn any_and_nothing_else() {
        let reply = answer(Any, query("A.example.", RecordType::ANY), Reply::default()).await;
        let answers: Vec<_> = reply.answers.iter().map(ToString::to_string).collect();
        assert_eq!(answers, ["A.example. 8482 IN HINFO ANY obsoleted See RFC 8482"]);
        for qtype in [RecordType::A, RecordType::HINFO, RecordType::AXFR] {
            let reply = answer(Any, query("a.example.", qtype), Reply::default()).await;
            assert!(reply.answers.is_empty(), "{qtype}");
        }
    }

    #[test]
    fn no_options() {
        assert_eq!(configure("any\nany", AnyConfig::parse).unwrap(), AnyConfig);
        let cases = [("any x", "takes no argument; remove 'x'"), ("any {\n}", "remove the braces")];
        assert_refused(AnyConfig::parse, &cases);
    }
}
