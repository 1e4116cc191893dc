//! How the tasks of a listener learn that it stops, and how others learn that it has.

use std::convert::Infallible;
use std::fmt;

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
