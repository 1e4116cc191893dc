//! Counts the messages that no receiver got, and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::{Notify, watch};

/// The time between two log lines about dropped messages.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was dropped.
#[derive(Debug)]
pub(super) struct Drops {
    total: IntCounter,
    unreported: AtomicU64,
    news: Notify,
}

impl Drops {
    pub(super) fn new(total: IntCounter) -> Self {
        Self { total, unreported: AtomicU64::new(0), news: Notify::new() }
    }

    pub(super) fn add(&self, count: u64) {
        self.total.inc_by(count);
        // Only the first one has to wake anybody.
        if self.unreported.fetch_add(count, Ordering::Relaxed) == 0 {
            self.news.notify_one();
        }
    }
}

/// Logs the number of dropped messages at once, and then at most once in 10 s, until the plugin is gone.
pub(super) async fn report(drops: Arc<Drops>, endpoint: String, mut gone: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = drops.news.notified() => {}
            _ = gone.changed() => return,
        }
        let dropped = drops.unreported.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(
                endpoint,
                dropped,
                "dnstap messages dropped: the receiver is away or too slow"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = gone.changed() => return,
        }
    }
}
