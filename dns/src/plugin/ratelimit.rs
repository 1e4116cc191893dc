//! `ratelimit`: a limit to the queries of each client.
//!
//! Comes before all plugins that do something for a query or write a line about it, and behind `prometheus`, which
//! counts what is refused. Asking for one more query costs the same whatever the number of clients, and no memory.
//!
//! Datagrams can have a forged source: what comes in them is counted apart from what clients ask that have shown
//! that their address is their own, by a connection or a DNS Cookie. So whoever asks in the name of another takes
//! nothing from it but its queries over UDP without cookies, and the other can go over to TCP.

mod bucket;
mod config;
mod metrics;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

pub use config::{Action, RatelimitConfig};
pub use metrics::RatelimitMetrics;

use self::bucket::Rate;
use self::metrics::{Counters, Limited};
use self::table::{Client, Table};
use super::{Handling, Outcome, Plugin, Setup, SetupError, Site};
use crate::engine::Context;
use crate::reply::{ExtendedError, ExtendedErrorCode};
use crate::{Query, Reply};

/// What clients that ask too much are told.
const WHY: &str = "above the rate limit of this server";

/// Lets each client ask so many queries.
#[derive(Debug)]
struct Ratelimit {
    config: RatelimitConfig,
    table: Table,
    start: Instant,
    /// How many were dropped, for `slip`.
    dropped: AtomicU64,
    counters: Counters,
}

impl Setup for RatelimitConfig {
    fn name(&self) -> &'static str {
        "ratelimit"
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let rate = Rate::new(self.rate, self.burst);
        Ok(Box::new(Ratelimit {
            config: self.clone(),
            table: Table::new(self.clients, rate, rand::random()),
            start: Instant::now(),
            dropped: AtomicU64::new(0),
            counters: site.metrics.ratelimit.of(site),
        }))
    }
}

impl Plugin for Ratelimit {
    fn name(&self) -> &'static str {
        "ratelimit"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        // The server's own questions are part of an answer that has been counted.
        if context.is_own_lookup() || self.config.exempt.contains(query.client.ip()) {
            context.note(self.name(), || "no limit holds for this query".to_owned());
            return Handling::NEXT;
        }
        let client = self.client_of(query);
        let taken = self.table.take(client, self.now());
        if taken.has_evicted {
            self.counters.evicted.inc();
        }
        if taken.may_pass {
            context.note(self.name(), || format!("{} is within its rate", client.network));
            return Handling::NEXT;
        }
        let limited = self.limited(client);
        self.counters.count(&query.lower, limited);
        context.note(self.name(), || format!("{} is above its rate: {limited:?}", client.network));
        match limited {
            Limited::Refused => Handling::reply(Reply::refused(ExtendedErrorCode::Other, WHY)),
            Limited::Truncated => Handling::reply(truncated()),
            Limited::Dropped => Handling::Now(Outcome::Drop),
        }
    }
}

impl Ratelimit {
    /// Returns the nanoseconds since the start: enough for centuries.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn client_of(&self, query: &Query) -> Client {
        let RatelimitConfig { ipv4_prefix, ipv6_prefix, .. } = self.config;
        let network = network_of(query.client.ip(), ipv4_prefix, ipv6_prefix);
        Client { network, is_proven: query.has_proven_address() }
    }

    /// Returns what a query above the limit gets. A client whose address is its own is told so: there is nobody
    /// else whom the reply could flood, and TCP would not help it.
    fn limited(&self, client: Client) -> Limited {
        match self.config.action {
            _ if client.is_proven => Limited::Refused,
            Action::Refuse => Limited::Refused,
            Action::Truncate => Limited::Truncated,
            Action::Drop { slip: 0 } => Limited::Dropped,
            Action::Drop { slip } => {
                let number = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                let slips = number.is_multiple_of(slip.into());
                if slips { Limited::Truncated } else { Limited::Dropped }
            }
        }
    }
}

/// Returns the first address of the network that an address is in.
fn network_of(address: IpAddr, ipv4_prefix: u8, ipv6_prefix: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let host = u32::MAX.checked_shr(ipv4_prefix.into()).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & !host).into()
        }
        IpAddr::V6(v6) => {
            let host = u128::MAX.checked_shr(ipv6_prefix.into()).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & !host).into()
        }
    }
}

/// Returns the empty reply that makes a client ask again over TCP.
fn truncated() -> Reply {
    let error = ExtendedError { code: ExtendedErrorCode::Other, text: WHY.into() };
    Reply { truncated: true, extended_error: Some(error), ..Reply::default() }
}

#[cfg(test)]
mod tests;
