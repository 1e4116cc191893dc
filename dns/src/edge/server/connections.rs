//! Which connections are open, and which one goes when there are too many.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::task::AtomicWaker;

/// The open connections of a listener.
///
/// A connection is in use while a question is under way or a reply has not been written. Those that are not are
/// kept as long as there is room: when there is none, the one idle longest goes for the newest. A client has a part
/// of all places, so that one alone cannot send the others away; it gives up its own. With IPv6 a client is a
/// network, see [`network_of`].
#[derive(Debug)]
pub(super) struct Connections {
    limit: AtomicUsize,
    per_client: AtomicUsize,
    start: Instant,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<Slot>>,
    by_client: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Slot {
    /// Its network, as [`network_of`] has it.
    client: IpAddr,
    /// Since when it is idle, in microseconds from the start; [`IN_USE`] while it is not.
    idle_since: AtomicU64,
    is_evicted: AtomicBool,
    /// The task of the connection.
    task: AtomicWaker,
}

const IN_USE: u64 = u64::MAX;

/// As many places are enough, where there is no limit.
const MANY: usize = 1024;

/// The limit that keeps a connection out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// All places of the listener are in use.
    Listener,
    /// All places of the client are in use.
    Client,
}

/// The place of an open connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    slot: Arc<Slot>,
}

/// Returns the addresses that one client may have as many of as it likes: with IPv6 the /64, of which hosts choose
/// their addresses themselves (RFC 4291 §2.5.1), else the address alone.
pub(super) fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Connections {
    /// Returns no connections, of which there may be as many, and as many from one client.
    pub(super) fn new(limit: usize, per_client: usize) -> Arc<Self> {
        let (start, table) = (Instant::now(), Mutex::default());
        let (limit, per_client) = (AtomicUsize::new(limit), AtomicUsize::new(per_client));
        Arc::new(Self { limit, per_client, start, table })
    }

    /// Sets how many there may be; those that are open stay.
    pub(super) fn limit(&self, limit: usize, per_client: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.per_client.store(per_client, Ordering::Relaxed);
    }

    /// Gives a connection a place, another one's if need be; says whether another one went.
    ///
    /// A client on this host, which may be a proxy for many, may have all places.
    pub(super) fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        local: IpAddr,
        now: Instant,
    ) -> Result<(Place, bool), Full> {
        let is_own = client.is_loopback() || client == local;
        let client = network_of(client);
        let mut table = self.table();
        let of_client = table.by_client.get(&client).copied().unwrap_or_default();
        let (victim, full) = if !is_own && of_client >= self.per_client.load(Ordering::Relaxed) {
            (table.idle_longest(|slot| slot.client == client), Full::Client)
        } else if table.open.len() >= self.limit.load(Ordering::Relaxed) {
            (table.idle_longest(|_| true), Full::Listener)
        } else {
            return Ok((self.place(&mut table, client, now), false));
        };
        let victim = table.remove(victim.ok_or(full)?);
        if let Some(slot) = victim {
            slot.is_evicted.store(true, Ordering::Release);
            slot.task.wake();
        }
        Ok((self.place(&mut table, client, now), true))
    }

    /// Says whether half of all places, or of those of a client, are taken.
    pub(super) fn are_scarce(&self, client: IpAddr) -> bool {
        let half = |limit: &AtomicUsize| limit.load(Ordering::Relaxed).min(MANY).div_ceil(2);
        let table = self.table();
        let of_client = table.by_client.get(&network_of(client)).copied().unwrap_or_default();
        table.open.len() >= half(&self.limit) || of_client >= half(&self.per_client)
    }

    fn place(self: &Arc<Self>, table: &mut Table, client: IpAddr, now: Instant) -> Place {
        let (idle_since, is_evicted) = (AtomicU64::new(self.stamp(now)), AtomicBool::new(false));
        let slot = Arc::new(Slot { client, idle_since, is_evicted, task: AtomicWaker::new() });
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Arc::clone(&slot));
        *table.by_client.entry(client).or_default() += 1;
        Place { connections: Arc::clone(self), number, slot }
    }

    fn stamp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_micros()).unwrap_or(IN_USE - 1)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held, and every state of it is a valid one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn idle_longest(&self, is_candidate: impl Fn(&Slot) -> bool) -> Option<u64> {
        let candidates = self.open.iter().filter(|(_, slot)| is_candidate(slot));
        let idle = candidates.filter_map(|(number, slot)| {
            let since = slot.idle_since.load(Ordering::Relaxed);
            (since != IN_USE).then_some((since, *number))
        });
        idle.min().map(|(_, number)| number)
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Slot>> {
        let slot = self.open.remove(&number)?;
        if let Some(count) = self.by_client.get_mut(&slot.client) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&slot.client);
            }
        }
        Some(slot)
    }
}

