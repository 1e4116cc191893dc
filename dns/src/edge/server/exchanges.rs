//! The questions of a connection that are under way at the same time, and what the connection waits for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::closing::Closing;
use super::connections::Place;
use super::frames::Unread;

/// The questions of a connection whose requests or streams are open.
#[derive(Debug)]
pub(super) struct Exchanges {
    place: Place,
    /// The unread replies of all connections.
    all: Arc<Unread>,
    state: Mutex<State>,
    /// Told of every change while somebody waits for one.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Since when the client may read the reply; none before there is one.
    open: BTreeMap<u64, Option<Instant>>,
    /// How many of them have come whole, or have a reply.
    in_use: usize,
    idle_since: Instant,
    /// Octets of replies that the client has not read.
    unread: usize,
}

/// A question under way; dropping it says that it is through.
#[derive(Debug)]
pub(super) struct Exchange {
    exchanges: Arc<Exchanges>,
    number: u64,
    unread: usize,
    is_in_use: bool,
}

/// How long a connection may wait for its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without any question.
    pub(super) idle: Duration,
    /// For the client to read a reply.
    pub(super) write: Duration,
}

impl Exchanges {
    /// Returns no questions, on a connection that is idle from here on.
    pub(super) fn new(place: Place, all: &Arc<Unread>) -> Arc<Self> {
        let now = Instant::now();
        place.is_idle_since(now.into_std());
        let state = State { next: 0, open: BTreeMap::new(), in_use: 0, idle_since: now, unread: 0 };
        let (changed, _) = watch::channel(());
        Arc::new(Self { place, all: Arc::clone(all), state: Mutex::new(state), changed })
    }

