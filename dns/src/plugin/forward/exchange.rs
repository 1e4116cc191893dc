//! The way of one question through the upstreams, until one answers or the time is over.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::bailiwick::{self, Dropped};
use super::config::{Carrier, ForwardConfig};
use super::metrics::ForwardMetrics;
use super::policy::{Choice, Route, Standing};
use super::report::{Attempt, Failure};
use super::request::Request;
use super::roster::Roster;
use super::verdict::{Verdict, judge};
use crate::edge::upstream::{Exchanged, Prober, Upstream};
use crate::plugin::Outcome;
use crate::reply::{Exchange, Transport};
use crate::{Protocol, Reply};

/// The time that a query has, all attempts together. Clients wait as long (resolv.conf(5), `timeout`).
pub(super) const BUDGET: Duration = Duration::from_secs(5);

/// Everything that the exchanges of one `forward` share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: ForwardConfig,
    pub(super) roster: watch::Receiver<Arc<Roster>>,
    /// How a failing upstream is probed; none when the probe cannot be encoded.
    pub(super) prober: Option<Prober>,
    pub(super) metrics: ForwardMetrics,
    /// One permit for every exchange, which has one socket at a time.
    pub(super) sockets: Semaphore,
    /// One permit for every exchange that asks although all upstreams are unhealthy.
    pub(super) trials: Semaphore,
}

/// A finished exchange. Equal queries share it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) end: End,
    pub(super) attempts: Vec<Attempt>,
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum End {
    Reply(Reply),
    NextPlugin,
    Failed(Failure),
}

impl Finished {
    /// Returns what the query gets.
    pub(super) fn outcome(&self) -> Outcome {
        match &self.end {
            End::Reply(reply) => Outcome::Reply(reply.clone()),
            End::NextPlugin => Outcome::Next,
            End::Failed(failure) => Outcome::Reply(failure.reply(&self.attempts)),
        }
    }

    fn failed(failure: Failure) -> Self {
        Self { end: End::Failed(failure), attempts: Vec::new() }
    }
}

/// Asks upstreams until one answers. `turn` counts the exchanges of this `forward`.
pub(super) async fn run(
    core: Arc<Core>,
    request: Option<Request>,
    client: Protocol,
    turn: u64,
) -> Finished {
    let Some(request) = request else { return Finished::failed(Failure::NotEncodable) };
    let Ok(_permit) = core.sockets.try_acquire() else {
        core.metrics.refused("sockets");
        return Finished::failed(Failure::NoSocket);
    };
    let deadline = Instant::now() + BUDGET;
    let roster = core.roster(deadline).await;
    if roster.upstreams().is_empty() {
        core.metrics.refused("unresolved");
        return Finished::failed(Failure::Unresolved(roster.why_empty()));
    }
    Course::new(&core, &roster, request, client, (deadline, turn)).run().await
}

impl Core {
    /// Returns the upstreams; while the only names are being looked up for the first time, it waits.
    async fn roster(&self, deadline: Instant) -> Arc<Roster> {
        let mut roster = self.roster.clone();
        let ready = roster.wait_for(|roster| !roster.is_pending());
        if let Ok(Ok(ready)) = timeout_at(deadline, ready).await {
            return Arc::clone(&ready);
        }
        Arc::clone(&self.roster.borrow())
    }
}

/// One exchange on its way.
struct Course<'a> {
    core: &'a Core,
    upstreams: &'a [Arc<Upstream>],
    request: Request,
    protocol: Protocol,
    deadline: Instant,
    random: u64,
    route: Route,
    attempts: Vec<Attempt>,
    /// A reply that `failover` set aside: better than none.
    spare: Option<Reply>,
    failure: Failure,
    /// The permit to ask although all upstreams are unhealthy, once it is needed.
    trial: Option<SemaphorePermit<'a>>,
}

impl<'a> Course<'a> {
    fn new(
        core: &'a Core,
        roster: &'a Roster,
        request: Request,
        client: Protocol,
        (deadline, turn): (Instant, u64),
    ) -> Self {
        let upstreams = roster.upstreams();
        let protocol = match core.config.carrier {
            Carrier::AsClient => client,
            Carrier::Tcp => Protocol::Tcp,
            Carrier::Udp => Protocol::Udp,
        };
        let random = rand::random();
        Self {
            core,
            upstreams,
            request,
            protocol,
            deadline,
            random,
            route: Route::new(core.config.policy, upstreams.len(), random, turn),
            attempts: Vec::new(),
            spare: None,
            failure: Failure::NoReply,
            trial: None,
        }
    }

