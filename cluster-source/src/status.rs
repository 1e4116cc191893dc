//! How far a source's snapshots can be trusted, in numbers that an exporter reads.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use cluster::{Kind, KindSet};
use tokio::time::Instant;

/// How far a source's snapshots can be trusted. Readers and the source's tasks share it; every number is
/// read without a lock and only grows, unless it says otherwise.
#[derive(Debug)]
pub struct Status {
    kinds: KindSet,
    follows: Follows,
    by_kind: [KindStatus; Kind::ALL.len()],
    skipped: AtomicU64,
    bad_documents: AtomicU64,
    broken_files: AtomicU64,
    clock: Clock,
}

/// What a source follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Follows {
    /// Files, whose changes the kernel tells: silence means that there are none.
    Files,
    /// A server, whose silence may mean that it is gone.
    Server,
}

/// What is known of one kind.
#[derive(Debug, Default)]
pub struct KindStatus {
    synced: AtomicBool,
    live: AtomicBool,
    absent: AtomicBool,
    last_contact_ms: AtomicU64,
    lists: AtomicU64,
    restarts: AtomicU64,
    events: AtomicU64,
    bad_objects: AtomicU64,
    trouble: ArcSwapOption<String>,
}

/// Counts milliseconds since the source started, unmoved by changes of the wall clock.
#[derive(Debug)]
struct Clock {
    start: Instant,
    start_wall: SystemTime,
}

impl Clock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Status {
    pub(crate) fn new(kinds: KindSet, follows: Follows) -> Self {
        Self {
            kinds,
            follows,
            by_kind: Default::default(),
            skipped: AtomicU64::new(0),
            bad_documents: AtomicU64::new(0),
            broken_files: AtomicU64::new(0),
            clock: Clock { start: Instant::now(), start_wall: SystemTime::now() },
        }
    }

    /// Returns the kinds that the source was asked for.
    pub fn kinds(&self) -> KindSet {
        self.kinds
    }

    /// Returns what is known of a kind.
    pub fn kind(&self, kind: Kind) -> &KindStatus {
        &self.by_kind[kind as usize]
    }

    /// Says whether every kind has been listed completely at least once, except for optional kinds that
    /// the cluster does not have or does not show: what does not need them shall not wait for them.
    pub fn is_synced(&self) -> bool {
        self.kinds.iter().all(|kind| self.kind(kind).is_synced() || self.kind(kind).is_absent())
    }

    /// Returns how long ago the whole view was last known to be current: the age of its oldest kind.
    pub fn age(&self) -> Duration {
        self.kinds.iter().map(|kind| self.age_of(kind)).max().unwrap_or_default()
    }

    /// Returns how long ago the view of one kind was last known to be current.
    ///
    /// Manifests are current while they are loaded and readable: zero. An API server gives a sign of life
    /// with every event, bookmark and response, and the age counts from the last one: a server that dies
    /// without a word is as old as its silence. Where nothing changes it rises to the time after which a
    /// silent watch is opened again ([`Timing::watch_idle`](crate::Timing::watch_idle)), and falls to zero
    /// with the response. Before the first sync it counts from the start.
    pub fn age_of(&self, kind: Kind) -> Duration {
        let status = self.kind(kind);
        if status.is_live() && self.follows == Follows::Files {
            return Duration::ZERO;
        }
        let contact = status.last_contact_ms.load(Ordering::Relaxed);
        let since = if status.is_synced() || status.is_absent() { contact } else { 0 };
        Duration::from_millis(self.clock.now_ms().saturating_sub(since))
    }

    /// Returns the time of the last word from the server about a kind, or of the last load of manifests;
    /// none before the first.
    pub fn last_contact(&self, kind: Kind) -> Option<SystemTime> {
        let contact = self.kind(kind).last_contact_ms.load(Ordering::Relaxed);
        (contact > 0).then(|| self.clock.start_wall + Duration::from_millis(contact))
    }

    /// Returns what is missing for the view to be complete and current, by name and with the reason where
    /// it is known: `Service: not listed yet`, `Pod: HTTP 403 …`. Empty when nothing is.
    pub fn missing(&self) -> Vec<String> {
        let line = |kind: Kind| {
            let status = self.kind(kind);
            let trouble = status.trouble.load();
            match (status.is_synced(), trouble.as_deref()) {
                (true, None) => None,
                (false, None) => Some(format!("{kind}: not listed yet")),
                (_, Some(trouble)) => Some(format!("{kind}: {trouble}")),
            }
        };
        self.kinds.iter().filter_map(line).collect()
    }

