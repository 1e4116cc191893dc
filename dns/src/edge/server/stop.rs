//! How the tasks of a listener learn that it stops, and how others learn that it has.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::{mpsc, watch};

/// Held by whoever reads questions of a listener: tells when to stop, and when dropped that nothing is read
/// any more.
#[derive(Clone)]
pub(super) struct Reading {
    stopped: watch::Receiver<bool>,
    _reading: mpsc::Sender<Infallible>,
}

/// Stops the readers of a listener.
pub(super) struct Stopper {
    stop: watch::Sender<bool>,
    reading: mpsc::Receiver<Infallible>,
}

/// Returns both ends.
pub(super) fn stopper() -> (Stopper, Reading) {
    let (stop, stopped) = watch::channel(false);
    let (sender, reading) = mpsc::channel(1);
    (Stopper { stop, reading }, Reading { stopped, _reading: sender })
}

impl Reading {
    /// Says whether the stop signal has come.
    pub(super) fn has_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// Waits for something else, unless the stop signal comes: none then.
    pub(super) async fn unless_stopped<F: Future>(&mut self, other: F) -> Option<F::Output> {
        if self.has_stopped() {
            return None;
        }
        let (mut other, mut stopped) = (pin!(other), pin!(self.stopped()));
        // What is there already is had without waiting for the signal.
        poll_fn(|context| match other.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => stopped.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// Waits for the stop signal; the other end going away is one too.
    pub(super) async fn stopped(&mut self) {
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}

impl Stopper {
    /// Tells the readers to stop.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until nobody reads any more.
    pub(super) async fn wait(&mut self) {
        // Nothing is ever sent: this is the last sender going away.
        let _ = self.reading.recv().await;
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn nothing_else_is_waited_for_after_the_signal() {
        let (stopper, mut reading) = stopper();
        assert_eq!(reading.unless_stopped(ready(7)).await, Some(7));
        assert_eq!(reading.unless_stopped(pending::<()>()).now_or_never(), None);
        let mut waits = reading.clone();
        let waits = tokio::spawn(async move { waits.unless_stopped(pending::<()>()).await });
        tokio::task::yield_now().await;
        stopper.stop();
        assert_eq!(waits.await.unwrap(), None);
        assert!(reading.has_stopped());
        assert_eq!(reading.unless_stopped(ready(7)).await, None);
    }

    #[test]
    fn a_stopper_that_is_gone_stops() {
        let (stopper, reading) = stopper();
        assert!(!reading.has_stopped());
        drop(stopper);
        assert!(reading.has_stopped());
    }
}
