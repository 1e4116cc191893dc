//! Who leads: the algorithm of client-go's `leaderelection`, without effects.
//!
//! A holder counts the time that it leads from before it asked for its Lease to be renewed, and stops after
//! `renew_deadline`. Others count the time that the Lease itself says, the `lease_duration` of its holder, from when they saw
//! it renewed, by their own clock, which is later; neither clocks nor times need agree. As long as the `renew_deadline` of
//! each is shorter than its `lease_duration` there are never two leaders.

use std::time::{Duration, Instant};

use crate::lease::Lease;
use crate::stamp::micro_time;

/// How long a Lease lasts. The default is that of kube-controller-manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseTimes {
    /// How long after its renewal was seen a Lease is taken over, of two that differ the longer. Default 15 s.
    pub lease_duration: Duration,
    /// How long a leader leads after the last renewal; shorter than `lease_duration`. Default 10 s.
    pub renew_deadline: Duration,
    /// How often it is renewed, or asked for; shorter than `renew_deadline`. Default 2 s.
    pub retry_period: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl LeaseTimes {
    /// Returns how long a write of a leader may take: one that is begun at the last moment is given up before the Lease can
    /// be taken.
    pub fn write_wait(&self) -> Duration {
        self.lease_duration.saturating_sub(self.renew_deadline)
    }
}

/// One of those who want to lead.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    identity: String,
    times: LeaseTimes,
    /// What the Lease said, and when it was first seen to say so.
    seen: Option<(Lease, Instant)>,
    /// Until when it leads.
    until: Option<Instant>,
}

impl Candidate {
    /// Returns one that does not lead.
    pub(crate) fn new(identity: String, times: LeaseTimes) -> Self {
        Self { identity, times, seen: None, until: None }
    }

    /// Returns until when it leads, if it does at `now`.
    pub(crate) fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Returns what the Lease looks like as far as is known, if it can be renewed without looking at it.
    pub(crate) fn renewal(&self, now: Instant, unix: Duration) -> Option<Lease> {
        self.leads_until(now)?;
        let (lease, _) = self.seen.as_ref()?;
        (lease.holder == self.identity).then(|| lease.renewed(unix))
    }

    /// Takes what the Lease says; returns what it should say, if that is its own to decide.
    pub(crate) fn look(
        &mut self,
        found: Option<Lease>,
        now: Instant,
        unix: Duration,
    ) -> Option<Lease> {
        let stamp = micro_time(unix);
        let own = |transitions, resource_version| Lease {
            resource_version,
            holder: self.identity.clone(),
            seconds: self.times.lease_duration.as_secs().max(1),
            acquired: stamp.clone(),
            renewed: stamp.clone(),
            transitions,
        };
        let Some(found) = found else {
            self.seen = None;
            return Some(own(0, String::new()));
        };
        let is_known = self.seen.as_ref().is_some_and(|(seen, _)| *seen == found);
        if !is_known {
            self.seen = Some((found.clone(), now));
        }
        if found.holder == self.identity {
            return Some(Lease { seconds: own(0, String::new()).seconds, ..found.renewed(unix) });
        }
        // Another holds it: it does not lead, whatever it knew.
        self.until = None;
        let (lease, since) = self.seen.as_ref()?;
        // Its holder may have been told to lead for longer than this one would wait.
        let wait = self.times.lease_duration.max(Duration::from_secs(lease.seconds));
        let is_over = since.checked_add(wait).is_some_and(|until| now >= until);
        let is_free = lease.holder.is_empty() || is_over;
        is_free.then(|| own(lease.transitions + 1, lease.resource_version.clone()))
    }

    /// Notes that the Lease is its own: `lease` as stored, asked for at `asked`.
    pub(crate) fn has(&mut self, lease: Lease, asked: Instant) {
        self.seen = Some((lease, asked));
        self.until = Some(asked + self.times.renew_deadline);
    }

    /// Says whether a Lease is the one that it asked for.
    pub(crate) fn is_own(&self, found: &Lease, asked: &Lease) -> bool {
        found.holder == self.identity && found.renewed == asked.renewed
    }

    /// Gives up; returns what the Lease should say, if it is its own: nobody holds it, so that others need not wait.
    pub(crate) fn release(&mut self, unix: Duration) -> Option<Lease> {
        self.until = None;
        let (lease, _) = self.seen.take()?;
        (lease.holder == self.identity).then(|| Lease {
            holder: String::new(),
            seconds: 1,
            ..lease.renewed(unix)
        })
    }
}

#[cfg(test)]
mod tests;
