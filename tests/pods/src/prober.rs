//! Probes without pause, while somebody else changes the rules.
//!
//! Rules change at some moment between the one when an edit is written and the one when it is known to be enforced. What
//! a probe may meet are the rules of every such epoch that it overlaps: [`Epochs`] says whether what it met was among
//! them.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::network::{Network, ip};
use super::probe::{Outcome, Probe, Waiting};

/// The time from one probe of a place to the next.
const PACE: Duration = Duration::from_millis(10);

/// How long an answer may take. TCP sends its first packet again after a second.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long after it was sent a probe that is lost may have met the rules: its packet, or the answer to it, which the
/// server sends when it gets to run.
const ON_THE_WAY: Duration = Duration::from_millis(500);

/// After how long the machine stood still, which stops processes to measure others: of probes that were under way then
/// nothing can be said. The answer may come when the kernel has forgotten the question.
const STANDSTILL: Duration = Duration::from_secs(1);

/// What came of a probe.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The probe.
    pub probe: Probe,
    /// Just before it was sent.
    pub sent: Instant,
    /// When the answer came, or as long as the packet may have been under way.
    pub ended: Instant,
    /// An answer came.
    pub is_answered: bool,
}

/// Rules, from when they may be in force to when they cannot be any more.
#[derive(Debug)]
struct Epoch<R> {
    rules: R,
    begins: Instant,
    /// None while no later rules are known to be enforced.
    ends: Option<Instant>,
}

/// The rules that have been in force.
#[derive(Debug)]
pub struct Epochs<R>(VecDeque<Epoch<R>>);

impl<R> Epochs<R> {
    /// Begins with rules that are enforced.
    pub fn new(rules: R, begins: Instant) -> Self {
        Self([Epoch { rules, begins, ends: None }].into())
    }

    /// Adds rules that may be in force from some moment on.
    pub fn begin(&mut self, rules: R, begins: Instant) {
        self.0.push_back(Epoch { rules, begins, ends: None });
    }

    /// Notes that the newest rules are enforced: no others are from here on.
    pub fn settle(&mut self, at: Instant) {
        let before = self.0.len().saturating_sub(1);
        self.0.iter_mut().take(before).for_each(|epoch| {
            epoch.ends.get_or_insert(at);
        });
        // What every probe has outlived is of no use.
        let is_old = |epoch: &Epoch<R>| epoch.ends.is_some_and(|end| end + 3 * PATIENCE < at);
        while self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// Says whether a probe met rules that it may have met. `allows` says what rules do with it.
    pub fn explain(&self, sighting: &Sighting, allows: impl Fn(&R) -> bool) -> bool {
        let overlaps = |epoch: &&Epoch<R>| {
            epoch.begins <= sighting.ended && epoch.ends.is_none_or(|end| sighting.sent <= end)
        };
        self.0.iter().filter(overlaps).any(|epoch| allows(&epoch.rules) == sighting.is_answered)
    }
}

impl Network {
    /// Probes again and again, one after the other, until it is told to stop; all probes are of one place.
    ///
    /// # Panics
    /// The kernel refuses a socket.
    pub fn keep_probing(&self, probes: &[Probe], stop: &AtomicBool, tell: &Sender<Sighting>) {
        let Some(first) = probes.first() else { return };
        self.place(first.from).within(|| {
            let mut waiting: Vec<(Waiting, Probe, Instant)> = Vec::new();
            let mut next = Instant::now();
            let mut probes = probes.iter().cycle();
            let mut last = Instant::now();
            while !stop.load(Ordering::Relaxed) || !waiting.is_empty() {
                let now = Instant::now();
                if now.duration_since(last) > STANDSTILL {
                    waiting.clear();
                }
                last = now;
                if now >= next && !stop.load(Ordering::Relaxed) {
                    // What was missed is not made up for.
                    next = now + PACE;
                    let probe = *probes.next().expect("it goes on for ever");
                    let to = (ip(probe.to, probe.family), probe.port).into();
                    let source = self.next_source(probe.from);
                    match Waiting::start(probe.transport, source, to) {
                        Ok(socket) => waiting.push((socket, probe, now)),
                        Err(outcome) => see(tell, probe, now, Some(outcome)),
                    }
                }
                collect(&mut waiting, next, tell);
            }
        });
    }
}

/// Waits until something comes, at most until the next probe, and tells of what has come and of what will not.
fn collect(waiting: &mut Vec<(Waiting, Probe, Instant)>, next: Instant, tell: &Sender<Sighting>) {
    let mut polled: Vec<PollFd<'_>> =
        waiting.iter().map(|(it, ..)| PollFd::new(it.socket.as_fd(), it.events())).collect();
    let left = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)).unwrap();
    let came: Vec<bool> = polled.iter().map(|fd| fd.revents().is_some_and(is_any)).collect();
    drop(polled);
    let mut came = came.into_iter();
    waiting.retain(|(socket, probe, sent)| {
        let has_come = came.next().unwrap_or_default();
        let is_over = has_come || sent.elapsed() > PATIENCE;
        if is_over {
            see(tell, *probe, *sent, has_come.then(|| socket.outcome()));
        }
        !is_over
    });
}

fn is_any(events: PollFlags) -> bool {
    !events.is_empty()
}

fn see(tell: &Sender<Sighting>, probe: Probe, sent: Instant, outcome: Option<Outcome>) {
    let is_answered = outcome == Some(Outcome::Connected);
    let ended = if is_answered { Instant::now() } else { sent + ON_THE_WAY };
    // Fails when nobody wants to know any more.
    let _ = tell.send(Sighting { probe, sent, ended, is_answered });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Family, Transport};

    #[test]
    fn a_probe_meets_the_rules_of_the_epochs_that_it_overlaps() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut epochs = Epochs::new(true, at(0));
        epochs.begin(false, at(1_000));
        epochs.settle(at(1_200));
        let probe =
            Probe { from: 0, to: 1, family: Family::V4, transport: Transport::Udp, port: 80 };
        // (sent, ended, answered, explained)
        let cases = [
            (100, 101, true, true),
            (100, 600, false, false),
            (1_100, 1_101, true, true),
            (1_100, 1_200, false, true),
            (950, 1_050, false, true),
            (1_201, 1_202, true, false),
            (1_201, 1_701, false, true),
            (900, 3_000, true, true),
        ];
        for (sent, ended, is_answered, expected) in cases {
            let sighting = Sighting { probe, sent: at(sent), ended: at(ended), is_answered };
            let explained = epochs.explain(&sighting, |allows| *allows);
            assert_eq!(explained, expected, "{sent} {ended} {is_answered}");
        }
    }
}
