//! Records Events, behind whoever tells them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};

use super::writer::{WriteRate, Writer};
use crate::event::{Event, Reporter, series};
use crate::failure::{Failure, Found, Written};
use crate::resource::Resource;
use crate::series::{Came, Due, Now, SeriesTable};
use crate::write::{Change, Write};

/// Events that wait to be looked at; further ones are dropped.
const MOST_WAITING: usize = 256;

/// How fast Events are written.
const RATE: WriteRate = WriteRate { per_second: 5, burst: 25 };

/// Records Events. Clones share it; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    queue: mpsc::Sender<Told>,
    counts: Arc<Counts>,
}

/// How many Events there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventCounts {
    /// Writes that are done: of new Events, and of series that went on.
    pub written: u64,
    /// Writes that failed; each is made again for two minutes unless the server says that it is wrong.
    pub failed: u64,
    /// Events that there was no room for.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Told {
    Event(Event),
    /// Whoever waits is told when all Events have been tried.
    Flush(oneshot::Sender<()>),
}

impl EventRecorder {
    /// Starts to record on the current tokio runtime, at a rate of its own.
    pub fn start(writer: &Writer, reporter: Reporter) -> Self {
        let (queue, told) = mpsc::channel(MOST_WAITING);
        let counts = Arc::new(Counts::default());
        let writer = writer.with_rate(RATE);
        let table = SeriesTable::default();
        let task =
            Task { writer, reporter, table, counts: Arc::clone(&counts), waiting: Vec::new() };
        tokio::spawn(task.run(told));
        Self { queue, counts }
    }

    /// Records an Event, from any thread and without waiting. Equal ones become a series.
    pub fn record(&self, event: Event) {
        if self.queue.try_send(Told::Event(event)).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every Event that was recorded has been tried, at most so long.
    pub async fn flush(&self, most: Duration) {
        let (done, over) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Told::Flush(done)).await.is_ok() {
                // Fails when the recorder is gone, and then there is nothing to wait for.
                let _ = over.await;
            }
        };
        // What is not written by then is lost.
        let _ = tokio::time::timeout(most, flushed).await;
    }

    /// Returns how many Events there were.
    pub fn counts(&self) -> EventCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { written, failed, dropped } = &*self.counts;
        EventCounts { written: read(written), failed: read(failed), dropped: read(dropped) }
    }
}

struct Task {
    writer: Writer,
    reporter: Reporter,
    table: SeriesTable,
    counts: Arc<Counts>,
    /// Who waits until all is tried.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self, mut told: mpsc::Receiver<Told>) {
        loop {
            while let Ok(one) = told.try_recv() {
                self.take(one);
            }
            if let Some(due) = self.table.due(Instant::now()) {
                let came = self.write(&due).await;
                self.table.came(&due, came, Instant::now());
                continue;
            }
            if !self.table.is_behind() {
                for waiting in self.waiting.drain(..) {
                    // Fails when nobody waits any more.
                    let _ = waiting.send(());
                }
            }
            let next = self.table.next();
            tokio::select! {
                one = told.recv() => match one {
                    Some(one) => self.take(one),
                    None => return,
                },
                () = until(next) => {}
            }
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Event(event) => {
                if !self.table.tell(event, now(), rand::random()) {
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Told::Flush(waiting) => self.waiting.push(waiting),
        }
    }

    async fn write(&self, due: &Due) -> Came {
        let namespace = due.event.regarding.namespace_of_events();
        let target = Resource::EVENTS.in_namespace(namespace, due.name.as_str());
        let (first, last) = due.times;
        let change = if due.is_there {
            Change::PatchAnyway(series(due.count, last))
        } else {
            let mut object = due.event.object(&due.name, &self.reporter, first);
            if due.count > 1 {
                object["series"] = series(due.count, last)["series"].take();
            }
            Change::Create(object)
        };
        let came = match self.writer.write(&Write { target, change }).await {
            Written::Done(_) => Came::Done,
            // It was made, though the answer did not say so.
            Written::NotDone { found: Found::There(_), .. } if !due.is_there => Came::Done,
            Written::NotDone { failure: Failure::Refused { code: 404, .. }, .. }
                if due.is_there =>
            {
                Came::Expired
            }
            Written::NotDone { failure, .. } => {
                let (reason, error) = (due.event.reason, failure.to_string());
                tracing::warn!(reason, error, "Event not written");
                if failure.is_final() { Came::Refused } else { Came::Failed }
            }
        };
        let count = match came {
            Came::Done => &self.counts.written,
            Came::Failed | Came::Refused => &self.counts.failed,
            Came::Expired => return came,
        };
        count.fetch_add(1, Ordering::Relaxed);
        came
    }
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
