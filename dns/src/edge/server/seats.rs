//! Which threads receive on a socket, and which wait to take over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Some seats; who sits on one receives.
#[derive(Debug)]
pub(super) struct Seats {
    number: usize,
    free: Mutex<usize>,
    changed: Condvar,
    closed: AtomicBool,
}

/// A seat; dropping it lets another thread sit down.
#[derive(Debug)]
pub(super) struct Seat<'a>(&'a Seats);

impl Seats {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            free: Mutex::new(number),
            changed: Condvar::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Waits for a seat; none once they are closed.
    pub(super) fn take(&self) -> Option<Seat<'_>> {
        let mut free = self.free();
        loop {
            if self.are_closed() {
                return None;
            }
            if *free > 0 {
                *free -= 1;
                return Some(Seat(self));
            }
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets nobody sit down any more. Those who sit should look now and then.
    pub(super) fn close(&self) {
        // Under the lock, so that nobody who has just looked misses it.
        let free = self.free();
        self.closed.store(true, Ordering::Release);
        drop(free);
        self.changed.notify_all();
    }

    /// Says whether nobody sits.
    pub(super) fn are_free(&self) -> bool {
        *self.free() == self.number
    }

    pub(super) fn are_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        // Nothing panics while it is held.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_seat_that_is_left_is_taken_and_closed_ones_are_not() {
        let seats = Seats::new(1);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let first = seats.take().unwrap();
            let (seats, sender) = (&seats, &sender);
            scope.spawn(move || {
                let second = seats.take();
                sender.send(second.is_some()).unwrap();
                while !seats.are_closed() {
                    thread::yield_now();
                }
            });
            assert!(receiver.try_recv().is_err(), "there is one seat");
            drop(first);
            assert!(receiver.recv().unwrap());
            scope.spawn(move || {
                let seat = seats.take();
                sender.send(seat.is_some() && !seats.are_closed()).unwrap();
            });
            seats.close();
        });
        receiver.recv().unwrap();
        assert!(seats.take().is_none());
    }
}
