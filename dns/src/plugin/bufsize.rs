//! `bufsize`: limits the size of UDP messages, so that they are not fragmented on their way.

use std::fmt::Debug;

use super::{Handling, Plugin, Setup, SetupError, Site, arguments, directive};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{Query, Reply};

/// What most networks carry in one piece, in octets (DNS flag day 2020).
const DEFAULT: u16 = 1232;

/// The `bufsize` directive of a server block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufsizeConfig {
    /// In octets.
    pub size: u16,
}

/// Lowers the size that clients advertise (RFC 6891 §6.2.3), for upstreams and for replies. It never raises it.
#[derive(Clone, Copy, Debug)]
struct Bufsize(u16);

impl BufsizeConfig {
    /// Reads the `bufsize` directive: `bufsize [SIZE]`, 512 to 4096 octets.
    ///
    /// # Errors
    /// It stands twice, or has no such size.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let Some(directive) = directive::only(directives)? else {
            return Ok(Self { size: DEFAULT });
        };
        arguments::no_block(directive)?;
        let Some(size) = directive::optional_argument(directive)? else {
            return Ok(Self { size: DEFAULT });
        };
        let size = arguments::number_in(size, 512..=4096, "octets")?;
        // Within the range.
        Ok(Self { size: u16::try_from(size).unwrap_or(DEFAULT) })
    }
}

impl Setup for BufsizeConfig {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Bufsize(self.size)))
    }
}

impl Plugin for Bufsize {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    fn changes_queries(&self) -> bool {
        true
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if let Some(edns) = &mut query.edns
            && edns.max_payload() > self.0
        {
            context.note(self.name(), || {
                format!("the client takes {} octets, limited to {}", edns.max_payload(), self.0)
            });
            edns.set_max_payload(self.0);
        }
        Handling::NEXT
    }

    fn reply(&self, _: &Query, reply: &mut Reply, _: &Context<'_>) {
        let limit = reply.size_limit.unwrap_or(u16::MAX).min(self.0);
        reply.size_limit = Some(limit);
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Edns;
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, passed_on, query, record};
    use crate::{Protocol, wire};

    fn asking(payload: Option<u16>) -> Query {
        let edns = payload.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        });
        Query { edns, ..query("a.example.", RecordType::A) }
    }

    #[test]
    fn sizes() {
        let size = |text| configure(text, BufsizeConfig::parse).unwrap().size;
        assert_eq!(size("bufsize"), 1232);
        assert_eq!(size("bufsize 512"), 512);
        assert_eq!(size("bufsize 4096"), 4096);
        assert_refused(
            BufsizeConfig::parse,
            &[
                ("bufsize 511", "511 is out of range; write 512 to 4096 octets"),
                ("bufsize 4097", "out of range"),
                ("bufsize big", "'big' is no whole number"),
                ("bufsize 512 1232", "takes at most one argument; remove '1232'"),
                ("bufsize {\n}", "remove the braces"),
                ("bufsize\nbufsize", "only be used once"),
            ],
        );
    }

    #[tokio::test]
    async fn upstreams_are_asked_for_less_and_never_for_more() {
        for (asked, passed) in [(Some(4096), Some(1232)), (Some(1000), Some(1000)), (None, None)] {
            let query = passed_on(Bufsize(1232), asking(asked)).await.unwrap();
            assert_eq!(query.edns.map(|edns| edns.max_payload()), passed);
        }
    }

    #[tokio::test]
    async fn replies_are_no_larger() {
        let answers = (0..100).map(|n| record("a.example.", &format!("10.0.0.{n}"))).collect();
        let reply = answer(Bufsize(600), asking(None), Reply { answers, ..Reply::default() }).await;
        for (asked, limit) in [(Some(4096), 600), (Some(550), 550), (None, 512)] {
            let encoded = wire::encode(&asking(asked), &reply);
            let size = encoded.message.len();
            assert!(encoded.truncated && size <= limit && size + 30 > limit, "{asked:?}: {size}");
        }
        let tcp = Query { protocol: Protocol::Tcp, ..asking(Some(4096)) };
        assert!(!wire::encode(&tcp, &reply).truncated, "TCP has no fragments");
    }

    #[tokio::test]
    async fn a_lower_limit_stays() {
        let reply = Reply { size_limit: Some(700), ..Reply::default() };
        let limit = answer(Bufsize(1232), asking(None), reply).await.size_limit;
        assert_eq!(limit, Some(700));
    }
}
