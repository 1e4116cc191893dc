//! How many questions of streams are under way at a listener, and how many of one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::network_of;

/// From how many clients on those that have gone are looked for.
const MANY: usize = 64;

/// What all messages may have that are not short and wait for a place or for their end, in octets.
const OCTETS: usize = 16 << 20;

/// The places for questions that are answered or written, of a listener for HTTPS, QUIC or HTTP/3, and the octets of
/// those that do not have one yet.
///
/// A client that is not on this host may have half of both, so that one alone cannot keep the others waiting; with
/// IPv6 that is a network, see [`network_of`].
#[derive(Debug)]
pub(super) struct Workers {
    number: usize,
    all: Arc<Places>,
    clients: Mutex<HashMap<IpAddr, Weak<Places>>>,
}

#[derive(Debug)]
struct Places {
    workers: Arc<Semaphore>,
    octets: Arc<Semaphore>,
}

/// What a connection may have of them.
#[derive(Clone, Debug)]
pub(super) struct Share {
    client: Arc<Places>,
    all: Arc<Places>,
}

/// A place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Worker {
    _client: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Octets of a message; dropping them makes room.
#[derive(Debug)]
pub(super) struct Reserved {
    client: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl Places {
    fn new(workers: usize, octets: usize) -> Arc<Self> {
        let places = |number| Arc::new(Semaphore::new(number));
        Arc::new(Self { workers: places(workers), octets: places(octets) })
    }
}

impl Workers {
    /// Returns this many places.
    pub(super) fn new(number: usize) -> Self {
        let (all, clients) = (Places::new(number, OCTETS), Mutex::default());
        Self { number, all, clients }
    }

    /// Returns how many places there are.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Returns what a connection of a client may have; a client on this host, which may be a proxy for many, all.
    pub(super) fn share(&self, client: IpAddr, local: IpAddr) -> Share {
        let all = Arc::clone(&self.all);
        if client.is_loopback() || client == local {
            return Share { client: Places::new(self.number, OCTETS), all };
        }
        let client = network_of(client);
        // Nothing panics while it is held.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MANY {
            clients.retain(|_, share| share.strong_count() > 0);
        }
        let known = clients.get(&client).and_then(Weak::upgrade);
        let client = known.unwrap_or_else(|| {
            let share = Places::new(self.number.div_ceil(2), OCTETS / 2);
            clients.insert(client, Arc::downgrade(&share));
            share
        });
        Share { client, all }
    }
}

impl Share {
    /// Takes a place if there is one for whoever comes next.
    pub(super) fn try_enter(&self) -> Option<Worker> {
        let client = Arc::clone(&self.client.workers).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all.workers).try_acquire_owned().ok()?;
        Some(Worker { _client: client, _all: all })
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Option<Worker> {
        // None only when the semaphore is closed, which nobody does.
        let client = Arc::clone(&self.client.workers).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all.workers).acquire_owned().await.ok()?;
        Some(Worker { _client: client, _all: all })
    }

    /// Takes octets of a message; none when there are not as many.
    pub(super) fn reserve(&self, octets: usize) -> Option<Reserved> {
        let octets = u32::try_from(octets).ok()?;
        let take = |places: &Places| Arc::clone(&places.octets).try_acquire_many_owned(octets).ok();
        Some(Reserved { client: take(&self.client)?, all: take(&self.all)? })
    }
}

impl Reserved {
    /// Adds octets of the same connection.
    pub(super) fn add(&mut self, other: Self) {
        self.client.merge(other.client);
        self.all.merge(other.all);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 10));

    fn enter(share: &Share) -> Option<Worker> {
        share.enter().now_or_never().flatten()
    }

    #[test]
    fn a_client_has_half_however_many_connections_it_has() {
        let workers = Workers::new(4);
        let client = |last| IpAddr::from([10, 0, 0, last]);
        let (one, again) = (workers.share(client(1), LOCAL), workers.share(client(1), LOCAL));
        let held = [enter(&one), enter(&again)];
        assert!(held.iter().all(Option::is_some) && enter(&one).is_none());
        let others = [enter(&workers.share(client(2), LOCAL)), enter(&workers.share(LOCAL, LOCAL))];
        assert!(others.iter().all(Option::is_some));
        assert!(enter(&workers.share(LOCAL, LOCAL)).is_none(), "all four are taken");
        drop(held);
        let own = workers.share([127, 0, 0, 1].into(), LOCAL);
        assert!(enter(&own).is_some() && enter(&one).is_some());
    }

    #[test]
    fn addresses_of_a_network_have_half_together() {
        let workers = Workers::new(4);
        let share = |client: &str| workers.share(client.parse().unwrap(), LOCAL);
        let shares = [share("2001:db8::1"), share("2001:db8::ffff:2")];
        let _held = shares.each_ref().map(|share| enter(share).unwrap());
        assert!(enter(&share("2001:db8::3")).is_none());
        assert!(enter(&share("2001:db8:0:1::1")).is_some(), "another network");
    }

    #[test]
    fn octets_of_a_client_are_half_and_come_back() {
        let workers = Workers::new(4);
        let share = |last| workers.share([10, 0, 0, last].into(), LOCAL);
        let (one, other) = (share(1), share(2));
        let mut held = one.reserve(OCTETS / 2 - 1).unwrap();
        held.add(one.reserve(1).unwrap());
        assert!(share(1).reserve(1).is_none());
        let others = other.reserve(OCTETS / 2).unwrap();
        assert!(share(3).reserve(1).is_none(), "all are taken");
        drop((held, others));
        assert!(one.reserve(OCTETS / 2).is_some());
    }

    #[test]
    fn clients_that_have_gone_are_forgotten() {
        let workers = Workers::new(4);
        for last in 0..200 {
            workers.share([10, 0, 1, last].into(), LOCAL);
        }
        assert!(workers.clients.lock().unwrap().len() <= MANY);
    }
}
