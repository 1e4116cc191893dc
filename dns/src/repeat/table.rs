//! The kept replies.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Again, Counts, Lasting, Layout, Sizes};
use crate::Protocol;
use crate::engine::ListenerId;
use crate::random::Random;

/// Parts of the table that are locked one by one.
const SHARDS: usize = 64;

/// Sets of a shard; a reply may stand in one set alone.
const SETS: usize = 64;

/// Replies of a set. When all places are taken, one of them makes room.
const WAYS: usize = 8;

/// The most octets of a question and a reply that are kept.
const MOST_OCTETS: usize = 1024;

/// More addresses than fit into a reply that is kept.
const MOST_ORDERED: usize = MOST_OCTETS / 16;

/// Bits that remember which questions were asked before; see [`Shard::is_known`].
const MEMORY: usize = 1 << 13;

/// Bits that may be set before all are forgotten.
const MOST_REMEMBERED: usize = MEMORY / 4;

/// Kept replies, under the octets of their questions without the id.
///
/// Bounded by its places and by [`MOST_OCTETS`]. A question is kept when it comes a second time, so that names that are
/// asked once, by chance or by an attacker, put nothing out.
#[derive(Debug)]
pub(crate) struct Table {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    /// Counts up when every reply is to be forgotten.
    age: AtomicU32,
}

/// What of a question does not stand in its octets, and matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    pub(crate) listener: ListenerId,
    pub(crate) protocol: Protocol,
    /// Metrics tell the families apart.
    pub(crate) is_ipv6: bool,
    /// The class of the client; see [`Engine::client_class`](crate::Engine::client_class).
    pub(crate) class: u64,
}

/// What to keep of a reply.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) lasting: Lasting,
    pub(crate) layout: Layout,
    pub(crate) counts: Counts,
}

/// What the table knows of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeated {
    /// The reply has been written.
    Reply,
    /// It has been asked before; the reply is worth keeping.
    Again,
    /// It is new.
    New,
}

/// A part of the table. Its memory comes with the first question.
#[derive(Debug)]
struct Shard {
    places: Vec<Option<Box<Entry>>>,
    /// Some bits of the hash of what is in each place, so that a search reads no entry but the one it looks for.
    tags: Vec<u16>,
    memory: Vec<u64>,
    remembered: usize,
    random: Random,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    age: u32,
    /// The question without its id, then the reply.
    octets: Box<[u8]>,
    question: u16,
    lesson: Lesson,
}

impl Default for Table {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect();
        Self { hasher: RandomState::new(), shards, age: AtomicU32::new(0) }
    }
}

impl Table {
    /// Writes the reply to a message into `reply`, in place of what is there, if the message was answered before
    /// and the answer holds.
    pub(crate) fn repeat(
        &self,
        key: Key,
        message: &[u8],
        start: Instant,
        reply: &mut Vec<u8>,
    ) -> Repeated {
        let Some((id, question)) = split(message) else { return Repeated::New };
        let hash = self.hasher.hash_one((key, question));
        let mut shard = self.shard(hash);
        let shard = &mut *shard;
        let age = self.age.load(Ordering::Acquire);
        if let Some(place) = shard.find(hash, key, question)
            && let Some(entry) = shard.places[place].as_deref_mut()
        {
            if entry.age != age || !entry.lesson.lasting.holds(start) {
                return Repeated::Again;
            }
            entry.count_down(start);
            entry.write(id, &mut shard.random, reply);
            let sizes = Sizes { question: message.len(), reply: reply.len() };
            let again = Again { sizes: &[sizes], elapsed: start.elapsed() };
            entry.lesson.counts.iter().for_each(|count| count.count(again));
            return Repeated::Reply;
        }
        if shard.is_known(hash) { Repeated::Again } else { Repeated::New }
    }

    /// Keeps a reply.
    pub(crate) fn learn(&self, key: Key, message: &[u8], reply: &[u8], age: u32, lesson: Lesson) {
        let Some((_, question)) = split(message) else { return };
        let Ok(length) = u16::try_from(question.len()) else { return };
        if question.len() + reply.len() > MOST_OCTETS {
            return;
        }
        let hash = self.hasher.hash_one((key, question));
        let octets = [question, reply].concat().into_boxed_slice();
        let entry = Entry { key, age, octets, question: length, lesson };
        self.shard(hash).put(hash, entry);
    }

    /// Returns the age of the table, to be read before the answer is made that is kept.
    pub(crate) fn age(&self) -> u32 {
        self.age.load(Ordering::Acquire)
    }

