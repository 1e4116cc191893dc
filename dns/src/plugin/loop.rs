//! `loop`: finds upstreams that lead back to this server, and keeps `forward` from asking them.
//!
//! ```text
//! edge::upstream::loop_probe ─ HINFO for a name of 128 random bits ─▶ upstream ─▶ … ─▶ this server
//!           ▲                                                                             │
//!           └───────────────── Outstanding: that very name came in ◀── Loop::query ◀──────┘
//! ```
//!
//! Every upstream of every `forward` of the block is probed with names of its own, which nobody else knows before
//! the upstream passes them on; so nobody else can have it disabled (CVE-2026-26018). What a probe means is
//! decided in [`Watch`].

mod guard;
mod outstanding;
mod watch;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use tokio::time::Instant;

pub use guard::LoopGuard;
pub(crate) use guard::remedy;
pub(crate) use outstanding::{Outstanding, probe_name, token_of};
pub(crate) use watch::{Change, Finding, Pause, Watch};

use super::{Handling, Plugin, arguments, directive};
use crate::corefile::{CorefileError, Directive};
use crate::engine::{Context, ListenerId};
use crate::reply::ExtendedError;
use crate::{ExtendedErrorCode, Query, Repetition, Reply};

const NAME: &str = "loop";

/// The `loop` directive of a server block; it has no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopConfig;

/// Recognizes the probes of its server block that come back.
#[derive(Clone, Debug)]
pub struct Loop(LoopGuard);

impl LoopConfig {
    /// Reads the `loop` directive of a server block.
    ///
    /// # Errors
    /// It stands twice, or has arguments.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        if let Some(directive) = directive::only(directives)? {
            arguments::none(directive)?;
            arguments::no_block(directive)?;
        }
        Ok(Self)
    }
}

impl Loop {
    /// Returns the plugin of the block whose `forward`s have this guard.
    pub fn new(guard: LoopGuard) -> Self {
        Self(guard)
    }
}

impl Plugin for Loop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn treats_alike(&self, _: &LowerName) -> bool {
        // Its own questions are of a type that is not answered directly.
        true
    }

    fn repetition(&self, _: ListenerId, query: &Query, _: &Reply) -> Repetition {
        match query.qtype {
            RecordType::HINFO => Repetition::Never,
            _ => Repetition::Nothing,
        }
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qtype != RecordType::HINFO || query.qclass != DNSClass::IN {
            return Handling::NEXT;
        }
        let Some(token) = token_of(&query.lower) else { return Handling::NEXT };
        if !self.0.outstanding.arrived(token, Instant::now()) {
            return Handling::NEXT;
        }
        context.note(NAME, || "a probe of this server came back: an upstream leads here".into());
        let text = "a probe for forwarding loops came back".into();
        let extended_error = Some(ExtendedError { code: ExtendedErrorCode::Other, text });
        Handling::reply(Reply { extended_error, ..Reply::new(ResponseCode::NXDomain) })
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query};

    #[test]
    fn no_options_and_once() {
        assert_eq!(configure("loop", LoopConfig::parse).unwrap(), LoopConfig);
        assert_refused(
            LoopConfig::parse,
            &[
                ("loop\nloop", "only be used once"),
                ("loop 3", "takes no argument; remove '3'"),
                ("loop {\n}", "remove the braces"),
            ],
        );
    }

    #[tokio::test]
    async fn only_names_that_were_sent_are_taken() {
        let (guard, _serving) = LoopGuard::for_tests(&["."]);
        let mut returned = guard.outstanding.begin(7, Instant::now()).unwrap();
        let sent = probe_name(7, &Name::root()).unwrap().to_ascii();
        let other = probe_name(8, &Name::root()).unwrap().to_ascii();
        let asked = async |name: &str, qtype| {
            let plugin = Loop::new(guard.clone());
            let reply = answer(plugin, query(name, qtype), Reply::new(ResponseCode::YXDomain));
            reply.await.rcode
        };
        let passed_on = ResponseCode::YXDomain;
        assert_eq!(asked(&sent, RecordType::A).await, passed_on);
        assert_eq!(asked(&other, RecordType::HINFO).await, passed_on);
        assert_eq!(asked("www.example.org.", RecordType::HINFO).await, passed_on);
        assert!(returned.try_recv().is_err(), "nothing of this is the probe");
        assert_eq!(asked(&sent, RecordType::HINFO).await, ResponseCode::NXDomain);
        assert!(returned.try_recv().is_ok());
    }
}
