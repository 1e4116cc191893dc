//! Equal Events are one series: which are written when.
//!
//! Source: KEP-383, "Redesign Event API".

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::Event;

/// How many different Events are remembered at most.
pub(crate) const MOST_SERIES: usize = 1_024;

/// How long after a write the next of the same series is made, if it has gone on.
const EVERY: Duration = Duration::from_secs(60);

/// A series that nothing was added to for so long is over: what comes next is another Event.
const QUIET: Duration = Duration::from_secs(360);

/// How long after a failure a write is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How often a write is tried.
const MOST_TRIES: u32 = 12;

/// A time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// For what is waited for.
    pub(crate) instant: Instant,
    /// For what is written, since 1970.
    pub(crate) unix: Duration,
}

/// What has been told lately, and what of it is to be written.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    entries: BTreeMap<Event, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The name of the object.
    name: String,
    first: Duration,
    last: Duration,
    last_at: Instant,
    count: u32,
    /// What of the count the API server knows; 0 before the Event is written.
    written: u32,
    tries: u32,
    /// When there is something to do for it.
    due: Instant,
}

/// An Event to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// The Event.
    pub(crate) event: Event,
    /// The name of the object.
    pub(crate) name: String,
    /// When it was told for the first and for the last time.
    pub(crate) times: (Duration, Duration),
    /// How often it was told.
    pub(crate) count: u32,
    /// The API server has it, with a smaller count.
    pub(crate) is_there: bool,
}

/// What came of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Came {
    /// It is there.
    Done,
    /// It is not, and may be later.
    Failed,
    /// It never will be.
    Refused,
    /// The Event that was to become a series is not there any more: they are deleted after a while.
    Expired,
}

impl SeriesTable {
    /// Takes an Event; says whether there was room. `random` makes the name of a new object unique.
    pub(crate) fn tell(&mut self, event: Event, now: Now, random: u64) -> bool {
        if let Some(entry) = self.entries.get_mut(&event) {
            entry.count = entry.count.saturating_add(1);
            (entry.last, entry.last_at) = (now.unix, now.instant);
            return true;
        }
        if self.entries.len() >= MOST_SERIES && !self.make_room() {
            return false;
        }
        let entry = Entry {
            name: event.name_at(now.unix, random),
            first: now.unix,
            last: now.unix,
            last_at: now.instant,
            count: 1,
            written: 0,
            tries: 0,
            due: now.instant,
        };
        self.entries.insert(event, entry);
        true
    }

    /// Returns what is to be written now; what is over is forgotten.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        self.entries.retain(|_, entry| {
            entry.written != entry.count || now.saturating_duration_since(entry.last_at) < QUIET
        });
        for entry in self.entries.values_mut() {
            if entry.due <= now && entry.written == entry.count {
                entry.due = now + EVERY;
            }
        }
        let (event, entry) = self.entries.iter().find(|(_, entry)| entry.due <= now)?;
        Some(Due {
            event: event.clone(),
            name: entry.name.clone(),
            times: (entry.first, entry.last),
            count: entry.count,
            is_there: entry.written > 0,
        })
    }

    /// Returns when there will be something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// Says whether there is an Event that the API server does not know.
    pub(crate) fn is_behind(&self) -> bool {
        self.entries.values().any(|entry| entry.written == 0 && entry.tries == 0)
    }

    /// Notes what came of a write.
    pub(crate) fn came(&mut self, due: &Due, came: Came, now: Instant) {
        let Some(entry) = self.entries.get_mut(&due.event) else { return };
        match came {
            Came::Done => {
                (entry.written, entry.tries, entry.due) = (due.count, 0, now + EVERY);
            }
            Came::Expired => (entry.written, entry.due) = (0, now),
            Came::Failed if entry.tries + 1 < MOST_TRIES => {
                entry.tries += 1;
                entry.due = now + RETRY;
            }
            Came::Failed | Came::Refused => {
                self.entries.remove(&due.event);
            }
        }
    }

    /// Forgets the series that has been quiet for longest and is written; says whether there was one.
    fn make_room(&mut self) -> bool {
        let known = self.entries.iter().filter(|(_, entry)| entry.written == entry.count);
        let oldest = known.min_by_key(|(_, entry)| entry.last_at).map(|(event, _)| event.clone());
        oldest.is_some_and(|oldest| self.entries.remove(&oldest).is_some())
    }
}

#[cfg(test)]
mod tests;
