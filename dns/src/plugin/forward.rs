//! `forward`: sends queries to other servers.
//!
//! ```text
//! Query ─ request ─▶ octets ─┐                 policy, health: whom to ask
//!                            ├─ exchange ──▶ edge::upstream (UDP, TCP, TLS, HTTPS)
//! Reply ◀─ answer, records ──┘                 verdict: what to do with the reply
//! ```
//!
//! Queries use the client's transport to the upstream unless an option says otherwise, and a truncated reply
//! is always asked for again by TCP. Nothing here is unbounded: a query has 5 s and a number of attempts, a
//! directive [`MAX_SOCKETS`] exchanges, of them [`MAX_TRIALS`] while all upstreams are unhealthy, an attempt
//! `read_timeout`.

pub(crate) mod answer;
mod bailiwick;
pub(crate) mod config;
mod endpoint;
mod exchange;
mod extended_errors;
mod flights;
mod framing;
pub(crate) mod health;
mod maker;
pub(crate) mod metrics;
pub(crate) mod names;
mod options;
mod policy;
mod records;
mod report;
pub(crate) mod request;
mod resolv_conf;
pub(crate) mod returning;
pub(crate) mod roster;
pub(crate) mod sending;
mod target;
pub(crate) mod tls;
mod verdict;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod bailiwick_tests;
#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod doh_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod fake_secure;
#[cfg(test)]
mod fake_upstream;
#[cfg(test)]
mod loop_tests;
#[cfg(test)]
mod name_tests;
#[cfg(test)]
mod option_tests;
#[cfg(test)]
mod target_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tls_tests;
#[cfg(test)]
mod transport_tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use hickory_proto::rr::RecordType;
use prometheus::IntGauge;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

pub use config::{Carrier, DohMethod, ForwardConfig, IdleConfig, LetterCase, ProbeConfig};
pub use metrics::ForwardMetrics;
pub use policy::Policy;
/// Reads a message of an upstream as the reply to a query that was sent with this id; none when it is not one.
pub fn read_reply(message: &[u8], query: &Query, id: u16) -> Option<Reply> {
    let request = Request::of(query)?;
    answer::read(message, &request.sending_as_asked(id), answer::Extent::Whole).ok()
}

pub use target::{Host, Identity, MAX_UPSTREAMS, Scheme, Target};
pub use tls::TlsConfig;

use self::exchange::{Core, Finished};
use self::flights::Flights;
use self::maker::Maker;
use self::request::{Request, RequestKey};
use self::roster::{Entry, Roster};
use super::r#loop::LoopGuard;
use super::{Handling, Outcome, Plugin};
use crate::edge::upstream::{LoopProber, NameLookup, Prober};
use crate::engine::Context;
use crate::{ExtendedErrorCode, Protocol, Query, Reply};

const NAME: &str = "forward";

/// How many exchanges with upstreams one `forward` has at a time, and so how many sockets beside kept
/// connections. What exceeds it fails at once: a server that is flooded while its upstreams are silent has to
/// stay small (coredns#6090).
pub const MAX_SOCKETS: usize = 4096;

/// How many exchanges ask at a time although all upstreams are unhealthy. Others fail at once: while upstreams
/// are dead, queries would else pile up by the rate at which they come times [`exchange::BUDGET`].
const MAX_TRIALS: usize = 16;

/// One `forward` directive at work. It is used within a tokio runtime.
#[derive(Debug)]
pub struct Forward {
    core: Arc<Core>,
    flights: Flights<RequestKey, Arc<Finished>>,
    turns: AtomicU64,
    concurrent: Option<Semaphore>,
}

/// Counts a query as under way for as long as it lives.
struct InFlight<'a>(&'a IntGauge);

impl Forward {
    /// Returns the plugin of a directive. The metrics are shared by all of the process.
    pub fn new(config: ForwardConfig, metrics: ForwardMetrics) -> Self {
        Self::guarded(config, metrics, None)
    }

    /// Returns the plugin of a directive in a block with `loop`, if there is a guard.
    pub fn guarded(
        config: ForwardConfig,
        metrics: ForwardMetrics,
        guard: Option<LoopGuard>,
    ) -> Self {
        let concurrent = config.max_concurrent.map(|max| {
            // A semaphore holds fewer than a u32 only where memory does, too.
            let max = usize::try_from(max.get()).unwrap_or(usize::MAX);
            Semaphore::new(max.min(Semaphore::MAX_PERMITS))
        });
        let core = Core {
            roster: roster(&config, &metrics, guard),
            prober: prober(&config),
            metrics,
            sockets: Semaphore::new(MAX_SOCKETS),
            trials: Semaphore::new(MAX_TRIALS),
            config,
        };
        let (flights, turns) = (Flights::new(), AtomicU64::new(0));
        Self { core: Arc::new(core), flights, turns, concurrent }
    }

