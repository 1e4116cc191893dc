//! The buckets of all clients: a table of a fixed size.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use siphasher::sip::SipHasher13;

use super::bucket::Rate;

/// The clients of one set: a client can be in any place of the set that its hash names.
const WAYS: usize = 8;

/// Buckets by client.
///
/// A query locks one set, for the length of a look at its places; those who ask at the same time are in other sets
/// but for one in thousands. The hash has a random key, so that nobody can choose addresses that fall into one set.
/// When a set is full, the bucket goes that is the first to be full again, and thus holds the least: a client that
/// asks too much stays while others come and go.
#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[Mutex<[Place; WAYS]>]>,
    key: [u8; 16],
    rate: Rate,
}

#[derive(Clone, Copy, Default, Debug)]
struct Place {
    /// The whole hash: two clients of the same are one in 2^64.
    hash: u64,
    /// See [`Rate::take`]; 0 for a place that is free.
    full_at: u64,
}

/// Who shares a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Client {
    /// The first address of the client's network.
    pub(super) network: IpAddr,
    /// Whether it has shown that the address is its own. Those that have and those that have not are counted apart,
    /// so that forged addresses take nothing from who really has them.
    pub(super) is_proven: bool,
}

/// What a query gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    /// Whether there was a token.
    pub(super) may_pass: bool,
    /// Whether a client that had not got all its tokens back was forgotten for it.
    pub(super) has_evicted: bool,
}

impl Table {
    /// Returns a table for so many clients, rounded up to whole sets.
    pub(super) fn new(clients: u32, rate: Rate, key: [u8; 16]) -> Self {
        let sets = usize::try_from(clients).unwrap_or(usize::MAX).div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), key, rate }
    }

    /// Takes a token of a client; `now` in nanoseconds since the table was made.
    pub(super) fn take(&self, client: Client, now: u64) -> Taken {
        let hash = self.hash(client);
        let mut set = self.set(hash);
        if let Some(place) = set.iter_mut().find(|place| place.hash == hash) {
            let taken = self.rate.take(place.full_at, now);
            place.full_at = taken.unwrap_or(place.full_at);
            return Taken { may_pass: taken.is_some(), has_evicted: false };
        }
        let Some(place) = set.iter_mut().min_by_key(|place| place.full_at) else {
            return Taken { may_pass: true, has_evicted: false };
        };
        let has_evicted = place.full_at > now;
        let taken = self.rate.take(0, now);
        *place = Place { hash, full_at: taken.unwrap_or(now) };
        Taken { may_pass: taken.is_some(), has_evicted }
    }

    fn hash(&self, client: Client) -> u64 {
        let mut octets = [0; 18];
        match client.network {
            IpAddr::V4(v4) => octets[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => octets[..16].copy_from_slice(&v6.octets()),
        }
        octets[16] = client.network.is_ipv4().into();
        octets[17] = client.is_proven.into();
        SipHasher13::new_with_key(&self.key).hash(&octets)
    }

    fn set(&self, hash: u64) -> MutexGuard<'_, [Place; WAYS]> {
        // Below the length, so that nothing is lost either way.
        let at = usize::try_from(hash % self.sets.len() as u64).unwrap_or_default();
        // Nothing panics while it is held.
        self.sets[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> Client {
        Client { network: Ipv4Addr::from_bits(number).into(), is_proven: false }
    }

    fn passed(table: &Table, client: Client, queries: usize, now: u64) -> usize {
        (0..queries).filter(|_| table.take(client, now).may_pass).count()
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let table = Table::new(1024, Rate::new(10, 5), [7; 16]);
        assert_eq!(passed(&table, client(1), 9, 0), 5);
        assert_eq!(passed(&table, client(2), 9, 0), 5);
        assert_eq!(passed(&table, Client { is_proven: true, ..client(1) }, 9, 0), 5);
        let v6 = Client { network: "::1".parse().unwrap(), is_proven: false };
        assert_eq!(passed(&table, v6, 9, 0), 5);
        assert_eq!(passed(&table, client(1), 9, 200_000_000), 2);
    }

    #[test]
    fn others_do_not_make_it_forget_who_asks_too_much() {
        let table = Table::new(64, Rate::new(10, 100), [7; 16]);
        assert_eq!(passed(&table, client(0), 200, 0), 100);
        let evicted = (1..100_000).filter(|n| table.take(client(*n), 0).has_evicted).count();
        assert_eq!(evicted, 100_000 - 64, "the place of the first client stays");
        assert_eq!(passed(&table, client(0), 200, 0), 0);
    }

    #[test]
    fn who_has_all_tokens_back_is_forgotten_without_loss() {
        let table = Table::new(8, Rate::new(10, 5), [7; 16]);
        for round in 0..1000 {
            // Half a second is what the burst takes to come back.
            let now = u64::from(round) * 600_000_000;
            assert!((0..8).all(|n| !table.take(client(round * 8 + n), now).has_evicted));
        }
    }

    /// Whatever the key, addresses that follow each other fall into all sets.
    #[test]
    fn the_key_decides_the_set() {
        let used = |key| {
            let table = Table::new(1024, Rate::new(1, 1), [key; 16]);
            (0..512).for_each(|n| assert!(table.take(client(n), 0).may_pass));
            let is_used = |set: &&Mutex<[Place; WAYS]>| {
                set.lock().unwrap().iter().any(|place| place.full_at > 0)
            };
            table.sets.iter().filter(is_used).count()
        };
        for key in 0..8 {
            assert!(used(key) > 110, "{} of 128 sets", used(key));
        }
    }
}
