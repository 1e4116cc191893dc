//! An answer that is kept.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::config::Prefetch;
use super::worth::{Kind, Worth};
use crate::Reply;

/// What a record takes beside its name and data, in octets: the struct itself.
const RECORD: usize = size_of::<hickory_proto::rr::Record>();

/// What an entry takes beside its records, in octets, with its place in the table.
const ENTRY: usize = 512;

/// An answer, when it came, and how it is asked for.
#[derive(Debug)]
pub(super) struct Entry {
    reply: Reply,
    worth: Worth,
    stored: Instant,
    popularity: Mutex<Popularity>,
    /// Whether the source is being asked again.
    refreshing: AtomicBool,
}

/// How often an answer was asked for without a pause, and when the source was last asked for a newer one.
#[derive(Clone, Copy, Default, Debug)]
struct Popularity {
    hits: u32,
    last: Option<Instant>,
    rechecked: Option<Instant>,
}

impl Entry {
    /// Returns the entry of a reply at this time, without the exchange that brought it: that was for another query.
    pub(super) fn new(reply: Reply, worth: Worth, now: Instant) -> Self {
        Self {
            reply: Reply { exchange: None, ..reply },
            worth,
            stored: now,
            popularity: Mutex::default(),
            refreshing: AtomicBool::new(false),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.worth.kind
    }

    /// Returns the TTL with which the answer was kept, in seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.worth.ttl
    }

    /// Returns how long the answer is still good, in whole seconds rounded up; none once it has expired.
    pub(super) fn left(&self, now: Instant) -> Option<u32> {
        let left = self.end().checked_duration_since(now).filter(|left| !left.is_zero())?;
        u32::try_from(left.as_nanos().div_ceil(1_000_000_000)).ok()
    }

    /// Returns when the answer expires.
    pub(super) fn end(&self) -> Instant {
        self.stored + Duration::from_secs(self.worth.ttl.into())
    }

    /// Returns how long ago the answer expired.
    pub(super) fn expired_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.end())
    }

    /// Returns the answer with this TTL in every record.
    pub(super) fn reply(&self, ttl: u32) -> Reply {
        let mut reply = self.reply.clone();
        set_ttls(&mut reply, ttl);
        reply
    }

    /// Counts a question; says whether the answer is popular enough, and old enough, to be fetched again.
    pub(super) fn is_due(&self, prefetch: &Prefetch, now: Instant) -> bool {
        let hits = self.count(prefetch.pause, now);
        let threshold = (u64::from(self.worth.ttl) * u64::from(prefetch.percentage)).div_ceil(100);
        let left = u64::from(self.left(now).unwrap_or(0));
        hits >= prefetch.amount && left <= threshold.max(1)
    }

    fn count(&self, pause: Duration, now: Instant) -> u32 {
        self.with_popularity(|popularity| {
            let is_pause = popularity.last.is_none_or(|last| now - last >= pause);
            popularity.hits = if is_pause { 1 } else { popularity.hits.saturating_add(1) };
            popularity.last = Some(now);
            popularity.hits
        })
    }

    /// Takes over how popular an older answer to the same question was.
    pub(super) fn inherit(&self, older: &Self) {
        let inherited = older.with_popularity(|popularity| *popularity);
        self.with_popularity(|popularity| {
            (popularity.hits, popularity.last) = (inherited.hits, inherited.last);
        });
    }

    /// Gives the right to ask the source again to one at a time, and not within `recheck` of the last; says
    /// whether the caller has it. [`Entry::end_refresh`] gives it back.
    pub(super) fn begin_refresh(&self, recheck: Duration, now: Instant) -> bool {
        let is_early = self.with_popularity(|popularity| {
            let is_early = popularity.rechecked.is_some_and(|last| now - last < recheck);
            if !is_early {
                popularity.rechecked = Some(now);
            }
            is_early
        });
        !is_early && !self.refreshing.swap(true, Ordering::AcqRel)
    }

    /// Ends what [`Entry::begin_refresh`] has begun.
    pub(super) fn end_refresh(&self) {
        self.refreshing.store(false, Ordering::Release);
    }

    /// Returns roughly how much memory the answer takes, in octets.
    pub(super) fn octets(&self) -> usize {
        let Reply { answers, authorities, additionals, .. } = &self.reply;
        // Data beyond the struct is on the heap; a name has at most 255 octets, most have 40.
        let records = answers.len() + authorities.len() + additionals.len();
        ENTRY + records * (RECORD + 64)
    }

    fn with_popularity<T>(&self, act: impl FnOnce(&mut Popularity) -> T) -> T {
        let mut popularity =
            self.popularity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut popularity)
    }
}

/// Gives every record of a reply this TTL.
pub(super) fn set_ttls(reply: &mut Reply, ttl: u32) {
    let sections = [&mut reply.answers, &mut reply.authorities, &mut reply.additionals];
    for record in sections.into_iter().flatten() {
        record.ttl = ttl;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::record;

    fn entry(ttl: u32, now: Instant) -> Entry {
        let reply = Reply { answers: vec![record("a.", "10.0.0.1")], ..Reply::default() };
        Entry::new(reply, Worth { kind: Kind::Success, ttl }, now)
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_runs_out() {
        let start = Instant::now();
        let entry = entry(10, start);
        let left = |after| entry.left(start + ms(after));
        assert_eq!(left(0), Some(10));
        assert_eq!(left(1), Some(10), "a TTL is rounded up, so that it never is 0 in time");
        assert_eq!(left(9_000), Some(1));
        assert_eq!(left(9_999), Some(1));
        assert_eq!(left(10_000), None);
        assert_eq!(entry.expired_for(start + ms(12_500)), ms(2_500));
        assert_eq!(entry.expired_for(start), ms(0));
    }

    #[test]
    fn popular_answers_are_due_near_their_end() {
        let start = Instant::now();
        let prefetch = Prefetch { amount: 3, pause: ms(60_000), percentage: 10 };
        let (entry, heir) = (entry(100, start), entry(100, start));
        let due = |after| entry.is_due(&prefetch, start + ms(after));
        assert!(!due(1_000) && !due(2_000) && !due(3_000), "too young");
        assert!(!due(91_000), "a pause of more than a minute starts again");
        assert!(!due(92_000));
        assert!(due(93_000));
        heir.inherit(&entry);
        assert!(heir.is_due(&prefetch, start + ms(95_000)), "popularity is inherited");
    }

    #[test]
    fn one_refresh_at_a_time_and_not_too_often() {
        let start = Instant::now();
        let entry = entry(1, start);
        assert!(entry.begin_refresh(ms(500), start));
        assert!(!entry.begin_refresh(ms(0), start + ms(1)), "one is under way");
        entry.end_refresh();
        assert!(!entry.begin_refresh(ms(500), start + ms(400)), "too early");
        assert!(entry.begin_refresh(ms(500), start + ms(900)));
    }
}
