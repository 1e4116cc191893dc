//! Which connections wait for a request, so that the one that waits longest can make room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The connections of a listener that are answering nothing.
#[derive(Clone, Default, Debug)]
pub(super) struct IdleConnections(Arc<Mutex<Waiting>>);

/// Numbers are given in the order in which connections began to wait.
#[derive(Default, Debug)]
struct Waiting {
    next: u64,
    by_number: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection's place among them; dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Place {
    all: IdleConnections,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Waiting, under this number.
    Idle(u64),
    /// With so many requests under way; none of the sender when the connection has to close anyway.
    Busy(usize, Option<oneshot::Sender<()>>),
}

impl IdleConnections {
    /// Adds a connection that waits, and returns what tells it to close.
    pub(super) fn enter(&self) -> (Place, oneshot::Receiver<()>) {
        let (close, told) = oneshot::channel();
        let number = self.add(close);
        (Place { all: self.clone(), state: Mutex::new(State::Idle(number)) }, told)
    }

    /// Tells the connection that has been waiting longest to close; says whether there was one.
    pub(super) fn close_longest(&self) -> bool {
        // One whose task has ended is no room gained: the next is asked.
        while let Some((_, close)) = self.lock().by_number.pop_first() {
            if close.send(()).is_ok() {
                return true;
            }
        }
        false
    }

    fn add(&self, close: oneshot::Sender<()>) -> u64 {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_number.insert(number, close);
        number
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request came.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Busy(0, None)) {
            State::Idle(number) => State::Busy(1, self.all.lock().by_number.remove(&number)),
            State::Busy(count, close) => State::Busy(count + 1, close),
        };
    }

    /// A request has been answered.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Busy(0, None)) {
            State::Busy(0 | 1, Some(close)) => State::Idle(self.all.add(close)),
            State::Busy(count, close) => State::Busy(count.saturating_sub(1), close),
            idle @ State::Idle(_) => idle,
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Idle(number) = state {
            self.all.lock().by_number.remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_goes_first_and_who_answers_stays() {
        let all = IdleConnections::default();
        let (first, mut first_told) = all.enter();
        let (second, mut second_told) = all.enter();
        let (third, mut third_told) = all.enter();
        first.begin();
        first.begin();
        third.begin();
        third.end();
        // The third began to wait again after the second.
        assert!(all.close_longest());
        assert!(second_told.try_recv().is_ok() && third_told.try_recv().is_err());
        assert!(all.close_longest());
        assert!(third_told.try_recv().is_ok());
        assert!(!all.close_longest(), "the first has requests under way");
        first.end();
        assert!(!all.close_longest(), "still one");
        first.end();
        assert!(all.close_longest() && first_told.try_recv().is_ok());
        assert!(!all.close_longest());
        drop((second, third));
    }

    #[test]
    fn who_is_gone_is_not_asked() {
        let all = IdleConnections::default();
        let (gone, told) = all.enter();
        drop(gone);
        assert!(told.is_empty() && !all.close_longest());
        let (_deaf, told) = all.enter();
        drop(told);
        let (_last, mut told) = all.enter();
        assert!(all.close_longest() && told.try_recv().is_ok());
    }
}
