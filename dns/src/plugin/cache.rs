//! `cache`: keeps answers, and gives them again for as long as their TTL allows.
//!
//! ```text
//! query ─▶ Table: fresh? ─▶ answer, TTL counted down ──▶ popular and near its end: fetched again behind it
//!            │     stale? ─▶ serve_stale: the answer, or first the source
//!            ▼ none
//!          later plugins ─▶ reply ─▶ Worth ─▶ Table
//! ```
//!
//! Successes and denials have a table each. A SERVFAIL is kept beside the denials and never hides a success.
//! Answers are told apart by name, type, class and the DO and CD bits.

mod config;
mod entry;
mod metrics;
mod store;
mod stores;
mod worth;

#[cfg(test)]
mod stale_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::LowerName;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use config::{CacheConfig, Keep, Prefetch, ServeStale};
pub(crate) use metrics::CacheFamilies;
pub use stores::Stores;

use self::entry::{Entry, set_ttls};
use self::metrics::CacheMetrics;
use self::store::Table;
use self::worth::{Kind, Worth, ttl_if_not_kept};
use super::{Handling, Outcome, Plugin, Setup, SetupError, Site};
use crate::engine::{Context, ListenerId};
use crate::{ExtendedError, ExtendedErrorCode, Lasting, Protocol, Query, Repetition, Reply};

const NAME: &str = "cache";

/// The plugin whose answers are not kept: they are in memory, up to date, and have their whole TTL.
const HOLDS: &str = "kubernetes";

/// How many answers are fetched again at a time, of one cache. More wait for the next question.
const MAX_REFRESHES: usize = 256;

/// The cache of a server block.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: CacheConfig,
    store: Arc<Store>,
    metrics: CacheMetrics,
    refreshes: Arc<Semaphore>,
}

/// The answers of a cache. They outlive a reload that leaves its server block as it is.
#[derive(Debug)]
pub struct Store {
    success: Table,
    denial: Table,
}

/// An answer that was found.
struct Found {
    entry: Arc<Entry>,
    /// The TTL that is left; none when it has expired.
    left: Option<u32>,
}

impl Store {
    /// Returns an empty store.
    pub fn new(config: &CacheConfig) -> Self {
        Self {
            success: Table::new(config.success.capacity),
            denial: Table::new(config.denial.capacity),
        }
    }

    fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Success => &self.success,
            Kind::Denial | Kind::Failure => &self.denial,
        }
    }
}

impl Cache {
    /// Returns the plugin of a block that uses this store.
    pub fn new(config: CacheConfig, store: Arc<Store>, site: &Site<'_>) -> Self {
        let metrics = CacheMetrics::new(&site.metrics.cache, site, &config.zones);
        let refreshes = Arc::new(Semaphore::new(MAX_REFRESHES));
        Self(Arc::new(Inner { config, store, metrics, refreshes }))
    }

