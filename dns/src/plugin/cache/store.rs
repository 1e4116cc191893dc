//! Where answers are kept: tables with a limit, in shards so that many threads can use them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use equivalent::Equivalent;
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use indexmap::IndexMap;

use super::entry::Entry;
use crate::Query;

/// How many shards a table has.
const SHARDS: usize = 16;

/// The most octets that the answers of one table take: one that is full of the largest answers must not take the
/// memory of the process.
pub(super) const MAX_OCTETS: usize = 64 << 20;

/// What tells answers apart: all of a question that an answer depends on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    name: LowerName,
    rest: Rest,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Rest {
    qtype: RecordType,
    qclass: DNSClass,
    dnssec_ok: bool,
    checking_disabled: bool,
}

/// A key that borrows its name, to look up without a copy.
#[derive(Clone, Copy, Debug)]
struct KeyRef<'a> {
    name: &'a LowerName,
    rest: Rest,
}

impl Rest {
    fn of(query: &Query) -> Self {
        Self {
            qtype: query.qtype,
            qclass: query.qclass,
            dnssec_ok: query.dnssec_ok(),
            checking_disabled: query.checking_disabled,
        }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.rest.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.rest == key.rest && *self.name == key.name
    }
}

/// A table of answers of one kind.
///
/// When a shard is full, an answer of it is put out at random: clients cannot choose which (and an order of use
/// would cost every hit a write).
pub(super) struct Table {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    capacity_of_shard: usize,
    entries: AtomicUsize,
    octets: AtomicUsize,
    random: AtomicU64,
}

#[derive(Default)]
struct Shard {
    entries: IndexMap<Key, Arc<Entry>, RandomState>,
    octets: usize,
}

impl Table {
    /// Returns an empty table for at most this many answers.
    pub(super) fn new(capacity: u32) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        let hasher = RandomState::new();
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            capacity_of_shard: (capacity / SHARDS).max(1),
            entries: AtomicUsize::new(0),
            octets: AtomicUsize::new(0),
            random: AtomicU64::new(hasher.hash_one(0)),
            hasher,
        }
    }

    /// Returns the answer to a question, whatever its age.
    pub(super) fn get(&self, query: &Query) -> Option<Arc<Entry>> {
        let key = KeyRef { name: &query.lower, rest: Rest::of(query) };
        self.shard(self.hasher.hash_one(key)).entries.get(&key).cloned()
    }

    /// Keeps the answer to a question; returns how many others had to go for it.
    pub(super) fn insert(&self, query: &Query, entry: Arc<Entry>) -> u64 {
        let key = Key { name: query.lower.clone(), rest: Rest::of(query) };
        let hash = self.hasher.hash_one(KeyRef { name: &key.name, rest: key.rest });
        let mut shard = self.shard(hash);
        let before = (shard.entries.len(), shard.octets);
        shard.octets += entry.octets();
        if let Some(old) = shard.entries.insert(key, entry) {
            shard.octets -= old.octets();
        }
        let mut evicted = 0;
        while shard.entries.len() > self.capacity_of_shard
            || (shard.octets > MAX_OCTETS / SHARDS && shard.entries.len() > 1)
        {
            // Not the one that has just come: it is the last.
            let others = shard.entries.len() - 1;
            let at = self.random_below(others);
            if let Some((_, gone)) = shard.entries.swap_remove_index(at) {
                shard.octets -= gone.octets();
                evicted += 1;
            }
        }
        self.account(before, (shard.entries.len(), shard.octets));
        evicted
    }

    /// Forgets the answer to a question.
    pub(super) fn remove(&self, query: &Query) {
        let key = KeyRef { name: &query.lower, rest: Rest::of(query) };
        let mut shard = self.shard(self.hasher.hash_one(key));
        let before = (shard.entries.len(), shard.octets);
        if let Some(gone) = shard.entries.swap_remove(&key) {
            shard.octets -= gone.octets();
        }
        self.account(before, (shard.entries.len(), shard.octets));
    }

    /// Returns the number of answers.
    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Returns roughly how much memory they take, in octets.
    pub(super) fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The upper bits: the map inside uses another hash of its own.
        let at = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        self.shards[at].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn account(&self, before: (usize, usize), after: (usize, usize)) {
        for (total, before, after) in
            [(&self.entries, before.0, after.0), (&self.octets, before.1, after.1)]
        {
            // Wraps around for less, as the total is never below what one shard had.
            total.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Returns a number below a limit; 0 for the limit 0 (xorshift, seeded with the hasher's secret).
    fn random_below(&self, limit: usize) -> usize {
        let mut x = self.random.load(Ordering::Relaxed) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.store(x, Ordering::Relaxed);
        usize::try_from(x >> 33).unwrap_or(0) % limit.max(1)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("entries", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::Reply;
    use crate::plugin::cache::worth::{Kind, Worth};
    use crate::plugin::testing::{query, record};

    fn entry(records: usize) -> Arc<Entry> {
        let answers = vec![record("a.example.", "10.0.0.1"); records];
        let reply = Reply { answers, ..Reply::default() };
        Arc::new(Entry::new(reply, Worth { kind: Kind::Success, ttl: 9 }, Instant::now()))
    }

    fn question(number: usize) -> Query {
        query(&format!("n{number}.example."), RecordType::A)
    }

    #[test]
    fn every_part_of_the_question_tells_answers_apart() {
        let table = Table::new(1024);
        let base = question(1);
        table.insert(&base, entry(1));
        assert!(table.get(&query("N1.EXAMPLE.", RecordType::A)).is_some(), "letter case does not");
        let mut edns = hickory_proto::op::Edns::new();
        edns.set_dnssec_ok(true);
        let others = [
            question(2),
            query("n1.example.", RecordType::AAAA),
            Query { qclass: DNSClass::CH, ..base.clone() },
            Query { checking_disabled: true, ..base.clone() },
            Query { edns: Some(edns), ..base.clone() },
        ];
        for other in others {
            assert!(table.get(&other).is_none(), "{other:?}");
        }
        let same = Query { authentic_data: true, id: 7, ..base.clone() };
        assert!(table.get(&same).is_some(), "AD and the id do not");
        table.remove(&base);
        assert_eq!((table.len(), table.octets()), (0, 0));
    }

    #[test]
    fn full_tables_put_out_others() {
        let table = Table::new(1024);
        let mut evicted = 0;
        for number in 0..5_000 {
            evicted += table.insert(&question(number), entry(1));
            assert!(table.get(&question(number)).is_some(), "the newest stays");
        }
        assert!(table.len() <= 1024, "{}", table.len());
        assert_eq!(evicted, 5_000 - table.len() as u64);
        let of_shards: usize = table.shards.iter().map(|s| s.lock().unwrap().entries.len()).sum();
        assert_eq!(of_shards, table.len());
    }

    #[test]
    fn large_answers_are_bounded_by_their_octets() {
        let table = Table::new(1_000_000);
        let large = entry(4_000);
        let fitting = MAX_OCTETS / large.octets();
        for number in 0..fitting * 2 {
            table.insert(&question(number), Arc::clone(&large));
        }
        assert!(table.octets() <= MAX_OCTETS, "{}", table.octets());
        assert!(table.len() <= fitting && table.len() > fitting / 2, "{}", table.len());
    }

    #[test]
    fn a_new_answer_takes_the_place_of_the_old() {
        let table = Table::new(1024);
        table.insert(&question(1), entry(1));
        let octets = table.octets();
        assert_eq!(table.insert(&question(1), entry(1)), 0);
        assert_eq!((table.len(), table.octets()), (1, octets));
    }
}
