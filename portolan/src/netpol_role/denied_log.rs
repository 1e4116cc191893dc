//! The log of denied packets: what rules log to a netlink group becomes lines.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster_source::Source;
use netfilter::{Error, Log, LogEvent};
use netpol::{LogOptions, Mode};

use super::denials::{Denial, Profiles, Skipped, Throttle};
use super::metrics::Metrics;
use super::recent::Recent;

/// The octets of a packet that are taken, as rules send them.
const SNAPLEN: u32 = 128;

/// How long after a failure the group is asked for again.
const RETRY: Duration = Duration::from_secs(5);

/// How the kernel refuses a group that another process has: `EPERM`, or `EBUSY` in a race with it.
const TAKEN: [i32; 2] = [1, 16];

/// What lines are made with.
pub(super) struct DeniedLog {
    /// Whose addresses they are.
    pub source: Source,
    /// What stands behind the chains.
    pub profiles: Arc<RwLock<Profiles>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What had a line last.
    pub recent: Arc<Recent>,
}

/// The group that rules log to, and its receiver.
pub(super) struct Group {
    number: u16,
    log: Option<Log>,
}

/// Takes the group. Without a kernel that can log, rules must not: it would refuse them. While another process has the
/// group, they log, and it is asked for again and again.
pub(super) fn open(options: &mut Option<LogOptions>) -> Option<Group> {
    let number = (*options)?.group;
    match Log::open(number, SNAPLEN) {
        Ok(log) => Some(Group { number, log: Some(log) }),
        Err(error) if error.errno().is_some_and(|number| TAKEN.contains(&number)) => {
            tracing::warn!(
                group = number,
                "denied packets are not logged while another process has the group; choose another one with \
                 --denied-log-group"
            );
            Some(Group { number, log: None })
        }
        Err(error) => {
            let error = error.to_string();
            tracing::warn!(error, "denied packets are not logged; --denied-log 0 asks for none");
            *options = None;
            None
        }
    }
}

impl DeniedLog {
    /// Writes lines until the process ends.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(self, group: Group) -> Result<()> {
        let thread = std::thread::Builder::new().name("denied".to_owned());
        let run = move || {
            let Group { number, mut log } = group;
            let mut throttle = Throttle::default();
            loop {
                if let Some(log) = &mut log {
                    let error = self.tell(log, &mut throttle).to_string();
                    tracing::warn!(error, "denied packets are not logged for a while");
                }
                std::thread::sleep(RETRY);
                log = Log::open(number, SNAPLEN).ok();
            }
        };
        thread.spawn(run).context("cannot log denied packets")?;
        Ok(())
    }

    /// Tells packets until the socket fails, and returns why it did.
    fn tell(&self, log: &mut Log, throttle: &mut Throttle) -> Error {
        loop {
            match log.wait() {
                Ok(LogEvent::Lost(count)) => self.metrics.skipped("lost", count.into()),
                Ok(LogEvent::Packet(logged)) => {
                    let snapshot = self.source.snapshot();
                    let denial = {
                        let profiles = self.profiles.read().unwrap_or_else(PoisonError::into_inner);
                        Denial::read(&snapshot, &profiles, &logged)
                    };
                    if let Some(denial) = denial {
                        self.tell_one(denial, throttle);
                    }
                }
                Err(error) => return error,
            }
        }
    }

    fn tell_one(&self, denial: Denial, throttle: &mut Throttle) {
        let now = Instant::now();
        match throttle.admit(&denial, now) {
            Ok(()) => {
                write(&denial);
                self.recent.note(denial, now);
            }
            Err(Skipped::Repeated) => self.metrics.skipped("repeated", 1),
            Err(Skipped::TooMany) => self.metrics.skipped("too_many", 1),
        }
    }
}

fn write(denial: &Denial) {
    let Denial { pod, direction, peer, source, destination, traffic, .. } = denial;
    let (direction, policies) = (direction.name(), denial.policy_names());
    match denial.mode {
        Mode::Enforce => tracing::info!(
            pod, direction, peer, %traffic, policies, %source, %destination, "denied by policies"
        ),
        Mode::Audit => tracing::info!(
            pod, direction, peer, %traffic, policies, %source, %destination,
            "would be denied by policies, and passes for its namespace is audited"
        ),
    }
}
