//! Delays and limits of time.

use std::time::Duration;

/// Delays and limits of time of a source. The default suits production; tests shorten it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// Manifests: how long no further file change must be seen before a reload. Default 20 ms. However
    /// many changes follow each other, a reload waits three times as long at most.
    pub settle: Duration,
    /// Manifests: how often files are looked at without a notification, for file systems that send none.
    /// Default 30 s.
    pub rescan: Duration,
    /// Establishing a connection to the API server. Default 10 s.
    pub connect: Duration,
    /// From a request to the head of its response, and each read of a list page. Default 30 s.
    pub response: Duration,
    /// A watch that brings nothing for so long is opened again from where it was. Default 30 s.
    pub watch_idle: Duration,
    /// The shortest time that the server is asked to keep a watch open; the longest is twice that, chosen
    /// at random so that watches do not end together. Default 5 min.
    pub watch_length: Duration,
    /// A watch that lived so long is not counted as a failure when it ends. Default 1 s.
    pub stable_after: Duration,
    /// The delay before the second retry; the first is immediate. It doubles with each. Default 100 ms.
    pub backoff_base: Duration,
    /// The longest delay before a retry. Default 30 s.
    pub backoff_cap: Duration,
    /// The longest time for which a list that is under way delays the publication of changes. Default 1 s.
    pub publish_hold: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(20),
            rescan: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            watch_idle: Duration::from_secs(30),
            watch_length: Duration::from_secs(300),
            stable_after: Duration::from_secs(1),
            backoff_base: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(30),
            publish_hold: Duration::from_secs(1),
        }
    }
}
