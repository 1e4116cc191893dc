//! `dnstap`: tells a receiver of every query and reply, in a binary form (<https://dnstap.info>).
//!
//! ```text
//! Query, Sent ─ message ─▶ protobuf ─▶ edge::dnstap: queue ─▶ Frame Streams over a socket
//! ```

mod config;
pub(crate) mod frame_stream;
mod message;
mod tls_files;

pub use config::{DnstapConfig, Endpoint, Role};

use std::time::SystemTime;

use self::message::{Envelope, Kind, Message};
use super::log::LogFormat;
use super::{Handling, Plugin, Sent, Setup, SetupError, Site};
use crate::Query;
use crate::edge::dnstap::Tap;
use crate::engine::Context;

const NAME: &str = "dnstap";

/// Sends CLIENT_QUERY and, unless the query was dropped, CLIENT_RESPONSE for each query of a client; between them
/// FORWARDER_QUERY and FORWARDER_RESPONSE when `forward` got the reply for it.
///
/// All are sent when the reply is ready, with the times at which query and reply were there: an explanation
/// and the server's own lookups are no queries of a client. Never waits: what the receiver does not take in
/// time is dropped and counted.
#[derive(Debug)]
pub struct Dnstap {
    envelope: Envelope,
    extra: Option<LogFormat>,
    full: bool,
    tap: Tap,
    clock: fn() -> SystemTime,
}

impl Setup for DnstapConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let endpoint = self.endpoint.to_string();
        let dropped = site.metrics.dnstap_dropped.with_label_values(&[site.server, &endpoint]);
        let tap = Tap::start(&self.endpoint, &self.role, dropped)?;
        Ok(Box::new(Dnstap::new(self, tap, SystemTime::now)?))
    }
}

impl Dnstap {
    fn new(config: &DnstapConfig, tap: Tap, clock: fn() -> SystemTime) -> Result<Self, SetupError> {
        let identity = match &config.identity {
            Some(identity) => identity.clone().into_bytes(),
            None => nix::unistd::gethostname()?.into_encoded_bytes(),
        };
        let envelope = Envelope { identity, version: config.version.clone().into_bytes() };
        let (extra, full) = (config.extra.clone(), config.full);
        Ok(Self { envelope, extra, full, tap, clock })
    }

    fn send(&self, message: Message, query: &Query, sent: &Sent<'_>) {
        let extra = self.extra.as_ref().map(|format| format.render(query, sent).into_bytes());
        self.tap.send(self.envelope.seal(message, extra));
    }
}

impl Plugin for Dnstap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads_messages(&self) -> bool {
        self.full
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn sent(&self, query: &Query, sent: &Sent<'_>) {
        if !self.tap.is_wanted() {
            return;
        }
        let now = (self.clock)();
        // The reply is not known yet when a query comes in.
        let unanswered = Sent { reply: None, size: 0, message: &[], ..*sent };
        let of_client = |kind| message::of_client(kind, query, sent, now, self.full);
        self.send(of_client(Kind::ClientQuery), query, &unanswered);
        let Some(reply) = sent.reply else { return };
        if let Some(exchange) = &reply.exchange {
            let of_upstream = |kind| message::of_upstream(kind, query, exchange, self.full);
            self.send(of_upstream(Kind::ForwarderQuery), query, &unanswered);
            self.send(of_upstream(Kind::ForwarderResponse), query, sent);
        }
        self.send(of_client(Kind::ClientResponse), query, sent);
    }
}

#[cfg(test)]
mod tests;