    /// Returns the number of documents in the manifests whose kind the model does not know. A gauge: it
    /// describes the last load.
    pub fn skipped_documents(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Returns the number of documents and objects in the manifests that could not be used. A gauge: it
    /// describes the last load.
    pub fn bad_documents(&self) -> u64 {
        self.bad_documents.load(Ordering::Relaxed)
    }

    /// Returns the number of manifest files and directories that cannot be read or parsed now, of which the last good
    /// objects are kept. A gauge.
    pub fn broken_files(&self) -> u64 {
        self.broken_files.load(Ordering::Relaxed)
    }

    pub(crate) fn set_documents(&self, skipped: u64, bad: u64, broken_files: u64) {
        self.skipped.store(skipped, Ordering::Relaxed);
        self.bad_documents.store(bad, Ordering::Relaxed);
        self.broken_files.store(broken_files, Ordering::Relaxed);
    }

    /// Notes a word from the server. It does not make the view current by itself.
    pub(crate) fn heard(&self, kind: Kind) {
        // At least one, because zero says that nothing was ever heard.
        self.kind(kind).last_contact_ms.store(self.clock.now_ms().max(1), Ordering::Relaxed);
    }

    /// Notes that the view of a kind follows the server from now on.
    pub(crate) fn live(&self, kind: Kind) {
        self.heard(kind);
        self.kind(kind).trouble.store(None);
        self.kind(kind).absent.store(false, Ordering::Relaxed);
        self.kind(kind).live.store(true, Ordering::Relaxed);
    }

    /// Notes that the server answers that it does not have an optional kind, or does not show it.
    pub(crate) fn absent(&self, kind: Kind) {
        self.heard(kind);
        self.kind(kind).absent.store(true, Ordering::Relaxed);
    }

    /// Notes that the view of a kind has stopped following the server; says whether this reason is new.
    pub(crate) fn lost(&self, kind: Kind, reason: &dyn fmt::Display) -> bool {
        let status = self.kind(kind);
        // The age counts from the last contact: what happened since then is not known.
        status.live.store(false, Ordering::Relaxed);
        let reason = reason.to_string();
        let old = status.trouble.swap(Some(std::sync::Arc::new(reason.clone())));
        old.is_none_or(|old| *old != reason)
    }
}

impl KindStatus {
    /// Says whether the kind has been listed completely at least once.
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Says whether the view of the kind follows its origin now.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Says whether the kind is an optional one that the cluster does not have, or does not show.
    pub fn is_absent(&self) -> bool {
        self.absent.load(Ordering::Relaxed)
    }

    /// Returns the number of complete lists, streamed or paged; for manifests, of loads.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// Returns how often a watch had to be opened again.
    pub fn watch_restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Returns the number of events handed to the model.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Returns the number of objects that could not be used.
    pub fn bad_objects(&self) -> u64 {
        self.bad_objects.load(Ordering::Relaxed)
    }

    /// Notes that the model has the whole list: set only after readers can see it.
    pub(crate) fn set_synced(&self) {
        self.synced.store(true, Ordering::Release);
    }

    pub(crate) fn count_list(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_bad_objects(&self, count: u64) {
        self.bad_objects.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn synced(follows: Follows) -> Status {
        let status = Status::new(KindSet::of(&[Kind::Service, Kind::Pod]), follows);
        status.kinds.iter().for_each(|kind| {
            status.live(kind);
            status.kind(kind).set_synced();
        });
        status
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_as_old_as_its_silence() {
        let status = synced(Follows::Server);
        for heard in [Kind::Service, Kind::Pod] {
            tokio::time::advance(20 * SECOND).await;
            status.heard(heard);
        }
        // The watches are open as far as anybody knows, and the Services have been silent for longer.
        assert_eq!(
            (status.age_of(Kind::Service), status.age_of(Kind::Pod)),
            (20 * SECOND, Duration::ZERO)
        );
        assert_eq!(status.age(), 20 * SECOND);
        status.lost(Kind::Service, &"gone");
        tokio::time::advance(SECOND).await;
        assert_eq!(status.age(), 21 * SECOND, "to be told so changes nothing");
        status.live(Kind::Service);
        assert_eq!(status.age(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_minutes_of_silence_are_ten_minutes_of_age_and_nothing_else() {
        let status = synced(Follows::Server);
        status.lost(Kind::Service, &"refused");
        for minute in 1..=10 {
            tokio::time::advance(60 * SECOND).await;
            status.lost(Kind::Service, &"refused");
            // Moments are kept in milliseconds.
            let age = status.age() + Duration::from_millis(1);
            assert!(age >= minute * 60 * SECOND && age < (minute * 60 + 1) * SECOND, "{age:?}");
            assert!(status.is_synced(), "what was listed is there");
        }
        status.live(Kind::Service);
        status.live(Kind::Pod);
        assert!(status.age() < SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_current_until_they_cannot_be_read() {
        let status = synced(Follows::Files);
        tokio::time::advance(1000 * SECOND).await;
        assert_eq!(status.age(), Duration::ZERO);
        status.lost(Kind::Pod, &"gone");
        assert!(status.age() > 999 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_first_sync_the_start_counts() {
        let status = Status::new(KindSet::of(&[Kind::Pod]), Follows::Server);
        tokio::time::advance(5 * SECOND).await;
        status.heard(Kind::Pod);
        assert_eq!(status.age(), 5 * SECOND);
    }
}
