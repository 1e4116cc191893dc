//! Drives a part while this process leads: lists and watches in, writes out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster_source::{ApiServer, WrittenChange, WrittenObject};
use cluster_writer::{Event, EventRecorder, Failure, Regarding, Severity, Term, Writer, Written};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::listing::{Known, Listing};
use super::metrics::Metrics;
use super::part::{Followed, Part};

/// Writes that are under way at most.
const MOST_WRITES: usize = 64;

/// Batches of changes that wait at most; then the watches wait.
const MOST_BATCHES: usize = 16;

/// How often metrics are brought up to date.
const MEASURE: Duration = Duration::from_secs(1);

/// The delay after a write that failed; it doubles up to the longest.
const DELAY: Duration = Duration::from_millis(100);

/// The longest delay after a write that failed.
const MOST_DELAY: Duration = Duration::from_secs(30);

/// What parts are driven with.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// Where objects are followed.
    pub(super) server: ApiServer,
    /// Writes while this process leads.
    pub(super) writer: Writer,
    /// Tells operators.
    pub(super) events: EventRecorder,
    /// What is measured.
    pub(super) metrics: Arc<Metrics>,
    /// What is not followed, by resource, with the reason.
    pub(super) unready: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
    /// How long this process leads.
    pub(super) term: watch::Receiver<Term>,
    /// Whether the process is to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// Waits until this process does not lead any more, or is to end.
pub(super) async fn over(mut term: watch::Receiver<Term>, mut stop: watch::Receiver<bool>) {
    loop {
        let until = *term.borrow_and_update();
        let Some(until) = until.filter(|until| *until > Instant::now()) else { return };
        tokio::select! {
            changed = term.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(until.into()) => {}
            // An error is the end of the process, too.
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Drives a part until this process does not lead any more or is to end, and every write that was begun is over.
pub(super) async fn drive<P: Part>(part: P, shared: &Shared) {
    let (changes, mut told) = mpsc::channel(MOST_BATCHES);
    let mut followers = JoinSet::new();
    for (kind, followed) in part.kinds().iter().enumerate() {
        let mut batches = shared.server.follow(followed.resource);
        let changes = changes.clone();
        followers.spawn(async move {
            while let Some(batch) = batches.recv().await {
                if changes.send((kind, batch)).await.is_err() {
                    return;
                }
            }
        });
        shared.lost(followed, "not listed yet");
    }
    let listings = part.kinds().iter().map(|_| Listing::default()).collect();
    let mut driver = Driver {
        part,
        shared,
        listings,
        is_synced: false,
        writes: JoinSet::new(),
        late: VecDeque::new(),
        failures: HashMap::new(),
    };
    let mut over = Box::pin(over(shared.term.clone(), shared.stop.clone()));
    let mut measure = tokio::time::interval(MEASURE);
    loop {
        driver.begin_writes();
        let next = driver.next();
        tokio::select! {
            biased;
            () = &mut over => break,
            Some(ended) = driver.writes.join_next() => driver.end_write(ended.ok()),
            Some((kind, batch)) = told.recv() => driver.take(kind, batch),
            () = until(next) => driver.wake(),
            _ = measure.tick() => driver.measure(),
        }
    }
    // What was begun is waited for: the Lease must not go to another before.
    while driver.writes.join_next().await.is_some() {}
    for followed in driver.part.kinds() {
        shared.live(followed);
    }
}

struct Driver<'a, P: Part> {
    part: P,
    shared: &'a Shared,
    listings: Vec<Listing>,
    is_synced: bool,
    writes: JoinSet<(P::Work, Written)>,
    /// What is decided again later, in the order of the times.
    late: VecDeque<(Instant, P::Work)>,
    /// Writes that failed in a row, by what they are about.
    failures: HashMap<String, u32>,
}

impl<P: Part> Driver<'_, P> {
    fn begin_writes(&mut self) {
        while self.is_synced && self.writes.len() < MOST_WRITES {
            let some = self.part.work(unix(), MOST_WRITES - self.writes.len());
            if some.is_empty() {
                return;
            }
            for work in some {
                let Some(write) = self.part.write(&work) else { continue };
                let writer = self.shared.writer.clone();
                self.writes.spawn(async move {
                    let written = writer.write(&write).await;
                    (work, written)
                });
            }
        }
    }

    fn end_write(&mut self, ended: Option<(P::Work, Written)>) {
        // None is a task that panicked, which is logged: what it was about waits for the next leader.
        let Some((work, written)) = ended else { return };
        self.part.learn(&work, &written);
        let subject = self.part.subject(&work);
        let Written::NotDone { failure, .. } = written else {
            self.failures.remove(&subject);
            return self.part.done(&work);
        };
        let failures = self.failures.entry(subject).or_default();
        *failures = failures.saturating_add(1);
        let delay = delay(&failure, *failures);
        if failure.is_final() || failures.is_power_of_two() {
            tracing::warn!(error = %failure, failures = *failures, "write failed");
        }
        if delay.is_zero() {
            return self.part.done(&work);
        }
        let at = Instant::now() + delay;
        let place = self.late.partition_point(|(other, _)| *other <= at);
        self.late.insert(place, (at, work));
    }

    fn next(&self) -> Option<Instant> {
        let late = self.late.front().map(|(at, _)| *at);
        let deadline = self.part.next_deadline().filter(|_| self.is_synced);
        let deadline = deadline.map(|at| {
            Instant::now() + Duration::from_secs(at.saturating_sub(unix()).clamp(1, 3_600))
        });
        late.into_iter().chain(deadline).min()
    }

    fn wake(&mut self) {
        while self.late.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            if let Some((_, work)) = self.late.pop_front() {
                self.part.done(&work);
            }
        }
    }

    fn measure(&self) {
        self.part.measure();
        for (followed, listing) in self.part.kinds().iter().zip(&self.listings) {
            self.shared.metrics.bad(followed.resource.plural, listing.bad());
        }
    }

    fn take(&mut self, kind: usize, batch: Vec<WrittenChange>) {
        let followed = &self.part.kinds()[kind];
        for change in batch {
            match change {
                WrittenChange::ListStart => self.listings[kind].start(),
                WrittenChange::ListEnd => {
                    for gone in self.listings[kind].end() {
                        self.part.gone(kind, &gone);
                    }
                    self.shared.live(followed);
                    if !self.is_synced && self.listings.iter().all(Listing::is_listed) {
                        self.is_synced = true;
                        self.part.synced();
                        self.measure();
                    }
                }
                WrittenChange::There(json) => match WrittenObject::sent(json) {
                    Ok(object) => self.there(kind, &object),
                    Err(problem) => tracing::warn!(problem, "object not usable"),
                },
                WrittenChange::Gone(json) => {
                    if let Ok(object) = WrittenObject::sent(json) {
                        let gone = self.listings[kind].gone(&object);
                        self.part.gone(kind, &gone);
                    }
                }
                WrittenChange::Live => {
                    if self.listings[kind].is_listed() {
                        self.shared.live(followed);
                    }
                }
                WrittenChange::Lost(reason) => self.shared.lost(followed, &reason),
            }
        }
    }

    fn there(&mut self, kind: usize, object: &WrittenObject) {
        let (known, before) = self.listings[kind].there(object);
        if let Some(before) = before {
            self.part.gone(kind, &before);
        }
        let problem = self.part.there(kind, object).err();
        let is_new = self.listings[kind].judge(&known, problem.as_ref());
        if let Some(problem) = problem.filter(|_| is_new) {
            self.shared.report_bad(&self.part.kinds()[kind], &known, problem);
        }
    }
}

