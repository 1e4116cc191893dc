//! Makes an index of the slots: when there is none, when it is damaged, and when ranges or capacity change.

use std::collections::BTreeMap;

use super::entry::{ENTRY, Entry, OUTSIDE};
use super::layout::{CHUNK, HEADER, Header, NONE, RangeState, ReleasedCount};
use crate::address::{Family, number};
use crate::lease::{Lease, Millis, Slot, State};

/// Makes the octets of an index.
///
/// `template` says boot, capacity, buckets, sequence and ranges, each range with nothing in it or, where the old index
/// knew it, with its cursor; all else is computed. `slots` are all that were ever used, in order, at most `capacity`.
pub fn build(template: Header, slots: &[Slot]) -> (Header, Vec<u8>) {
    let mut header = template;
    header.used = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    header.held = 0;
    header.free = NONE;
    header.released_count = ReleasedCount::OfRange;
    for state in &mut header.ranges {
        (state.taken, state.oldest, state.newest, state.released) = (0, NONE, NONE, 0);
    }
    let mut octets = vec![0; usize::try_from(header.length()).unwrap_or(HEADER)];
    let entries = usize::try_from(header.entry(0)).unwrap_or(HEADER);
    octets[HEADER..entries].fill(0xff);
    let mut index = Index { header, octets };
    let mut released: BTreeMap<(Millis, u32), &Lease> = BTreeMap::new();
    for (slot, content) in (0..index.header.used).zip(slots).rev() {
        match content {
            Slot::Lease(lease) => {
                index.mark(lease);
                match lease.state {
                    State::Held => index.put_held(slot, lease),
                    State::Released { at, .. } => drop(released.insert((at, slot), lease)),
                }
            }
            Slot::Free | Slot::Unused => index.put_free(slot),
        }
    }
    let mut queues: BTreeMap<usize, Vec<(u32, &Lease)>> = BTreeMap::new();
    for ((_, slot), lease) in released {
        let (family, number) = (Family::of(lease.address), number(lease.address));
        let range = index.header.queue_of(family, number);
        queues.entry(range.unwrap_or(usize::MAX)).or_default().push((slot, lease));
    }
    for (range, queue) in queues {
        index.put_queue(range, &queue);
    }
    let encoded = index.header.encode();
    index.octets[..encoded.len()].copy_from_slice(&encoded);
    (index.header, index.octets)
}

/// Returns the ranges with cursors behind the address that was given out last, for those that have none.
pub fn with_cursors(mut ranges: Vec<RangeState>, slots: &[Slot]) -> Vec<RangeState> {
    let mut newest: BTreeMap<usize, Millis> = BTreeMap::new();
    for slot in slots {
        let Slot::Lease(lease) = slot else { continue };
        let (family, number) = (Family::of(lease.address), number(lease.address));
        for (at, state) in ranges.iter_mut().enumerate() {
            let is_inside = state.has(family, number);
            if is_inside && newest.get(&at).is_none_or(|since| lease.since >= *since) {
                newest.insert(at, lease.since);
                state.cursor =
                    if number == state.span.last { state.span.first } else { number + 1 };
            }
        }
    }
    ranges
}

struct Index {
    header: Header,
    octets: Vec<u8>,
}

impl Index {
    fn word(&mut self, at: u64) -> &mut [u8; 4] {
        let at = usize::try_from(at).unwrap_or(usize::MAX - 4);
        (&mut self.octets[at..at + 4]).try_into().expect("four octets")
    }

    fn link(&mut self, slot: u32, entry: &mut Entry) {
        let bucket = self.header.attachment_bucket(entry.key);
        entry.next_by_key =
            u32::from_le_bytes(std::mem::replace(self.word(bucket), slot.to_le_bytes()));
        let bucket = self.header.address_bucket(entry.address);
        entry.next_by_address =
            u32::from_le_bytes(std::mem::replace(self.word(bucket), slot.to_le_bytes()));
    }

    fn put(&mut self, slot: u32, entry: &Entry) {
        let at = usize::try_from(self.header.entry(slot)).unwrap_or(usize::MAX - ENTRY);
        self.octets[at..at + ENTRY].copy_from_slice(&entry.encode());
    }

    fn put_held(&mut self, slot: u32, lease: &Lease) {
        let mut entry = Entry::of(lease);
        self.link(slot, &mut entry);
        self.put(slot, &entry);
        self.header.held += 1;
    }

    fn put_free(&mut self, slot: u32) {
        self.put(slot, &Entry { newer: self.header.free, ..Entry::EMPTY });
        self.header.free = slot;
    }

    /// Links the released leases of a range, oldest first. Those of no range are found, but never freed by time.
    fn put_queue(&mut self, range: usize, queue: &[(u32, &Lease)]) {
        for (at, (slot, lease)) in queue.iter().enumerate() {
            let mut entry = Entry::of(lease);
            self.link(*slot, &mut entry);
            let neighbour =
                |at: Option<usize>| at.and_then(|at| queue.get(at)).map_or(NONE, |(slot, _)| *slot);
            entry.older = neighbour(at.checked_sub(1));
            entry.newer = neighbour(Some(at + 1));
            entry.range = u8::try_from(range).unwrap_or(OUTSIDE);
            self.put(*slot, &entry);
        }
        let Some(state) = self.header.ranges.get_mut(range) else { return };
        let end = |slot: Option<&(u32, &Lease)>| slot.map_or(NONE, |(slot, _)| *slot);
        (state.oldest, state.newest) = (end(queue.first()), end(queue.last()));
    }

    fn mark(&mut self, lease: &Lease) {
        let (family, number) = (Family::of(lease.address), number(lease.address));
        for range in 0..self.header.ranges.len() {
            let map = self.header.map(range);
            let state = &mut self.header.ranges[range];
            if !state.has(family, number) {
                continue;
            }
            state.taken += 1;
            state.released += u32::from(!lease.is_held());
            let offset = u64::try_from(number - state.span.first).unwrap_or_default();
            let Some(map) = map else { continue };
            let part = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            self.octets[part(map.bits + offset / 8)] |= 1 << (offset % 8);
            let at = part(map.counts + 2 * (offset / CHUNK));
            let count =
                u16::from_le_bytes([self.octets[at], self.octets[at + 1]]).saturating_add(1);
            self.octets[at..at + 2].copy_from_slice(&count.to_le_bytes());
        }
    }
}
