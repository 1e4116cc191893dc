//! Faults a test switches on: what goes wrong between a client and an API server.
//!
//! [`layer`] injects them in front of any [`crate::service::Service`], so the in-process server
//! and the proxy before a real cluster misbehave alike.

pub mod door;
pub mod layer;
pub mod watches;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use door::Door;
use watches::{Order, Watches};

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Never.
    #[default]
    Off,
    /// The given number of times.
    Next(u32),
    /// Until switched off.
    UntilOff,
}

impl Extent {
    /// Whether the fault strikes now; counts it.
    fn strike(&mut self) -> bool {
        match self {
            Self::Off | Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
            Self::UntilOff => true,
        }
    }
}

/// How a watch stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The body ends as if its time were over.
    Clean,
    /// The TCP connection is reset, and with it all that runs on it.
    Reset,
}

/// What becomes of the next watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFault {
    /// Its first half is sent, then the stream ends.
    Half,
    /// A line that is not JSON is sent in its place.
    Garbage,
}

/// An answer given instead of the real one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorAnswer {
    pub code: u16,
    pub retry_after: Option<Duration>,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// It is answered with this code and not done.
    Refused(u16),
    /// It is done, and answered with 500 as if it were not.
    AnswerLost,
}

#[derive(Debug)]
struct FaultyWrites {
    every: u64,
    fault: WriteFault,
    seen: u64,
}

#[derive(Debug, Default)]
struct Switches {
    writes: Vec<FaultyWrites>,
    duplicates: bool,
    resource: Option<String>,
    error: Option<(ErrorAnswer, Extent)>,
    half_lists: Extent,
    latency: Duration,
    event: Option<EventFault>,
}

/// The switches. Clones share them; all are off at first.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    switches: Arc<Mutex<Switches>>,
    pub(crate) watches: Watches,
    pub(crate) door: Door,
}

impl Faults {
    /// Restricts all faults but [`Faults::refuse_connections`] to one plural resource name.
    pub fn limit_to(&self, resource: &str) {
        self.lock().resource = Some(resource.to_owned());
    }

    /// Ends every open watch; returns how many.
    pub fn cut_watches(&self, cut: Cut) -> usize {
        let order = match cut {
            Cut::Clean => Order::End,
            Cut::Reset => Order::Reset,
        };
        self.order(order)
    }

    /// Lets every open watch fall silent without closing it, or has the silent ones go on;
    /// watches opened later are not concerned. Returns how many are open.
    pub fn stall_watches(&self, stalled: bool) -> usize {
        self.order(if stalled { Order::Stall } else { Order::Deliver })
    }

    /// Returns the number of open watches, silent ones included.
    #[must_use]
    pub fn open_watches(&self) -> usize {
        self.watches.open()
    }

    /// Waits until a number of watches is open.
    pub async fn wait_for_open_watches(&self, count: usize) {
        self.watches.wait_for(count).await;
    }

    /// Answers requests with 500.
    pub fn answer_500(&self, extent: Extent) {
        self.answer(500, extent);
    }

    /// Answers requests with 429 and a Retry-After header, in whole seconds.
    pub fn answer_429(&self, extent: Extent, retry_after: Duration) {
        let retry_after = Some(retry_after);
        self.lock().error = Some((ErrorAnswer { code: 429, retry_after }, extent));
    }

    /// Answers requests with any other status code, such as 401, 403 or 503.
    pub fn answer(&self, code: u16, extent: Extent) {
        let retry_after = None;
        self.lock().error = Some((ErrorAnswer { code, retry_after }, extent));
    }

    /// Lets one of so many writes fail, beside other faults of this kind; counting begins now. Leases are spared: who leads
    /// is another matter.
    pub fn fail_writes(&self, every: u64, fault: WriteFault) {
        self.lock().writes.push(FaultyWrites { every: every.max(1), fault, seen: 0 });
    }

    /// Delivers every watch event twice, or once again.
    pub fn duplicate_events(&self, duplicated: bool) {
        self.lock().duplicates = duplicated;
    }

    /// Sends the first half of lists, then breaks the connection.
    pub fn half_list(&self, extent: Extent) {
        self.lock().half_lists = extent;
    }

    /// Cuts the next watch event in the middle and ends its stream.
    pub fn half_event(&self) {
        self.lock().event = Some(EventFault::Half);
    }

    /// Sends a line that is not JSON in place of the next watch event.
    pub fn garbage_event(&self) {
        self.lock().event = Some(EventFault::Garbage);
    }

    /// Delays every answer.
    pub fn latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Takes the server away, resetting all connections, or brings it back at the same port;
    /// returns when that has happened.
    pub async fn refuse_connections(&self, refused: bool) {
        self.door.set_refused(refused).await;
    }

    /// Switches everything off but [`Faults::refuse_connections`]; silent watches go on.
    pub fn clear(&self) {
        *self.lock() = Switches::default();
        self.order(Order::Deliver);
    }

    pub(crate) fn latency_for(&self, resource: &str) -> Duration {
        self.concerning(resource).map(|s| s.latency).unwrap_or_default()
    }

    pub(crate) fn error_for(&self, resource: &str) -> Option<ErrorAnswer> {
        let mut switches = self.concerning(resource)?;
        let (answer, extent) = switches.error.as_mut()?;
        extent.strike().then_some(*answer)
    }

    /// Counts a write; returns what becomes of it.
    pub(crate) fn write_fault_for(&self, resource: &str) -> Option<WriteFault> {
        let mut switches = self.concerning(resource).filter(|_| resource != "leases")?;
        let mut struck = None;
        for writes in &mut switches.writes {
            writes.seen += 1;
            if writes.seen % writes.every == 0 {
                struck = Some(writes.fault);
            }
        }
        struck
    }

    pub(crate) fn are_duplicated(&self, resource: &str) -> bool {
        self.concerning(resource).is_some_and(|switches| switches.duplicates)
    }

    pub(crate) fn is_half_list(&self, resource: &str) -> bool {
        self.concerning(resource).is_some_and(|mut s| s.half_lists.strike())
    }

    pub(crate) fn take_event_fault(&self, resource: &str) -> Option<EventFault> {
        self.concerning(resource)?.event.take()
    }

    fn order(&self, order: Order) -> usize {
        let resource = self.lock().resource.clone();
        self.watches.order(resource.as_deref(), order)
    }

    fn concerning(&self, resource: &str) -> Option<MutexGuard<'_, Switches>> {
        let switches = self.lock();
        let is_concerned = switches.resource.as_ref().is_none_or(|only| only == resource);
        is_concerned.then_some(switches)
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