    async fn run(mut self) -> Finished {
        while let Some((upstream, was_healthy)) = self.choose() {
            let Some(reply) = self.ask(upstream, was_healthy).await else { continue };
            let upstreams = self.upstreams;
            let is_healthy = |at: usize| standing(upstreams, at) == Standing::Healthy;
            let is_other_left = self.may_try() && self.route.skip_asked(is_healthy);
            match judge(&self.core.config, &reply, is_other_left) {
                Verdict::Use => return self.finish(End::Reply(reply)),
                Verdict::NextPlugin => return self.finish(End::NextPlugin),
                Verdict::NextUpstream => self.spare = Some(reply),
            }
        }
        let end = match self.spare.take() {
            None => End::Failed(self.failure.clone()),
            Some(reply) => match judge(&self.core.config, &reply, false) {
                Verdict::NextPlugin => End::NextPlugin,
                Verdict::Use | Verdict::NextUpstream => End::Reply(reply),
            },
        };
        self.finish(end)
    }

    /// Chooses the upstream to ask and says whether it is healthy; none when it is over.
    fn choose(&mut self) -> Option<(&'a Arc<Upstream>, bool)> {
        if !self.may_try() {
            return None;
        }
        let upstreams = self.upstreams;
        let Some(choice) = self.route.next(|at| standing(upstreams, at), self.random) else {
            self.core.metrics.refused("looping");
            let shown: Vec<&str> = upstreams.iter().map(|upstream| &*upstream.shown).collect();
            self.failure = Failure::Looping(shown.join(", "));
            return None;
        };
        match choice {
            Choice::Healthy(at) => Some((upstreams.get(at)?, true)),
            Choice::Unhealthy(_) if self.core.config.failfast => {
                self.core.metrics.refused("unhealthy");
                self.failure = Failure::AllUnhealthy;
                None
            }
            Choice::Unhealthy(at) => {
                if self.trial.is_none() {
                    self.trial = Some(self.begin_trial()?);
                }
                Some((upstreams.get(at)?, false))
            }
        }
    }

    /// Lets a few queries at a time ask although all upstreams are unhealthy: as long as few come that is all of
    /// them, as in CoreDNS, but a crowd does not wait for dead servers.
    fn begin_trial(&mut self) -> Option<SemaphorePermit<'a>> {
        let metrics = &self.core.metrics;
        if let Ok(trial) = self.core.trials.try_acquire() {
            metrics.healthcheck_broken.inc();
            return Some(trial);
        }
        metrics.refused("trials");
        self.failure = Failure::NoTrial;
        None
    }

    /// Says whether the time and the number of attempts allow another one.
    fn may_try(&self) -> bool {
        let max = self.core.config.max_attempts;
        let is_attempt_left = match max {
            Some(max) => (self.attempts.len() as u64) < u64::from(max.get()),
            None => self.attempts.len() < 2 * self.upstreams.len(),
        };
        is_attempt_left && Instant::now() < self.deadline
    }

    async fn ask(&mut self, upstream: &Arc<Upstream>, was_healthy: bool) -> Option<Reply> {
        let core = self.core;
        core.metrics.asked(&upstream.label);
        let since = Instant::now();
        let timeout = core.config.read_timeout;
        let exchanged =
            upstream.exchange(&self.request, self.protocol, timeout, self.deadline).await;
        let elapsed = since.elapsed();
        let mut dropped = Dropped::default();
        let (carriage, result, reply) = match exchanged {
            Ok(exchanged) => {
                upstream.health.succeeded();
                let Exchanged { mut reply, carriage } = exchanged;
                dropped = bailiwick::confine(&self.request.question, &mut reply);
                core.metrics.dropped(dropped);
                core.metrics.answered(&upstream.label, reply.rcode, elapsed);
                reply.upstream = Some(Arc::clone(&upstream.place));
                (carriage, Ok(reply.rcode), Some(reply))
            }
            Err(error) => {
                upstream.returning.suspect();
                if let Some(prober) = &core.prober {
                    prober.probe(upstream);
                }
                (upstream.carriage(self.protocol), Err(error), None)
            }
        };
        let exchange = reply.is_some().then(|| self.told(upstream, carriage.into(), elapsed));
        let reply = reply.map(|reply| Reply { exchange, ..reply });
        let upstream = Arc::clone(&upstream.shown);
        self.attempts.push(Attempt { upstream, carriage, was_healthy, elapsed, result, dropped });
        reply
    }

    /// Returns what `dnstap` tells of a reply that is just there.
    fn told(&self, upstream: &Upstream, transport: Transport, elapsed: Duration) -> Arc<Exchange> {
        let answered = SystemTime::now();
        Arc::new(Exchange {
            upstream: upstream.address,
            transport,
            asked: answered.checked_sub(elapsed).unwrap_or(answered),
            answered,
            messages: self.request.take_kept(),
        })
    }

    fn finish(self, end: End) -> Finished {
        Finished { end, attempts: self.attempts }
    }
}

fn standing(upstreams: &[Arc<Upstream>], at: usize) -> Standing {
    match upstreams.get(at) {
        Some(upstream) if upstream.returning.is_so() => Standing::Looping,
        Some(upstream) if upstream.health.is_healthy() => Standing::Healthy,
        // A route has the numbers of upstreams only.
        Some(_) | None => Standing::Unhealthy,
    }
}
