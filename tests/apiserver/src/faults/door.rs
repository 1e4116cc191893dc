//! Whether the server takes connections at all, agreed on between a test and the listener.

use tokio::sync::watch;

/// What the test wants and what the listener has done about it.
#[derive(Clone, Debug)]
pub struct Door {
    wanted: watch::Sender<bool>,
    actual: watch::Sender<bool>,
}

impl Default for Door {
    fn default() -> Self {
        Self { wanted: watch::Sender::new(false), actual: watch::Sender::new(false) }
    }
}

impl Door {
    /// Asks for connections to be refused or taken and waits until the listener has done so.
    pub async fn set_refused(&self, refused: bool) {
        self.wanted.send_replace(refused);
        let mut actual = self.actual.subscribe();
        // The sender is a field of self, so waiting cannot fail.
        let _ = actual.wait_for(|done| *done == refused).await;
    }

    /// Follows what the test wants.
    pub fn wanted(&self) -> watch::Receiver<bool> {
        self.wanted.subscribe()
    }

    /// Reports what the listener has done.
    pub fn report_refused(&self, refused: bool) {
        self.actual.send_replace(refused);
    }
}
