//! The one writer: applies what sources send, and publishes snapshots.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use cluster::{Cluster, Event, KindSet, Stamps, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::programming::{Change, Programming};
use crate::{Observer, Status, Timing};

/// How many batches may wait for the writer; senders wait beyond.
pub(super) const MOST_BATCHES: usize = 64;

/// How many batches are applied between two publications while more keep coming.
const MOST_AT_ONCE: usize = 256;

/// Events that belong together: readers see all of them or none.
pub(super) type Batch = Vec<Change>;

/// What readers share with the writer.
#[derive(Debug)]
pub(super) struct Published {
    snapshot: ArcSwap<Cluster>,
    revision: watch::Sender<u64>,
    stamps: Arc<Stamps>,
}

impl Published {
    pub(super) fn new() -> Self {
        let stamps = Arc::default();
        Self { snapshot: ArcSwap::default(), revision: watch::Sender::new(0), stamps }
    }

    pub(super) fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }

    pub(super) fn snapshot(&self) -> Arc<Cluster> {
        self.snapshot.load_full()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

/// Applies batches to the store.
pub(super) struct Publisher {
    store: Store,
    published: Arc<Published>,
    status: Arc<Status>,
    observer: Arc<dyn Observer>,
    timing: Timing,
    /// Kinds whose list is under way.
    listing: KindSet,
    /// Since when there have been changes that readers do not see.
    pending_since: Option<Instant>,
    programming: Programming,
}

impl Publisher {
    pub(super) fn new(
        published: Arc<Published>,
        status: Arc<Status>,
        observer: Arc<dyn Observer>,
        timing: Timing,
    ) -> Self {
        Self {
            store: Store::with_stamps(Arc::clone(published.stamps())),
            published,
            status,
            observer,
            timing,
            listing: KindSet::NONE,
            pending_since: None,
            programming: Programming::default(),
        }
    }

    /// Applies a first batch and publishes it, before anybody reads.
    pub(super) fn start_with(&mut self, batch: Batch) {
        self.apply(batch);
        self.publish();
    }

    /// Applies batches until every sender is gone. What is queued is applied together and published once.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Batch>) {
        while let Some(batch) = self.next(&mut queue).await {
            self.apply(batch);
            for _ in 1..MOST_AT_ONCE {
                let Ok(batch) = queue.try_recv() else { break };
                self.apply(batch);
            }
            if self.may_publish() {
                self.publish();
            }
        }
    }

    /// Waits for a batch, but no longer than a held publication may wait.
    async fn next(&mut self, queue: &mut mpsc::Receiver<Batch>) -> Option<Batch> {
        let Some(since) = self.pending_since else {
            return queue.recv().await;
        };
        match timeout_at(since + self.timing.publish_hold, queue.recv()).await {
            Ok(batch) => batch,
            Err(_) => {
                self.publish();
                Some(Batch::new())
            }
        }
    }

    fn apply(&mut self, batch: Batch) {
        let now = unix_now();
        for change in batch {
            let trigger = change.trigger();
            match &change.event {
                Event::ListStart(kind) => self.listing = self.listing.with(*kind),
                Event::ListEnd(kind) => {
                    self.listing = self.listing.without(KindSet::of(&[*kind]));
                    self.status.kind(*kind).count_list();
                }
                Event::Upsert(object) => self.status.kind(object.kind()).count_event(),
                Event::Delete(kind, _) => self.status.kind(*kind).count_event(),
                Event::Keep(..) => {}
            }
            if self.store.apply(change.event, now) {
                self.pending_since.get_or_insert_with(Instant::now);
                trigger.into_iter().for_each(|trigger| self.programming.add(trigger));
            }
        }
    }

    /// While a list is under way its objects come one by one; readers had better see them together. They
    /// do not wait for a slow list for ever.
    fn may_publish(&self) -> bool {
        self.pending_since.is_some_and(|since| {
            self.listing.is_empty() || since.elapsed() >= self.timing.publish_hold
        })
    }

    fn publish(&mut self) {
        self.pending_since = None;
        let snapshot = self.store.snapshot();
        let (revision, synced) = (snapshot.revision(), snapshot.synced());
        self.published.snapshot.store(Arc::clone(&snapshot));
        self.store.count_stamps();
        self.programming.published(&snapshot, SystemTime::now(), &*self.observer);
        // Only now: who sees a kind synced must find its objects in the snapshot.
        synced.iter().for_each(|kind| self.status.kind(kind).set_synced());
        self.published.revision.send_replace(revision);
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