    fn answer<'a>(
        &'a self,
        found: Found,
        query: &'a Query,
        context: &'a Context<'a>,
        now: Instant,
    ) -> Handling<'a> {
        let Found { entry, left } = found;
        let Some(left) = left else { return self.answer_stale(entry, query, context, now) };
        if !context.is_explanation()
            && let Some(prefetch) = &self.0.config.prefetch
            && entry.is_due(prefetch, now)
        {
            self.refresh(Arc::clone(&entry), query, context, Duration::ZERO, now);
        }
        let ttl = if self.0.config.keep_ttl { entry.ttl() } else { left };
        context
            .note(NAME, || format!("hit: kept for {} s, {left} s of them are left", entry.ttl()));
        let mut reply = self.reply(&entry, query, ttl);
        // What the cluster may come to hold has to be looked up there every time, as `leaves` does.
        let is_alone = || context.is_learning() && !context.may_be_held(query);
        if self.0.config.prefetch.is_none() && is_alone() {
            let end = entry.end().into_std();
            let lasting = if self.0.config.keep_ttl {
                Lasting::Until(end)
            } else {
                Lasting::CountingDown(end)
            };
            reply.lasting = Some(Box::new(lasting));
        }
        Handling::reply(reply)
    }

    fn answer_stale<'a>(
        &'a self,
        entry: Arc<Entry>,
        query: &'a Query,
        context: &'a Context<'a>,
        now: Instant,
    ) -> Handling<'a> {
        let Some(stale) = self.0.config.stale else { return Handling::NEXT };
        // An explanation tells the kept answer: the source's would be kept.
        if stale.verify && !context.is_explanation() {
            return Handling::Later(Box::pin(self.verify(entry, stale, query, context, now)));
        }
        if !context.is_explanation() {
            self.refresh(Arc::clone(&entry), query, context, stale.recheck, now);
        }
        Handling::reply(self.stale_reply(&entry, stale, query, context, now))
    }

    /// Asks the source first, and gives the expired answer if it does not know better in time.
    async fn verify(
        &self,
        entry: Arc<Entry>,
        stale: ServeStale,
        query: &Query,
        context: &Context<'_>,
        now: Instant,
    ) -> Outcome {
        if let Some(answered) = self.refresh(Arc::clone(&entry), query, context, stale.recheck, now)
        {
            let limit = stale.timeout.unwrap_or(Duration::MAX);
            if let Ok(Ok(Some(reply))) = tokio::time::timeout(limit, answered).await {
                context.note(NAME, || "the kept answer has expired; the source has a newer".into());
                return Outcome::Reply(reply);
            }
        }
        Outcome::Reply(self.stale_reply(&entry, stale, query, context, now))
    }

    fn stale_reply(
        &self,
        entry: &Entry,
        stale: ServeStale,
        query: &Query,
        context: &Context<'_>,
        now: Instant,
    ) -> Reply {
        if !context.is_explanation() {
            self.0.metrics.served_stale.inc();
        }
        context.note(NAME, || {
            let ago = entry.expired_for(now).as_secs();
            format!(
                "hit, stale: it expired {ago} s ago and serve_stale gives it with TTL {}",
                stale.ttl
            )
        });
        let mut reply = self.reply(entry, query, stale.ttl);
        let code = match reply.rcode {
            ResponseCode::NXDomain => ExtendedErrorCode::StaleNxDomain,
            _ => ExtendedErrorCode::StaleAnswer,
        };
        let text = "expired; the source has no newer one yet".into();
        reply.extended_error = Some(ExtendedError { code, text });
        reply
    }

    /// Returns a kept answer as it is given.
    fn reply(&self, entry: &Entry, query: &Query, ttl: u32) -> Reply {
        let mut reply = entry.reply(ttl);
        // Some stub resolvers refuse answers without AA; CoreDNS sets it for the same reason.
        reply.authoritative = true;
        hide_authentic_data(&mut reply, query);
        reply.repeat_case_of(&query.name);
        reply.plugin = NAME;
        reply
    }

    /// Asks the source again in the background, unless somebody does already. The receiver gets the answer if
    /// it is better than the kept one: NOERROR or NXDOMAIN (RFC 8767 §4). A failure is not kept in the place of an
    /// answer that may still be given (RFC 8767 §5).
    fn refresh(
        &self,
        entry: Arc<Entry>,
        query: &Query,
        context: &Context<'_>,
        recheck: Duration,
        now: Instant,
    ) -> Option<tokio::sync::oneshot::Receiver<Option<Reply>>> {
        let permit = Arc::clone(&self.0.refreshes).try_acquire_owned().ok()?;
        if !entry.begin_refresh(recheck, now) {
            return None;
        }
        self.0.metrics.prefetches.inc();
        // Over TCP, so that the answer is not cut for a client that asked over UDP.
        let query = Query { protocol: Protocol::Tcp, ..query.clone() };
        let (rest, cache) = (context.detached_rest(query.clone()), self.clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let reply = rest.await.map(|mut reply| {
                if !reply.is_failure() || !cache.may_give(&entry, Instant::now()) {
                    // What may not be kept is given once.
                    let _ = cache.keep(&query, &mut reply, Some(&entry));
                }
                reply
            });
            drop(permit);
            entry.end_refresh();
            // The client may have its answer already.
            let _ = sender.send(reply.filter(|reply| !reply.is_failure()));
        });
        Some(receiver)
    }

    /// Finds a usable answer: fresh, or expired if the configuration allows that.
    fn find(&self, query: &Query, now: Instant) -> Option<Found> {
        let Inner { config, store, .. } = &*self.0;
        let stale = config.stale;
        let usable = |entry: Arc<Entry>| {
            let left = entry.left(now);
            self.may_give(&entry, now).then_some(Found { entry, left })
        };
        let success = store.success.get(query).and_then(usable);
        let denial = store.denial.get(query).and_then(usable);
        let (Some(success), Some(denial)) = (&success, &denial) else {
            return success.or(denial
                .filter(|denial| denial.left.is_some() || denial.entry.kind() != Kind::Failure));
        };
        let is_positive = denial.entry.kind() == Kind::Failure
            || (denial.left.is_none()
                && (success.left.is_some() || stale.is_some_and(|stale| stale.prefer_positive)));
        let Found { entry, left } = if is_positive { success } else { denial };
        Some(Found { entry: Arc::clone(entry), left: *left })
    }

    /// Says whether an answer is fresh, or expired no longer than the configuration allows.
    fn may_give(&self, entry: &Entry, now: Instant) -> bool {
        let stale = self.0.config.stale;
        let may_be_stale = || stale.is_some_and(|stale| entry.expired_for(now) < stale.duration);
        entry.left(now).is_some() || may_be_stale()
    }

    /// Gives a reply the TTL with which it is given, and says whether it may be kept.
    ///
    /// # Errors
    /// It may not be; the text says why.
    fn judge(&self, query: &Query, reply: &mut Reply) -> Result<Worth, &'static str> {
        let Inner { config, metrics, .. } = &*self.0;
        let Some(worth) = Worth::of(query, reply, config) else {
            if let Some(ttl) = ttl_if_not_kept(query, reply, config) {
                set_ttls(reply, ttl);
            }
            return Err("it is no answer that may be kept");
        };
        set_ttls(reply, worth.ttl);
        if !answers_the_question(query, reply) {
            metrics.drops.inc();
            return Err("its records are about another name");
        }
        let keep = if worth.kind == Kind::Success { &config.success } else { &config.denial };
        if keep.disabled.iter().any(|zone| zone.zone_of(&query.lower)) {
            return Err("`disable` names its zone");
        }
        Ok(worth)
    }

    /// Keeps a reply if it may be kept, and gives it the TTL with which it is.
    ///
    /// # Errors
    /// It may not be; the text says why.
    fn keep(
        &self,
        query: &Query,
        reply: &mut Reply,
        older: Option<&Entry>,
    ) -> Result<Worth, &'static str> {
        let Inner { config, store, metrics, .. } = &*self.0;
        let worth = self.judge(query, reply)?;
        let entry = Entry::new(
            Reply { error: None, upstream: None, lasting: None, plugin: "", ..reply.clone() },
            worth,
            Instant::now(),
        );
        if let Some(older) = older {
            entry.inherit(older);
        }
        let evicted = store.table(worth.kind).insert(query, Arc::new(entry));
        let keeps_success = config.stale.is_some_and(|stale| stale.prefer_positive);
        match worth.kind {
            Kind::Success => store.denial.remove(query),
            Kind::Denial if !keeps_success => store.success.remove(query),
            Kind::Denial | Kind::Failure => {}
        }
        metrics.stored(worth.kind, evicted, store);
        Ok(worth)
    }

    fn serves(&self, name: &LowerName) -> bool {
        self.0.config.zones.iter().any(|zone| zone.zone_of(name))
    }

    /// Says whether nothing about a name is kept, by `disable`.
    fn is_disabled(&self, name: &LowerName) -> bool {
        let kinds = [&self.0.config.success, &self.0.config.denial];
        kinds.iter().all(|kind| kind.disabled.iter().any(|zone| zone.zone_of(name)))
    }

    /// Says whether the query is none for a cache, because another plugin has the answer in memory.
    fn leaves(&self, query: &Query, context: &Context<'_>) -> bool {
        let is_held = || context.held(query).is_some_and(|ttl| self.leaves_as_it_is(ttl));
        !self.is_disabled(&query.lower) && is_held()
    }

    /// Says whether an answer has the TTL from here that it comes with.
    fn leaves_as_it_is(&self, ttl: u32) -> bool {
        let CacheConfig { success, denial, .. } = &self.0.config;
        ttl > 0 && [success, denial].iter().all(|keep| (keep.min_ttl..=keep.max_ttl).contains(&ttl))
    }
}

