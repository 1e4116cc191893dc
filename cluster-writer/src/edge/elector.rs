//! Holds a Lease for as long as it can be held.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::writer::{WriteRate, Writer};
use crate::election::{Candidate, LeaseTimes};
use crate::failure::{Found, Written};
use crate::lease::Lease;
use crate::resource::{Resource, Target};
use crate::write::{Change, Write};

/// Leases (coordination.k8s.io/v1).
const LEASES: Resource = Resource { api_version: "coordination.k8s.io/v1", plural: "leases" };

/// A Lease is always asked for: no more than this is.
const RATE: WriteRate = WriteRate { per_second: 100, burst: 100 };

/// How long a process leads: none when it does not. It may not write behind that time.
pub type Term = Option<Instant>;

/// A candidate for a Lease, which runs until it is told to stop.
#[derive(Debug)]
pub struct Elector {
    stop: watch::Sender<bool>,
    term: watch::Receiver<Term>,
    task: JoinHandle<()>,
}

impl Elector {
    /// Starts to ask for the Lease of a namespace and name, on the current tokio runtime. `identity` has to be of this process
    /// alone.
    pub fn start(
        writer: &Writer,
        (namespace, name): (&str, &str),
        identity: String,
        times: LeaseTimes,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (terms, term) = watch::channel(None);
        let seeker = Seeker {
            // What is not answered within a period is asked for again.
            writer: writer.with_rate(RATE).with_wait(times.retry_period),
            target: LEASES.in_namespace(namespace, name),
            candidate: Candidate::new(identity, times),
            period: times.retry_period,
            terms,
        };
        let task = tokio::spawn(seeker.run(stopped));
        Self { stop, term, task }
    }

    /// Returns how long this process leads; it changes with every renewal.
    pub fn term(&self) -> watch::Receiver<Term> {
        self.term.clone()
    }

    /// Gives the Lease back, so that another can lead at once. Nothing may be under way any more that only a leader may do.
    pub async fn release(self) {
        self.stop.send_replace(true);
        // It has ended by itself, or does now.
        let _ = self.task.await;
    }
}

struct Seeker {
    writer: Writer,
    target: Target,
    candidate: Candidate,
    period: Duration,
    terms: watch::Sender<Term>,
}

impl Seeker {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut was_leading = false;
        loop {
            self.attempt().await;
            let until = self.candidate.leads_until(Instant::now());
            self.terms.send_replace(until);
            if was_leading != until.is_some() {
                was_leading = until.is_some();
                let lease = format!("{}/{}", self.target.namespace, self.target.name);
                if was_leading {
                    tracing::info!(lease, "leading");
                } else {
                    tracing::warn!(lease, "not leading any more");
                }
            }
            // Up to a fifth longer, as client-go: so that candidates do not ask together.
            let jitter = if was_leading { 0.0 } else { 0.2 * rand::random::<f64>() };
            let pause = self.period.mul_f64(1.0 + jitter);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error is the end of the elector, which stops, too.
                _ = stopped.changed() => break,
            }
        }
        self.terms.send_replace(None);
        if let Some(lease) = self.candidate.release(unix()) {
            let object = lease.object(&self.target.namespace, &self.target.name);
            // Without it the others wait until the Lease is over.
            self.write(Change::Replace(object)).await;
        }
    }

    /// Renews or asks for the Lease once.
    async fn attempt(&mut self) {
        let asked = Instant::now();
        let wanted = match self.candidate.renewal(asked, unix()) {
            Some(wanted) => Some(wanted),
            None => match self.writer.look(&self.target).await {
                Ok(found) => self.look(found),
                Err(failure) => {
                    tracing::warn!(error = %failure, "Lease not read");
                    None
                }
            },
        };
        let Some(wanted) = wanted else { return };
        let object = wanted.object(&self.target.namespace, &self.target.name);
        let change = if wanted.resource_version.is_empty() {
            Change::Create(object)
        } else {
            Change::Replace(object)
        };
        match self.write(change).await {
            Written::Done(json) => {
                if let Some(lease) = Lease::read(&json) {
                    self.candidate.has(lease, asked);
                }
            }
            Written::NotDone { failure, found } => {
                tracing::warn!(error = %failure, "Lease not written");
                let lease = match &found {
                    Found::There(json) => Lease::read(json),
                    Found::Nothing | Found::Unknown => None,
                };
                match lease.filter(|lease| self.candidate.is_own(lease, &wanted)) {
                    // It was written, though the answer did not say so.
                    Some(lease) => self.candidate.has(lease, asked),
                    // What is wanted now is asked for in the next period.
                    None => drop(self.look(found)),
                }
            }
        }
    }

    fn look(&mut self, found: Found) -> Option<Lease> {
        let found = match found {
            // What is no Lease is left alone.
            Found::There(json) => Some(Lease::read(&json)?),
            Found::Nothing => None,
            Found::Unknown => return None,
        };
        self.candidate.look(found, Instant::now(), unix())
    }

    async fn write(&self, change: Change) -> Written {
        self.writer.write(&Write { target: self.target.clone(), change }).await
    }
}

fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