impl Shared {
    /// Notes that a kind is not followed.
    fn lost(&self, followed: &Followed, reason: &str) {
        let plural = followed.resource.plural;
        let is_new = self.unready.send_if_modified(|unready| {
            unready.insert(plural, reason.to_owned()).as_deref() != Some(reason)
        });
        if is_new && reason != "not listed yet" {
            tracing::warn!(resource = plural, reason, "API server not followed");
        }
    }

    fn live(&self, followed: &Followed) {
        self.unready.send_if_modified(|unready| unready.remove(followed.resource.plural).is_some());
    }

    fn report_bad(&self, followed: &Followed, known: &Known, problem: String) {
        tracing::warn!(kind = followed.kind, name = known.name, problem, "object not usable");
        self.events.record(Event {
            regarding: Regarding {
                api_version: followed.resource.api_version,
                kind: followed.kind,
                namespace: known.namespace.clone(),
                name: known.name.clone(),
                uid: known.uid.clone(),
            },
            severity: Severity::Warning,
            reason: "InvalidObject",
            action: "Read",
            note: problem,
        });
    }
}

/// Returns how long after so many failures in a row it is decided again: of a conflict at once, since it has been looked at.
fn delay(failure: &Failure, failures: u32) -> Duration {
    let doubled = DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let delay = doubled.min(MOST_DELAY);
    match failure {
        Failure::Refused { code: 409, .. } if failures < 5 => Duration::ZERO,
        Failure::Refused { retry_after, .. } => delay.max((*retry_after).min(MOST_DELAY)),
        Failure::NoAnswer(_) | Failure::NotLeading => delay,
    }
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_conflicts_have_none_at_first() {
        let refused = |code, seconds| Failure::Refused {
            code,
            message: String::new(),
            retry_after: Duration::from_secs(seconds),
        };
        for (failure, failures, millis) in [
            (refused(500, 0), 1, 100),
            (refused(500, 0), 3, 400),
            (refused(500, 0), u32::MAX, 30_000),
            (refused(429, 7), 1, 7_000),
            (refused(429, 700), 1, 30_000),
            (refused(409, 0), 4, 0),
            (refused(409, 0), 5, 1_600),
            (Failure::NoAnswer(String::new()), 2, 200),
        ] {
            let expected = Duration::from_millis(millis);
            assert_eq!(delay(&failure, failures), expected, "{failure} {failures}");
        }
    }
}