/// Says whether the records are about the question's name at all.
fn answers_the_question(query: &Query, reply: &Reply) -> bool {
    let mut owners = reply.answers.iter().map(|record| LowerName::new(&record.name));
    reply.answers.is_empty() || owners.any(|owner| owner == query.lower)
}

/// Takes the AD bit away from a client that does not know it (RFC 6840 §5.8).
fn hide_authentic_data(reply: &mut Reply, query: &Query) {
    reply.authentic_data &= query.dnssec_ok() || query.authentic_data;
}

impl Plugin for Cache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if !self.serves(&query.lower) || self.leaves(query, context) {
            return Handling::NEXT;
        }
        let counts = !context.is_explanation();
        if counts {
            self.0.metrics.requests.inc();
        }
        let now = Instant::now();
        let Some(found) = self.find(query, now) else {
            if counts {
                self.0.metrics.misses.inc();
            }
            context.note(NAME, || "miss".to_owned());
            return Handling::NEXT;
        };
        if counts {
            self.0.metrics.hit(found.entry.kind());
        }
        self.answer(found, query, context, now)
    }

    fn treats_alike(&self, zone: &LowerName) -> bool {
        let CacheConfig { zones, success, denial, .. } = &self.0.config;
        let mut named = zones.iter().chain(&success.disabled).chain(&denial.disabled);
        !named.any(|name| name != zone && zone.zone_of(name))
    }

    fn repetition(&self, _: ListenerId, query: &Query, reply: &Reply) -> Repetition {
        let Inner { config, metrics, .. } = &*self.0;
        let is_held = reply.plugin == HOLDS && !self.is_disabled(&query.lower);
        let is_held = is_held && reply.common_ttl().is_some_and(|ttl| self.leaves_as_it_is(ttl));
        if !self.serves(&query.lower) || is_held {
            return Repetition::Nothing;
        }
        if reply.plugin == NAME {
            return match Worth::of(query, reply, config) {
                Some(worth) => Repetition::Count(metrics.repeated_hit(worth.kind)),
                None => Repetition::Never,
            };
        }
        let keep = match Worth::of(query, reply, config) {
            Some(worth) if worth.kind == Kind::Success => &config.success,
            Some(_) => &config.denial,
            None => return Repetition::Never,
        };
        if keep.disabled.iter().any(|zone| zone.zone_of(&query.lower)) {
            Repetition::Count(Arc::clone(&metrics.repeated_miss))
        } else {
            Repetition::Never
        }
    }

    fn reply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        if !self.serves(&query.lower) {
            return;
        }
        if reply.plugin == HOLDS && self.leaves(query, context) {
            context.note(NAME, || "does not keep the reply: it is in memory".into());
            return;
        }
        let is_explanation = context.is_explanation();
        let kept = match is_explanation {
            true => self.judge(query, reply),
            false => self.keep(query, reply, None),
        };
        hide_authentic_data(reply, query);
        context.note(NAME, || match kept {
            Ok(worth) if is_explanation => {
                format!("would keep the reply of a client for {} s", worth.ttl)
            }
            Ok(worth) => format!("keeps the reply for {} s", worth.ttl),
            Err(why) => format!("does not keep the reply: {why}"),
        });
    }
}

impl Setup for CacheConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let store = site.stores.of(site, self);
        Ok(Box::new(Cache::new(self.clone(), store, site)))
    }
}
