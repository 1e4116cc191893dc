//! One question upstream for many equal ones.
//!
//! Equal questions that are under way at the same time share one exchange. It spares the upstream, and it takes
//! away the many ids and ports that an attacker could otherwise guess at once (CVE-2023-30464).

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// The exchanges under way, by question. There are as many entries as exchanges that somebody waits for.
pub(super) struct Flights<K: Eq + Hash, T: Clone>(
    Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>,
);

/// A place in an exchange. Whoever leaves last removes its entry, also when nobody waits to the end.
struct Seat<'a, K: Eq + Hash, T: Clone> {
    flights: &'a Flights<K, T>,
    key: K,
}

impl<K: Eq + Hash + Clone, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Returns what the exchange for this question yields: one that is under way, or else a new one that
    /// `begin` makes. Also says whether it was new.
    pub(super) async fn join(
        &self,
        key: K,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> (T, bool) {
        let (flight, is_new) = self.board(&key, begin);
        // Dropped after the exchange that is awaited, however this function ends.
        let _seat = Seat { flights: self, key };
        (flight.await, is_new)
    }

    fn board(
        &self,
        key: &K,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> (Shared<BoxFuture<'static, T>>, bool) {
        let mut flights = self.lock();
        let under_way = flights.get(key).and_then(WeakShared::upgrade);
        if let Some(flight) = under_way {
            return (flight, false);
        }
        let flight = begin().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key.clone(), weak);
        }
        (flight, true)
    }
}

impl<K: Eq + Hash, T: Clone> Flights<K, T> {
    /// What the lock guards is whole at every moment, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, WeakShared<BoxFuture<'static, T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, T: Clone> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flights").field(&self.lock().len()).finish()
    }
}

impl<K: Eq + Hash, T: Clone> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        if flights.get(&self.key).is_some_and(|flight| flight.upgrade().is_none()) {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join, pending, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn equal_questions_share_an_exchange() {
        let flights = Flights::new();
        let (begin, answer) = tokio::sync::oneshot::channel::<u8>();
        let first = flights.join("a", || async { answer.await.unwrap() }.boxed());
        let second = flights.join("a", || panic!("there is an exchange already"));
        let send = async { begin.send(7).unwrap() };
        let ((first, second), ()) = join(join(first, second), send).await;
        assert_eq!((first, second), ((7, true), (7, false)));
        assert!(flights.lock().is_empty());
        assert_eq!(flights.join("a", || ready(8).boxed()).await, (8, true), "it ended");
        assert!(flights.lock().is_empty());
    }

    #[test]
    fn nobody_waiting_leaves_nothing() {
        let flights = Flights::<_, u8>::new();
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut first = pin!(flights.join("a", || pending().boxed()));
            assert!(first.as_mut().poll(&mut context).is_pending());
            {
                let mut second = pin!(flights.join("a", || panic!("the first goes on")));
                assert!(second.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!(flights.lock().len(), 1, "the first still waits");
        }
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn the_others_go_on_when_the_first_leaves() {
        let flights = Flights::new();
        let (begin, answer) = tokio::sync::oneshot::channel::<u8>();
        let mut first = Box::pin(flights.join("a", || async { answer.await.unwrap() }.boxed()));
        let mut second = Box::pin(flights.join("a", || panic!("there is an exchange already")));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(first.as_mut().poll(&mut context), Poll::Pending));
        assert!(matches!(second.as_mut().poll(&mut context), Poll::Pending));
        drop(first);
        begin.send(9).unwrap();
        assert_eq!(second.await, (9, false));
    }
}