    /// Forgets every reply: the plugins are others.
    pub(crate) fn forget(&self) {
        self.age.fetch_add(1, Ordering::Release);
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        // A panic between two statements that matter is impossible; what is there is whole.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id of a message, and what follows it.
fn split(message: &[u8]) -> Option<([u8; 2], &[u8])> {
    message.split_first_chunk::<2>().map(|(id, question)| (*id, question))
}

/// Returns the places where a reply may stand.
fn set_of(hash: u64) -> Range<usize> {
    let set = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) % SETS;
    set * WAYS..(set + 1) * WAYS
}

/// Returns bits of a hash that neither the shard nor the set follows from.
fn tag_of(hash: u64) -> u16 {
    let [_, _, low, high, ..] = hash.to_le_bytes();
    u16::from_le_bytes([low, high])
}

impl Default for Shard {
    fn default() -> Self {
        let (places, tags, memory) = (Vec::new(), Vec::new(), Vec::new());
        Self { places, tags, memory, remembered: 0, random: Random::new(0) }
    }
}

impl Shard {
    /// Returns the place of a reply.
    fn find(&self, hash: u64, key: Key, question: &[u8]) -> Option<usize> {
        let set = set_of(hash);
        let tags = self.tags.get(set.clone())?;
        let tagged = set.zip(tags).filter(|(_, tag)| **tag == tag_of(hash)).map(|(place, _)| place);
        let has = |place: &usize| {
            self.places[*place].as_deref().is_some_and(|entry| entry.is_for(key, question))
        };
        tagged.into_iter().find(has)
    }

    /// Says whether a question was asked lately, and remembers it.
    fn is_known(&mut self, hash: u64) -> bool {
        let bit = usize::try_from(hash >> 40).unwrap_or(0) % MEMORY;
        let (word, mask) = (bit / 64, 1 << (bit % 64));
        self.memory.resize(MEMORY / 64, 0);
        if self.memory[word] & mask != 0 {
            return true;
        }
        if self.remembered >= MOST_REMEMBERED {
            self.memory.fill(0);
            self.remembered = 0;
        }
        self.memory[word] |= mask;
        self.remembered += 1;
        false
    }

    /// Puts an entry in the place of one for the same question, of none, or of one at random.
    fn put(&mut self, hash: u64, entry: Entry) {
        self.places.resize_with(SETS * WAYS, || None);
        self.tags.resize(SETS * WAYS, 0);
        let mut set = set_of(hash);
        let same = self.find(hash, entry.key, entry.question());
        let at = same.or_else(|| set.clone().find(|at| self.places[*at].is_none()));
        let at = match at {
            Some(at) => at,
            None => set.nth(self.random.below(WAYS)).unwrap_or(0),
        };
        self.places[at] = Some(Box::new(entry));
        self.tags[at] = tag_of(hash);
    }
}

impl Entry {
    fn question(&self) -> &[u8] {
        &self.octets[..usize::from(self.question)]
    }

    fn is_for(&self, key: Key, question: &[u8]) -> bool {
        self.key == key && self.question() == question
    }

    /// Gives the records the TTL that they have by now.
    fn count_down(&mut self, now: Instant) {
        let Lesson { lasting, layout, .. } = &self.lesson;
        let Some(ttl) = lasting.ttl(now) else { return };
        for at in &layout.ttls {
            let at = usize::from(self.question) + usize::from(*at);
            self.octets[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
    }

    fn write(&self, id: [u8; 2], random: &mut Random, reply: &mut Vec<u8>) {
        let kept = &self.octets[usize::from(self.question)..];
        reply.clear();
        reply.extend_from_slice(kept);
        reply[..2].copy_from_slice(&id);
        let Lesson { lasting, layout, .. } = &self.lesson;
        if let Some(serial) = lasting.serial() {
            for at in &layout.serials {
                let at = usize::from(*at);
                reply[at..at + 4].copy_from_slice(&serial.to_be_bytes());
            }
        }
        for addresses in &layout.addresses {
            order(kept, addresses, random, reply);
        }
    }
}

/// Writes records that stand next to each other in a random order.
fn order(kept: &[u8], records: &[Range<u16>], random: &mut Random, reply: &mut [u8]) {
    let Some(first) = records.first() else { return };
    let mut order: [u8; MOST_ORDERED] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
    let order = &mut order[..records.len().min(MOST_ORDERED)];
    random.shuffle(order.len(), |a, b| order.swap(a, b));
    let mut at = usize::from(first.start);
    for record in order.iter().filter_map(|number| records.get(usize::from(*number))) {
        let octets = &kept[usize::from(record.start)..usize::from(record.end)];
        reply[at..at + octets.len()].copy_from_slice(octets);
        at += octets.len();
    }
}

#[cfg(test)]
mod tests;