    async fn forward(&self, query: &Query, context: &Context<'_>) -> Outcome {
        let metrics = &self.core.metrics;
        let Ok(_admitted) = self.admit() else {
            metrics.max_concurrent_rejects.inc();
            metrics.refused("max_concurrent");
            context.note(NAME, || "max_concurrent is reached: REFUSED".into());
            let why = "too many queries are being forwarded";
            return Outcome::Reply(Reply::refused(ExtendedErrorCode::Other, why));
        };
        let _in_flight = InFlight::new(&metrics.in_flight);
        let (finished, is_own) =
            self.flights.join(RequestKey::of(query), || self.begin(query, context)).await;
        if !is_own {
            context.note(NAME, || "an equal query was under way and its answer is shared".into());
        }
        if context.is_explaining() {
            self.explain_loops(context);
        }
        for attempt in &finished.attempts {
            context.note(NAME, || attempt.to_string());
        }
        let mut outcome = finished.outcome();
        if let (false, Outcome::Reply(reply)) = (is_own, &mut outcome) {
            // They are those of the query that began it.
            reply.exchange = None;
            reply.repeat_case_of(&query.name);
        }
        outcome
    }

    /// Notes which upstreams are not asked because of `loop`.
    fn explain_loops(&self, context: &Context<'_>) {
        for upstream in self.core.roster.borrow().upstreams() {
            if let Some(remedy) = upstream.returning.remedy() {
                let shown = &upstream.shown;
                context.note(NAME, || {
                    format!("{shown} is not asked: it leads back to this server; {remedy}")
                });
            }
        }
    }

    /// Lets a query in, or not because of `max_concurrent`.
    fn admit(&self) -> Result<Option<SemaphorePermit<'_>>, tokio::sync::TryAcquireError> {
        self.concurrent.as_ref().map(Semaphore::try_acquire).transpose()
    }

    fn begin(
        &self,
        query: &Query,
        context: &Context<'_>,
    ) -> futures_util::future::BoxFuture<'static, Arc<Finished>> {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let letter_case = self.core.config.letter_case;
        let request = Request::of(query).map(|request| match context.reads_messages() {
            true => request.in_case(letter_case).keeping_messages(),
            false => request.in_case(letter_case),
        });
        exchange::run(Arc::clone(&self.core), request, query.protocol, turn).map(Arc::new).boxed()
    }
}

impl Plugin for Forward {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_any_class(&self) -> bool {
        true
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if !self.core.config.serves(&query.lower) {
            return Handling::NEXT;
        }
        if matches!(query.qtype, RecordType::AXFR | RecordType::IXFR) {
            // The reply may be many messages (RFC 5936 §2.2), of which this plugin would pass on the first.
            self.core.metrics.refused("transfer");
            let why = "zone transfers are not forwarded";
            context.note(NAME, || format!("{why}: REFUSED"));
            return Handling::reply(Reply::refused(ExtendedErrorCode::Prohibited, why));
        }
        Handling::Later(Box::pin(self.forward(query, context)))
    }
}

impl<'a> InFlight<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Makes the upstreams, and starts to look up those that are host names; that ends with the last receiver.
fn roster(
    config: &ForwardConfig,
    metrics: &ForwardMetrics,
    guard: Option<LoopGuard>,
) -> watch::Receiver<Arc<Roster>> {
    let loops = guard.and_then(|guard| LoopProber::new(guard, config, probe_protocol(config)));
    let maker = Arc::new(Maker::new(config, metrics, loops));
    let entry = |target: &Target| match &target.host {
        Host::Address(address) => Entry::fixed(maker.upstream(target, *address)),
        Host::Name { .. } => Entry::named(target.to_string()),
    };
    let roster = Roster::new(config.upstreams.iter().map(entry).collect());
    let (sender, receiver) = watch::channel(Arc::new(roster));
    let sender = Arc::new(sender);
    for (at, target) in config.upstreams.iter().enumerate() {
        let Host::Name { name, port } = &target.host else { continue };
        let lookup = NameLookup::new(name.clone(), *port, config);
        let counters = metrics.of_name(&target.to_string());
        let (target, maker) = (target.clone(), Arc::clone(&maker));
        let make = move |address| maker.upstream(&target, address);
        tokio::spawn(lookup.follow(Arc::clone(&sender), at, make, counters));
    }
    receiver
}

fn prober(config: &ForwardConfig) -> Option<Prober> {
    let request = Request::probe(&config.probe)?.in_case(config.letter_case);
    Some(Prober::new(request, probe_protocol(config), config.probe.interval))
}

/// Returns the transport of questions that no client has asked.
fn probe_protocol(config: &ForwardConfig) -> Protocol {
    match config.carrier {
        Carrier::Tcp => Protocol::Tcp,
        Carrier::AsClient | Carrier::Udp => Protocol::Udp,
    }
}
