//! How many questions of streams are under way at a listener, and how many of one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From how many clients on those that have gone are looked for.
const MANY: usize = 64;

/// The places for questions that are read, answered or written, of a listener for HTTPS, QUIC or HTTP/3.
///
/// A client that is not on this host may have half of them, so that one alone cannot keep the others waiting.
#[derive(Debug)]
pub(super) struct Workers {
    number: usize,
    all: Arc<Semaphore>,
    clients: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// What a connection may have of them.
#[derive(Clone, Debug)]
pub(super) struct Share {
    client: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Worker {
    _client: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Workers {
    /// Returns this many places.
    pub(super) fn new(number: usize) -> Self {
        let (all, clients) = (Arc::new(Semaphore::new(number)), Mutex::default());
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
            return Share { client: Arc::new(Semaphore::new(self.number)), all };
        }
        // Nothing panics while it is held.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MANY {
            clients.retain(|_, share| share.strong_count() > 0);
        }
        let known = clients.get(&client).and_then(Weak::upgrade);
        let client = known.unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(self.number.div_ceil(2)));
            clients.insert(client, Arc::downgrade(&share));
            share
        });
        Share { client, all }
    }
}

impl Share {
    /// Waits for a place.
    pub(super) async fn enter(&self) -> Option<Worker> {
        // None only when the semaphore is closed, which nobody does.
        let client = Arc::clone(&self.client).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Worker { _client: client, _all: all })
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
    fn clients_that_have_gone_are_forgotten() {
        let workers = Workers::new(4);
        for last in 0..200 {
            workers.share([10, 0, 1, last].into(), LOCAL);
        }
        assert!(workers.clients.lock().unwrap().len() <= MANY);
    }
}