impl Place {
    /// Says that the connection is in use.
    pub(super) fn is_in_use(&self) {
        self.slot.idle_since.store(IN_USE, Ordering::Relaxed);
    }

    /// Says that the connection is idle since a moment.
    pub(super) fn is_idle_since(&self, moment: Instant) {
        self.slot.idle_since.store(self.connections.stamp(moment), Ordering::Relaxed);
    }

    /// Says whether another connection has got the place.
    pub(super) fn is_evicted(&self) -> bool {
        self.slot.is_evicted.load(Ordering::Acquire)
    }

    /// Waits until another connection has got the place. One task can wait for that.
    pub(super) fn poll_evicted(&self, context: &mut Context<'_>) -> Poll<()> {
        // Before looking, so that what happens in between wakes the task.
        self.slot.task.register(context.waker());
        if self.is_evicted() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// As [`Self::poll_evicted`].
    pub(super) async fn evicted(&self) {
        poll_fn(|context| self.poll_evicted(context)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 10));

    fn client(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn the_one_idle_longest_goes_and_none_in_use() {
        let connections = Connections::new(3, 3);
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let admit = |last, seconds| connections.admit(client(last), LOCAL, at(seconds));
        let (first, evicted) = admit(1, 0).unwrap();
        assert!(!evicted);
        let (second, _) = admit(2, 1).unwrap();
        let (third, _) = admit(3, 2).unwrap();
        first.is_in_use();
        second.is_idle_since(at(9));
        let (fourth, evicted) = admit(4, 10).unwrap();
        assert!(evicted && third.is_evicted() && !first.is_evicted() && !second.is_evicted());
        // The one that went has no place to give back.
        drop(third);
        second.is_in_use();
        fourth.is_in_use();
        assert_eq!(admit(5, 11).unwrap_err(), Full::Listener);
        drop(first);
        assert!(!admit(5, 12).unwrap().1);
    }

    #[tokio::test]
    async fn a_connection_that_waits_learns_that_it_has_to_go() {
        let connections = Connections::new(1, 1);
        let admit = || connections.admit(client(1), LOCAL, Instant::now()).unwrap();
        let (first, _) = admit();
        let waits = tokio::spawn(async move { first.evicted().await });
        tokio::task::yield_now().await;
        let (_second, evicted) = admit();
        assert!(evicted);
        waits.await.unwrap();
    }

    #[test]
    fn addresses_of_a_network_are_one_client() {
        let connections = Connections::new(10, 2);
        let admit = |client: &str| {
            let client = client.parse().unwrap();
            connections.admit(client, LOCAL, Instant::now()).map(|(place, _)| place)
        };
        let held = ["2001:db8::1", "2001:db8::2"].map(|client| admit(client).unwrap());
        held.iter().for_each(Place::is_in_use);
        assert_eq!(admit("2001:db8::3").unwrap_err(), Full::Client);
        assert!(admit("2001:db8:0:1::1").is_ok(), "another network");
        assert!(connections.are_scarce("2001:db8::4".parse().unwrap()));
        drop(held);
        assert!(connections.table().by_client.is_empty());
    }

    #[test]
    fn a_client_gives_up_its_own_and_a_proxy_on_the_host_has_all() {
        let connections = Connections::new(10, 2);
        let now = Instant::now();
        let admit = |client| connections.admit(client, LOCAL, now);
        let (other, _) = admit(client(9)).unwrap();
        let (first, _) = admit(client(1)).unwrap();
        let (second, _) = admit(client(1)).unwrap();
        first.is_in_use();
        let (third, evicted) = admit(client(1)).unwrap();
        assert!(evicted && second.is_evicted() && !other.is_evicted());
        third.is_in_use();
        assert_eq!(admit(client(1)).unwrap_err(), Full::Client);
        let own = [[127, 0, 0, 1].into(), LOCAL].map(|own| {
            [admit(own).unwrap(), admit(own).unwrap(), admit(own).unwrap()].map(|(place, _)| place)
        });
        drop(own);
        assert_eq!(connections.table().by_client.len(), 2);
        drop((other, first, third));
        // The place of the second went to the third.
        drop(second);
        let table = connections.table();
        assert!(table.open.is_empty() && table.by_client.is_empty());
    }
}
