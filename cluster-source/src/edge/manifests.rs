//! Reads manifests and reads them again when they change.

mod files;
mod loader;
mod notify;
pub(crate) mod written;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipam_controller::services::Ranges;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use self::files::Files;
use self::loader::{Load, Loader};
use self::notify::Notifier;
use super::publisher::Batch;
use crate::api::backoff::Delay;
use crate::programming::Change;
use crate::{Interest, SourceError, Status, Timing};

/// How often a reload looks again because directories appeared while it looked; then the next change or
/// rescan finds the rest.
const MOST_SCANS: usize = 5;

/// A reload waits for quiet at most this many times [`Timing::settle`].
const MOST_SETTLES: u32 = 3;

/// The delay between two attempts after a fault is at most this many times the shortest: 6.4 s.
const RETRY_CAP: u32 = 64;

/// The manifests at a path, loaded, ready to be watched.
pub(super) struct Watching {
    root: PathBuf,
    timing: Timing,
    status: Arc<Status>,
    notifier: Notifier,
    /// Behind a mutex only so that a load that panics does not take it away; nobody competes for it.
    loader: Arc<Mutex<Loader>>,
    /// Attempts in a row that met a fault which may pass by itself: too many open files, a right that is
    /// missing, a directory that is away.
    failures: u32,
}

/// Loads the manifests and starts to watch them for changes; returns the events of the first load.
pub(super) async fn start(
    root: PathBuf,
    interest: Interest,
    timing: Timing,
    status: Arc<Status>,
) -> Result<(Watching, Batch), SourceError> {
    let unwatchable = |source| SourceError::Notify { path: root.clone(), source };
    let notifier = Notifier::new(&root).map_err(unwatchable)?;
    let ranges = Ranges::new(&interest.service_ranges)
        .map_err(|source| SourceError::ServiceRanges { source })?;
    let loader = Arc::new(Mutex::new(Loader::new(interest, ranges)));
    let mut watching =
        Watching { root: root.clone(), timing, status, notifier, loader, failures: 0 };
    let files = watching.scan().await.map_err(|fault| match fault {
        Fault::Read(source) => SourceError::Manifests { path: root.clone(), source },
        Fault::Notify(source) => SourceError::Notify { path: root, source },
    })?;
    let events = watching.load(files).await;
    Ok((watching, events))
}

/// Why files cannot be found or followed.
enum Fault {
    Read(std::io::Error),
    Notify(std::io::Error),
}

impl Watching {
    /// Follows the files until the receiver of the batches is gone.
    pub(super) async fn run(mut self, queue: mpsc::Sender<Batch>) {
        while !queue.is_closed() {
            self.changed().await;
            let events = self.reload().await;
            if !events.is_empty() && queue.send(events).await.is_err() {
                return;
            }
        }
    }

    /// Waits for a change and then for quiet, or for the time of a retry or rescan.
    async fn changed(&mut self) {
        if timeout(self.patience(), self.notifier.changed()).await.is_err() {
            return;
        }
        let deadline = Instant::now() + self.timing.settle * MOST_SETTLES;
        while Instant::now() < deadline {
            let quiet = deadline.min(Instant::now() + self.timing.settle);
            if timeout_at(quiet, self.notifier.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Returns how long to wait for a notification.
    fn patience(&self) -> Duration {
        if self.failures == 0 {
            return self.timing.rescan;
        }
        // One more, because a retry at once would meet the same fault.
        let failures = self.failures.saturating_add(1);
        let delay = Delay::Backoff { failures, at_least: Duration::ZERO };
        let base = self.timing.backoff_base;
        delay.duration(base, base.saturating_mul(RETRY_CAP), 0.0).min(self.timing.rescan)
    }

    async fn reload(&mut self) -> Batch {
        match self.scan().await {
            Ok(files) => self.load(files).await,
            Err(Fault::Read(error)) => {
                self.lost(&format!("{}: {error}; its last good objects stay", self.root.display()));
                Batch::new()
            }
            Err(Fault::Notify(error)) => {
                // The rescan goes on, only slower.
                self.lost(&format!(
                    "{}: cannot watch for changes: {error}; raise fs.inotify.max_user_watches",
                    self.root.display()
                ));
                Batch::new()
            }
        }
    }

    /// Finds the files and watches their directories. A directory that appears meanwhile is looked into
    /// again once it is watched, so that nothing that happens in it goes unseen.
    async fn scan(&mut self) -> Result<Files, Fault> {
        let mut scans = 0;
        loop {
            let root = self.root.clone();
            let found = tokio::task::spawn_blocking(move || Files::find(&root)).await;
            let found = found.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            // Without files the parent stays watched, so that the path is seen when it comes back.
            let directories = found.as_ref().map(|files| files.directories.clone());
            let added = self.notifier.watch(&directories.unwrap_or_default());
            let files = found.map_err(Fault::Read)?;
            scans += 1;
            if !added.map_err(Fault::Notify)? || scans == MOST_SCANS {
                return Ok(files);
            }
        }
    }

    async fn load(&mut self, files: Files) -> Batch {
        let started = Instant::now();
        let loader = Arc::clone(&self.loader);
        let loaded = tokio::task::spawn_blocking(move || {
            loader.lock().unwrap_or_else(PoisonError::into_inner).load(&files)
        });
        match loaded.await {
            Ok(load) => self.note(load, started.elapsed()),
            Err(error) => {
                self.lost(&format!("{}: the load failed: {error}", self.root.display()));
                Batch::new()
            }
        }
    }

    /// Puts what a load found into the status and returns its events.
    fn note(&mut self, load: Load, duration: Duration) -> Batch {
        self.failures = if load.is_worth_a_retry { self.failures.saturating_add(1) } else { 0 };
        self.status.set_documents(load.skipped, load.bad, load.broken_files);
        for (kind, count) in load.newly_bad {
            self.status.kind(kind).count_bad_objects(count);
        }
        self.status.kinds().iter().for_each(|kind| self.status.live(kind));
        if !load.events.is_empty() {
            let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                path = %self.root.display(),
                files = load.files,
                events = load.events.len(),
                skipped = load.skipped,
                bad = load.bad,
                duration_ms,
                "manifests loaded"
            );
        }
        load.events.into_iter().map(Change::from).collect()
    }

    fn lost(&mut self, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        let mut is_news = false;
        for kind in self.status.kinds().iter() {
            is_news |= self.status.lost(kind, &reason);
        }
        if is_news {
            tracing::warn!(path = %self.root.display(), reason, "manifests not current");
        }
    }
}
