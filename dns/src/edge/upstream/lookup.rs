//! Looks up the upstreams that are host names, again and again, by asking the resolvers themselves: never
//! through this server, which may need the upstream to answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use hickory_proto::rr::{Name, RecordType};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{ExchangeError, Upstream, tcp, udp};
use crate::plugin::forward::config::{ForwardConfig, LetterCase};
use crate::plugin::forward::metrics::NameMetrics;
use crate::plugin::forward::names::{self, Addresses};
use crate::plugin::forward::request::Request;
use crate::plugin::forward::roster::Roster;

/// The longest time that a resolver has for one question.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The question for the addresses of one upstream, and whom to ask.
#[derive(Debug)]
pub(crate) struct NameLookup {
    name: Name,
    port: u16,
    resolvers: Vec<SocketAddr>,
    interval: Duration,
    /// The address that queries to the upstream leave from: only addresses of its family are used.
    source: Option<IpAddr>,
    letter_case: LetterCase,
}

/// Asks a resolver for the addresses of a host, once.
///
/// # Errors
/// It knows none.
pub(crate) async fn look_up(name: &Name, resolver: SocketAddr) -> Result<Vec<IpAddr>, String> {
    let lookup = NameLookup {
        name: name.clone(),
        port: 0,
        resolvers: vec![resolver],
        interval: Duration::ZERO,
        source: None,
        letter_case: LetterCase::AsAsked,
    };
    Ok(lookup.find().await?.found)
}

impl NameLookup {
    pub(crate) fn new(name: Name, port: u16, config: &ForwardConfig) -> Self {
        Self {
            name,
            port,
            resolvers: config.resolvers.clone(),
            interval: config.resolve_interval,
            source: config.source,
            letter_case: config.letter_case,
        }
    }

    /// Keeps the upstreams of the TO argument at this place up to date, until nobody reads the roster any more.
    pub(crate) async fn follow(
        self,
        roster: Arc<watch::Sender<Arc<Roster>>>,
        at: usize,
        make: impl Fn(SocketAddr) -> Arc<Upstream>,
        metrics: NameMetrics,
    ) {
        let mut failures = 0_u32;
        loop {
            let found = tokio::select! {
                found = self.find() => found,
                () = roster.closed() => return,
            };
            let delay = match found {
                Ok(found) => {
                    failures = 0;
                    metrics.successful.inc();
                    self.publish(&roster, at, &found, &make);
                    names::refresh_delay(found.ttl, self.interval)
                }
                Err(why) => {
                    failures = failures.saturating_add(1);
                    metrics.failed.inc();
                    tracing::warn!(name = %self.name, why, "upstream is not resolved, trying again");
                    roster.send_modify(|roster| *roster = Arc::new(roster.unresolved(at, why)));
                    names::retry_delay(failures, rand::random())
                }
            };
            tokio::select! {
                () = sleep(delay) => {}
                () = roster.closed() => return,
            }
        }
    }

    fn publish(
        &self,
        roster: &watch::Sender<Arc<Roster>>,
        at: usize,
        found: &Addresses,
        make: impl Fn(SocketAddr) -> Arc<Upstream>,
    ) {
        let addresses: Vec<_> =
            found.found.iter().map(|address| SocketAddr::new(*address, self.port)).collect();
        roster.send_modify(|roster| *roster = Arc::new(roster.resolved(at, &addresses, make)));
    }

    /// Asks one resolver after the other until one knows an address.
    async fn find(&self) -> Result<Addresses, String> {
        let mut failures = Vec::new();
        for resolver in &self.resolvers {
            let (v4, v6) =
                join(self.ask(*resolver, RecordType::A), self.ask(*resolver, RecordType::AAAA))
                    .await;
            match names::both(v4, v6) {
                Ok(found) => return Ok(found),
                Err(why) => failures.push(format!("{resolver}: {why}")),
            }
        }
        Err(failures.join(", "))
    }

    /// Asks a resolver for the addresses of one family, by TCP when the reply by UDP is truncated.
    async fn ask(&self, resolver: SocketAddr, qtype: RecordType) -> Result<Addresses, String> {
        let is_in_reach = |source: IpAddr| source.is_ipv4() == (qtype == RecordType::A);
        if !self.source.is_none_or(is_in_reach) {
            return Ok(Addresses::default());
        }
        let request = Request::lookup(&self.name, qtype);
        let request = request.ok_or_else(|| "the name cannot be encoded".to_owned())?;
        let request = request.in_case(self.letter_case);
        let text = |error: ExchangeError| error.to_string();
        let until = || Instant::now() + TIMEOUT;
        let mut reply = udp::exchange(resolver, None, &request, until()).await.map_err(text)?;
        if reply.truncated {
            let connection = tcp::Connection::open(resolver, None, None, until()).await;
            let mut connection = connection.map_err(text)?;
            reply = connection.exchange(&request, until()).await.map_err(text)?;
        }
        names::addresses(&self.name, &reply)
    }
}
