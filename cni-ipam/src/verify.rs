//! Whether an index says what the slots say: every rule of it, stated once more and as plainly as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::{Family, number};
use crate::lease::{Lease, Slot};
use crate::table::entry::{ENTRY, Entry, NO_RANGE, OUTSIDE};
use crate::table::layout::{CHUNK, Header, NONE, ReleasedCount};

/// Compares an index with the slots and returns what is wrong, empty when nothing is. `slots` are the used ones.
pub fn verify(header: &Header, index: &[u8], slots: &[Slot]) -> Vec<String> {
    if index.len() as u64 != header.length() {
        return vec![format!(
            "the index has {} octets instead of {}",
            index.len(),
            header.length()
        )];
    }
    let leases = slots.iter().zip(0..).filter_map(|(slot, at)| match slot {
        Slot::Lease(lease) => Some((at, lease.as_ref())),
        Slot::Free | Slot::Unused => None,
    });
    let check = Check { header, index, leases: leases.collect(), problems: Vec::new() };
    check.run(slots)
}

struct Check<'a> {
    header: &'a Header,
    index: &'a [u8],
    leases: BTreeMap<u32, &'a Lease>,
    problems: Vec<String>,
}

impl Check<'_> {
    fn run(mut self, slots: &[Slot]) -> Vec<String> {
        if slots.len() as u64 != u64::from(self.header.used) {
            self.say(format!("{} slots are used instead of {}", slots.len(), self.header.used));
        }
        self.addresses_are_unique();
        self.chains(self.header.attachment_bucket(0), "attachment", |entry| {
            (entry.key, entry.next_by_key)
        });
        self.chains(self.header.address_bucket(0), "address", |entry| {
            (entry.address, entry.next_by_address)
        });
        self.entries();
        self.free_slots(slots);
        for range in 0..self.header.ranges.len() {
            self.queue(range);
            self.map(range);
        }
        let held = self.leases.values().filter(|lease| lease.is_held()).count();
        if held as u64 != u64::from(self.header.held) {
            self.say(format!("{} leases are counted as held instead of {held}", self.header.held));
        }
        self.problems
    }

    fn say(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn octets<const N: usize>(&self, at: u64) -> [u8; N] {
        let at = usize::try_from(at).unwrap_or(usize::MAX - N);
        self.index.get(at..at + N).and_then(|octets| octets.try_into().ok()).unwrap_or([0xff; N])
    }

    fn entry(&self, slot: u32) -> Entry {
        if slot >= self.header.capacity {
            return Entry::EMPTY;
        }
        Entry::decode(&self.octets::<ENTRY>(self.header.entry(slot)))
    }

    fn addresses_are_unique(&mut self) {
        let mut seen: BTreeMap<IpAddr, u32> = BTreeMap::new();
        let leases: Vec<(u32, IpAddr)> =
            self.leases.iter().map(|(slot, lease)| (*slot, lease.address)).collect();
        for (slot, address) in leases {
            if let Some(other) = seen.insert(address, slot) {
                self.say(format!("{address} is in the slots {other} and {slot}"));
            }
        }
    }

    fn chains(&mut self, buckets: u64, name: &str, of: impl Fn(&Entry) -> (u32, u32)) {
        let mut seen = BTreeSet::new();
        for bucket in 0..self.header.buckets {
            let mut slot = u32::from_le_bytes(self.octets(buckets + 4 * u64::from(bucket)));
            while slot != NONE {
                let (hash, next) = of(&self.entry(slot));
                if !self.leases.contains_key(&slot) || hash & (self.header.buckets - 1) != bucket {
                    self.say(format!(
                        "slot {slot} is in a bucket by {name} where it does not belong"
                    ));
                    break;
                }
                if !seen.insert(slot) {
                    self.say(format!("slot {slot} is found by {name} twice"));
                    break;
                }
                slot = next;
            }
        }
        let missing: Vec<u32> =
            self.leases.keys().copied().filter(|slot| !seen.contains(slot)).collect();
        missing
            .into_iter()
            .for_each(|slot| self.say(format!("slot {slot} is not found by {name}")));
    }

    fn entries(&mut self) {
        let all: Vec<(u32, Lease)> =
            self.leases.iter().map(|(slot, lease)| (*slot, (*lease).clone())).collect();
        for (slot, lease) in all {
            let (entry, expected) = (self.entry(slot), Entry::of(&lease));
            if (entry.key, entry.address) != (expected.key, expected.address) {
                self.say(format!("slot {slot} has the hashes of another lease"));
            }
            if lease.is_held() != (entry.range == NO_RANGE) {
                self.say(format!("slot {slot} is held and in a queue, or neither"));
            }
        }
    }

    fn free_slots(&mut self, slots: &[Slot]) {
        let expected: BTreeSet<u32> = (0..)
            .zip(slots)
            .filter(|(_, slot)| !matches!(slot, Slot::Lease(_)))
            .map(|(at, _)| at)
            .collect();
        let mut seen = BTreeSet::new();
        let mut slot = self.header.free;
        while slot != NONE && seen.insert(slot) && seen.len() <= slots.len() {
            slot = self.entry(slot).newer;
        }
        if seen != expected {
            self.say(format!("{} slots are linked as free, {} are", seen.len(), expected.len()));
        }
    }

    fn queue(&mut self, range: usize) {
        let state = &self.header.ranges[range];
        let (newest, released) = (state.newest, state.released);
        let has = |lease: &Lease| {
            Family::of(lease.address) == state.family && state.span.contains(number(lease.address))
        };
        let mut seen = BTreeSet::new();
        let (mut before, mut slot) = (NONE, state.oldest);
        while slot != NONE {
            let entry = self.entry(slot);
            if entry.older != before || usize::from(entry.range) != range || !seen.insert(slot) {
                self.say(format!("slot {slot} has a wrong place in the queue of range {range}"));
                return;
            }
            (before, slot) = (slot, entry.newer);
        }
        if before != newest {
            self.say(format!("the queue of range {range} has a wrong end"));
        }
        if seen.iter().any(|slot| self.leases.get(slot).is_none_or(|lease| !has(lease))) {
            self.say(format!("the queue of range {range} has what is not of the range"));
        }
        let inside =
            self.leases.values().filter(|lease| !lease.is_held() && has(lease)).count() as u64;
        if self.header.released_count == ReleasedCount::OfRange && inside != u64::from(released) {
            self.say(format!(
                "range {range} counts {released} released addresses instead of {inside}"
            ));
        }
        let is_here = |(slot, lease): &(&u32, &&Lease)| {
            let is_outside = self.entry(**slot).range == OUTSIDE;
            !lease.is_held() && !is_outside && usize::from(self.entry(**slot).range) == range
        };
        let expected: BTreeSet<u32> =
            self.leases.iter().filter(is_here).map(|(slot, _)| *slot).collect();
        if expected != seen {
            self.say(format!("the queue of range {range} lacks released leases"));
        }
    }

    fn map(&mut self, range: usize) {
        let state = &self.header.ranges[range];
        let inside: BTreeSet<u128> = (self.leases.values())
            .filter(|lease| Family::of(lease.address) == state.family)
            .map(|lease| number(lease.address))
            .filter(|number| state.span.contains(*number))
            .collect();
        let (first, taken) = (state.span.first, state.taken);
        if inside.len() as u64 != taken {
            self.say(format!(
                "range {range} counts {taken} taken addresses instead of {}",
                inside.len()
            ));
        }
        let Some(map) = self.header.map(range) else { return };
        let mut marked = BTreeSet::new();
        for chunk in 0..map.chunks {
            let mut count = 0;
            for at in 0..CHUNK / 8 {
                let [octet] = self.octets(map.bits + chunk * CHUNK / 8 + at);
                if octet == 0 {
                    continue;
                }
                for bit in (0..8).filter(|bit| octet & (1 << bit) != 0) {
                    marked.insert(first + u128::from(chunk * CHUNK + 8 * at + bit));
                    count += 1;
                }
            }
            if u16::from_le_bytes(self.octets(map.counts + 2 * chunk)) != count {
                self.say(format!(
                    "chunk {chunk} of range {range} does not count the {count} bits in it"
                ));
            }
        }
        if marked != inside {
            self.say(format!(
                "the map of range {range} has {} bits for {} leases",
                marked.len(),
                inside.len()
            ));
        }
    }
}
