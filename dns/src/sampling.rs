//! The names that are asked for most and the clients that ask most, estimated from samples of the messages.
//!
//! ```text
//! message ─▶ each thread counts down ─▶ its sample ─▶ sketches of two windows ─▶ Top
//!              (most end here)          about 1,000 a second and thread where much is asked
//! ```
//!
//! A thread that has nothing to sample does a subtraction. A sample is a look at a table of 128 entries; it allocates
//! nothing and waits for nobody: while somebody reads the table it is left out.

mod asked_name;
mod pace;
mod sketch;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use asked_name::AskedName;
use sketch::{Sketch, Tally};

/// How long a window is. What is told is of one whole window and of the one that has begun since.
pub const WINDOW: Duration = Duration::from_secs(300);

/// How many names, and how many clients, a window counts. Each that has more than this part of the queries is among
/// them.
pub const COUNTERS: usize = 128;

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sampled {
    /// Names, and the addresses that ask.
    NamesAndClients,
    /// Names alone.
    Names,
    /// Nothing.
    Nothing,
}

/// Takes samples of messages as they come in.
pub struct Samples {
    sampled: Sampled,
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    current: Window,
    before: Window,
}

#[derive(Debug)]
struct Window {
    /// When it began; none before the first sample.
    began: Option<Instant>,
    names: Sketch<AskedName>,
    clients: Sketch<IpAddr>,
    queries: u64,
}

/// Who and what stands out, as estimates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Top {
    /// How long ago the first of the queries came.
    pub span: Duration,
    /// The queries of that time that samples stand for.
    pub queries: u64,
    /// Names as zone files write them, in lower case, those asked for most first.
    pub names: Vec<(String, u64)>,
    /// Clients, those that ask most first; none when they are not looked at.
    pub clients: Option<Vec<(IpAddr, u64)>>,
}

impl Samples {
    /// Returns nothing yet.
    pub fn new(sampled: Sampled) -> Self {
        let windows = Windows { current: Window::new(), before: Window::new() };
        Self { sampled, windows: Mutex::new(windows) }
    }

    /// Takes note of a message that came in at `now`, if it is the thread's turn and a query.
    pub(crate) fn see(&self, message: &[u8], client: IpAddr, now: Instant) {
        if self.sampled == Sampled::Nothing {
            return;
        }
        if let Some(weight) = pace::turn(now)
            && let Some(name) = AskedName::read(message)
        {
            self.take(name, client, weight, now);
        }
    }

    fn take(&self, name: AskedName, client: IpAddr, weight: u64, now: Instant) {
        let mut windows = match self.windows.try_lock() {
            Ok(windows) => windows,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        windows.turn(now);
        let window = &mut windows.current;
        window.queries += weight;
        window.names.add(name, weight);
        if self.sampled == Sampled::NamesAndClients {
            window.clients.add(client.to_canonical(), weight);
        }
    }

    /// Returns at most so many names and clients; none when nothing is looked at.
    pub fn top(&self, most: usize, now: Instant) -> Option<Top> {
        if self.sampled == Sampled::Nothing {
            return None;
        }
        let mut windows = self.windows();
        windows.turn(now);
        let Windows { current, before } = &*windows;
        let began = before.began.or(current.began);
        let names = first(most, before.names.tallies(), current.names.tallies());
        let clients = (self.sampled == Sampled::NamesAndClients)
            .then(|| first(most, before.clients.tallies(), current.clients.tallies()));
        Some(Top {
            span: began.map(|began| now.saturating_duration_since(began)).unwrap_or_default(),
            queries: before.queries + current.queries,
            names: names.into_iter().map(|(name, count)| (name.to_string(), count)).collect(),
            clients,
        })
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        // Nothing panics while it is held.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::new(Sampled::Nothing)
    }
}

impl Windows {
    /// Begins another window when the present one is over.
    fn turn(&mut self, now: Instant) {
        let age = self.current.began.map(|began| now.saturating_duration_since(began));
        match age {
            None => self.current.began = Some(now),
            Some(age) if age < WINDOW => {}
            Some(age) => {
                std::mem::swap(&mut self.current, &mut self.before);
                self.current.clear();
                if age >= 2 * WINDOW {
                    self.before.clear();
                }
                self.current.began = Some(now);
            }
        }
    }
}

impl Window {
    fn new() -> Self {
        let (names, clients) = (Sketch::new(COUNTERS), Sketch::new(COUNTERS));
        Self { began: None, names, clients, queries: 0 }
    }

    fn clear(&mut self) {
        self.began = None;
        self.names.clear();
        self.clients.clear();
        self.queries = 0;
    }
}

/// Returns those of two windows that stand out, the largest first. What may just as well be others that had the counter
/// before is left out.
fn first<K: Copy + Ord>(
    most: usize,
    before: impl Iterator<Item = (K, Tally)>,
    current: impl Iterator<Item = (K, Tally)>,
) -> Vec<(K, u64)> {
    let mut all: Vec<(K, Tally)> = before.chain(current).collect();
    all.sort_by_key(|(what, _)| *what);
    all.dedup_by(|(what, tally), (kept, sum)| {
        let is_same = what == kept;
        if is_same {
            *sum = sum.plus(*tally);
        }
        is_same
    });
    all.retain(|(_, tally)| tally.stands_out());
    // The order of those that are equal is that of their names.
    all.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
    all.truncate(most);
    all.into_iter().map(|(what, tally)| (what, tally.count)).collect()
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").field("sampled", &self.sampled).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