    /// Begins another question, whose first octets do not keep the connection: they are cheap to send.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.open.insert(number, None);
        drop(state);
        self.tell();
        Exchange { exchanges: Arc::clone(self), number, unread: 0, is_in_use: false }
    }

    /// Waits until another connection gets the place of this one.
    pub(super) async fn evicted(&self) {
        self.place.evicted().await;
    }

    /// Waits until the connection has waited long enough for its client.
    ///
    /// It looks again only when something can be over, not at every change: those are many, and each would make the
    /// connection's task look after everything else that it does.
    pub(super) async fn expired(&self, patience: Patience) -> Closing {
        loop {
            let now = Instant::now();
            // What begins from here on is not over earlier than this.
            let mut until = now + patience.idle.min(patience.write);
            if let Some((moment, closing)) = self.deadline(patience) {
                if moment <= now {
                    return closing;
                }
                until = until.min(moment);
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits until no question is under way.
    pub(super) async fn empty(&self) {
        self.wait_for(|state| state.open.is_empty()).await;
    }

    fn deadline(&self, patience: Patience) -> Option<(Instant, Closing)> {
        let state = self.state();
        if state.open.is_empty() {
            return Some((state.idle_since + patience.idle, Closing::Idle));
        }
        let oldest = state.open.values().flatten().min()?;
        Some((*oldest + patience.write, Closing::Write))
    }

    async fn wait_for(&self, is_it: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        while !is_it(&self.state()) {
            let _ = changes.changed().await;
        }
    }

    /// Tells those who wait for a change that there was one. They look after they have begun to wait.
    fn tell(&self) {
        if self.changed.receiver_count() > 0 {
            self.changed.send_replace(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Says that the question has come whole: the connection is in use until it is through.
    pub(super) fn asked(&mut self) {
        if !self.is_in_use {
            self.is_in_use = true;
            let mut state = self.exchanges.state();
            state.in_use += 1;
            // Under the lock, so that the end of another question does not overtake it.
            self.exchanges.place.is_in_use();
        }
    }

    /// Says which limit keeps the question from being answered now.
    pub(super) fn held(&self, unread: usize, unread_all: usize) -> Option<&'static str> {
        let of_connection = self.exchanges.state().unread;
        if of_connection >= unread {
            Some("tcp_unread")
        } else if of_connection > 0 && self.exchanges.all.octets() >= unread_all {
            Some("tcp_unread_all")
        } else {
            None
        }
    }

    /// Waits until the client has read something of what it has, or has read everything.
    pub(super) async fn some_reading(&self) {
        let before = self.exchanges.state().unread;
        self.exchanges.wait_for(|state| state.unread < before || state.unread == 0).await;
    }

    /// Says that there is a reply of this many octets, which the client has to read from now on.
    pub(super) fn replied(&mut self, octets: usize) {
        self.asked();
        let mut state = self.exchanges.state();
        state.open.insert(self.number, Some(Instant::now()));
        state.unread += octets;
        drop(state);
        self.unread += octets;
        self.exchanges.all.add(octets);
        self.exchanges.tell();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.exchanges.state();
        state.open.remove(&self.number);
        state.unread -= self.unread;
        let now = Instant::now();
        if state.open.is_empty() {
            state.idle_since = now;
        }
        state.in_use -= usize::from(self.is_in_use);
        if self.is_in_use && state.in_use == 0 {
            self.exchanges.place.is_idle_since(now.into_std());
        }
        drop(state);
        self.exchanges.all.subtract(self.unread);
        self.exchanges.tell();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use prometheus::IntGauge;

    use super::super::connections::Connections;
    use super::*;

    const PATIENCE: Patience =
        Patience { idle: Duration::from_secs(10), write: Duration::from_secs(5) };

    fn exchanges() -> (Arc<Exchanges>, Arc<Unread>) {
        exchanges_of(&Connections::new(9, 9))
    }

    fn exchanges_of(connections: &Arc<Connections>) -> (Arc<Exchanges>, Arc<Unread>) {
        let unread = Unread::new(IntGauge::new("unread", "Unread.").unwrap());
        let client = [10, 0, 0, 1].into();
        let (place, _) = connections.admit(client, client, Instant::now().into_std()).unwrap();
        (Exchanges::new(place, &unread), unread)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_and_one_that_is_not_read_expire() {
        let (exchanges, _) = exchanges();
        let start = Instant::now();
        let first = exchanges.begin();
        let mut second = exchanges.begin();
        assert!(exchanges.expired(PATIENCE).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(60)).await;
        second.replied(100);
        drop(first);
        assert_eq!(exchanges.expired(PATIENCE).await, Closing::Write);
        assert_eq!(start.elapsed(), Duration::from_secs(65));
        drop(second);
        assert_eq!(exchanges.expired(PATIENCE).await, Closing::Idle);
        assert_eq!(start.elapsed(), Duration::from_secs(75));
    }

    #[tokio::test]
    async fn a_question_keeps_the_place_from_its_last_octet_to_its_end() {
        let connections = Connections::new(1, 1);
        let newest = || {
            let client = [10, 0, 0, 2].into();
            connections.admit(client, client, Instant::now().into_std()).map(|_| ())
        };
        let (exchanges, _) = exchanges_of(&connections);
        let (_begun, mut asked, mut refused) =
            (exchanges.begin(), exchanges.begin(), exchanges.begin());
        asked.asked();
        refused.replied(10);
        assert!(newest().is_err());
        drop(asked);
        assert!(newest().is_err(), "a reply is not read");
        drop(refused);
        assert!(newest().is_ok() && exchanges.evicted().now_or_never().is_some());
    }

    #[tokio::test]
    async fn unread_replies_hold_the_next_until_something_is_read() {
        let (exchanges, unread) = exchanges();
        let (mut first, mut second, third) =
            (exchanges.begin(), exchanges.begin(), exchanges.begin());
        assert_eq!(third.held(100, 0), None, "who has read everything may ask");
        first.replied(60);
        assert_eq!((third.held(100, 60), third.held(100, 61)), (Some("tcp_unread_all"), None));
        second.replied(40);
        assert_eq!((third.held(100, 1000), unread.octets()), (Some("tcp_unread"), 100));
        let mut waiting = Box::pin(third.some_reading());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        waiting.await;
        assert_eq!((third.held(100, 1000), unread.octets()), (None, 40));
        drop((second, third));
        assert!(exchanges.empty().now_or_never().is_some() && unread.octets() == 0);
    }
}
