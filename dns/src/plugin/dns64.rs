//! `dns64`: makes IPv6 addresses from IPv4 ones, for clients that reach IPv4 through NAT64 (RFC 6147).

mod config;
mod prefix;
mod synthesis;

pub use config::Dns64Config;
pub use prefix::Prefix;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use prometheus::IntCounter;

use super::{Handling, Outcome, Plugin, Setup, SetupError, Site};
use crate::engine::Context;
use crate::{Query, Reply};

const NAME: &str = "dns64";

/// Answers AAAA questions from A records where a name has no IPv6 address.
///
/// Both questions go to the plugins after this one. A question with the DO and the CD bit comes from somebody
/// who validates by himself, and is not touched (RFC 6147 §5.5). Reverse names are not translated, as in
/// CoreDNS.
#[derive(Debug)]
pub struct Dns64 {
    config: Dns64Config,
    translated: IntCounter,
}

impl Setup for Dns64Config {
    fn name(&self) -> &'static str {
        NAME
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let translated = site.metrics.dns64_translated.with_label_values(&[site.server]);
        Ok(Box::new(Dns64 { config: *self, translated }))
    }
}

impl Plugin for Dns64 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qtype != RecordType::AAAA || query.qclass != DNSClass::IN {
            return Handling::NEXT;
        }
        if let Err(why) = self.is_for(query) {
            context.note(NAME, || why.to_owned());
            return Handling::NEXT;
        }
        Handling::Later(Box::pin(self.answer(query, context)))
    }
}

impl Dns64 {
    /// Says why a client gets no translation.
    fn is_for(&self, query: &Query) -> Result<(), &'static str> {
        if query.client.ip().to_canonical().is_ipv4() && !self.config.allow_ipv4 {
            return Err("the client uses IPv4, and allow_ipv4 is not set: nothing is translated");
        }
        if query.dnssec_ok() && query.checking_disabled {
            return Err("the client validates by itself (DO and CD): nothing is translated");
        }
        Ok(())
    }

    async fn answer(&self, query: &Query, context: &Context<'_>) -> Outcome {
        let Some(ipv6) = context.rest(query.clone()).await else { return Outcome::Drop };
        let ipv6 = synthesis::without_mapped(ipv6);
        if self.is_answer(&ipv6, context) {
            return Outcome::Reply(ipv6);
        }
        let question = query.for_question(query.name.clone(), RecordType::A);
        let Some(ipv4) = context.rest(question).await else { return Outcome::Drop };
        if !synthesis::has_addresses(&ipv4) {
            // RFC 6147 §5.1.6: the empty result or error is the basis of the answer.
            context.note(NAME, || "the name has no IPv4 address either".into());
            return Outcome::Reply(ipv4);
        }
        let prefix = self.config.prefix;
        context.note(NAME, || format!("made IPv6 addresses from IPv4 ones with {prefix}"));
        self.translated.inc();
        Outcome::Reply(synthesis::synthesize(prefix, &ipv6, ipv4))
    }

    /// Says whether the reply to the AAAA question is what the client gets.
    fn is_answer(&self, reply: &Reply, context: &Context<'_>) -> bool {
        if reply.rcode == ResponseCode::NXDomain {
            context.note(NAME, || "the name does not exist: nothing is translated".into());
            return true;
        }
        if self.config.translate_all || !synthesis::has_ipv6(reply) {
            return false;
        }
        context.note(NAME, || "the name has IPv6 addresses of its own".into());
        true
    }
}

#[cfg(test)]
mod tests;
