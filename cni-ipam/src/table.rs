//! The leases of a network with what finds them: by attachment, by address, the next free address, the oldest released.
//!
//! A table reads and changes octets of files through a [`Transaction`]; what each operation costs does not depend on how
//! many leases there are. The slots are the truth; everything else is the index, which [`build`] makes of them.

pub mod build;
mod chain;
pub mod entry;
pub mod layout;
mod map;
#[cfg(test)]
pub(crate) mod memory;
mod queue;
#[cfg(test)]
mod tests;
pub mod transaction;

use std::net::IpAddr;

use cni::Attachment;

use self::chain::By;
use self::entry::{Entry, NO_RANGE, hash_of_address, hash_of_attachment, hash_of_pod};
use self::layout::{HEADER, Header, HeaderError, NONE};
use self::transaction::{Changes, Files, Transaction};
use crate::address::{Family, number};
use crate::failure::Failure;
use crate::lease::{Lease, Millis, Pod, Slot, State};
use crate::range::Span;

/// Most addresses of a range without a map that are tried for one that is free.
const MAX_TRIED: u32 = 1 << 17;

/// Most leases of a queue that are looked at for one whose address may be given out.
const MAX_LOOKED_AT: usize = 1024;

/// A lease and the slot that it is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The slot.
    pub slot: u32,
    /// The lease.
    pub lease: Lease,
}

/// The leases of a network, with changes that are not committed.
pub struct Table<'a> {
    header: Header,
    transaction: Transaction<'a>,
}

impl<'a> Table<'a> {
    /// Begins with a header that has been read from the files.
    pub fn new(files: &'a dyn Files, header: Header) -> Self {
        Self { header, transaction: Transaction::new(files) }
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Remembers that the leases of host-local are in the table.
    pub fn set_imported(&mut self) {
        self.header.is_imported = true;
        self.touch();
    }

    /// Remembers that all leases are of this boot.
    pub fn forget_earlier_boots(&mut self) {
        self.header.has_earlier_boots = false;
        self.touch();
    }

    /// Remembers which settings are written beside the store.
    pub fn set_settings(&mut self, settings: u32) {
        self.header.settings = settings;
        self.touch();
    }

    /// Remembers the slot that collecting goes on at.
    pub fn set_collected(&mut self, slot: u32) {
        self.header.collected = slot;
        self.touch();
    }

    /// Returns the leases that an attachment holds.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn held_by(&self, attachment: &Attachment) -> Result<Vec<Found>, Failure> {
        let found = self.find(By::Key, hash_of_attachment(attachment))?;
        let is_meant =
            |found: &Found| found.lease.is_held() && found.lease.attachment == *attachment;
        Ok(found.into_iter().filter(is_meant).collect())
    }

    /// Returns the released leases that an interface of a pod held last.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn released_by(&self, pod: &Pod, attachment: &Attachment) -> Result<Vec<Found>, Failure> {
        let found = self.find(By::Key, hash_of_pod(pod, attachment))?;
        let is_meant = |found: &Found| {
            let lease = &found.lease;
            let is_pod = (&lease.pod.namespace, &lease.pod.name) == (&pod.namespace, &pod.name);
            !lease.is_held() && is_pod && lease.attachment.ifname == attachment.ifname
        };
        Ok(found.into_iter().filter(is_meant).collect())
    }

    /// Returns the lease of an address, held or released.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn at(&self, address: IpAddr) -> Result<Option<Found>, Failure> {
        let found = self.find(By::Address, hash_of_address(address))?;
        Ok(found.into_iter().find(|found| found.lease.address == address))
    }

    /// Returns the lease in a slot.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn in_slot(&self, slot: u32) -> Result<Option<Lease>, Failure> {
        Ok(match self.transaction.read_slot(slot)? {
            Slot::Lease(lease) => Some(*lease),
            Slot::Free | Slot::Unused => None,
        })
    }

    /// Returns the first address from `from` to `to` that is neither held nor released. Both are inside of the range.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn first_free(&self, range: usize, from: u128, to: u128) -> Result<Option<u128>, Failure> {
        let state = &self.header.ranges[range];
        let (family, first) = (state.family, state.span.first);
        if let Some(map) = self.header.map(range) {
            let offset = |number: u128| u64::try_from(number - first).unwrap_or(u64::MAX);
            let found = map::first_free(&self.transaction, map, offset(from), offset(to))?;
            return Ok(found.map(|offset| first + u128::from(offset)));
        }
        for tried in 0..MAX_TRIED {
            let Some(number) = from.checked_add(u128::from(tried)).filter(|number| *number <= to)
            else {
                break;
            };
            if self.at(family.address(number))?.is_none() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Tells whether there are slots for so many more leases.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn has_room_for(&self, leases: usize) -> Result<bool, Failure> {
        let unused = self.header.capacity - self.header.used;
        let mut room = usize::try_from(unused).unwrap_or(usize::MAX);
        let mut slot = self.header.free;
        while room < leases && slot < self.header.capacity {
            slot = chain::entry(&self.transaction, &self.header, slot)?.newer;
            room += 1;
        }
        Ok(room >= leases)
    }

    /// Puts a held lease in. Its address has none, and there is room.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn insert(&mut self, lease: Lease) -> Result<(), Failure> {
        let slot = if self.header.free == NONE {
            self.header.used += 1;
            self.header.used - 1
        } else {
            let slot = self.header.free;
            self.header.free = chain::entry(&self.transaction, &self.header, slot)?.newer;
            slot
        };
        self.mark(lease.address, true)?;
        self.header.held += 1;
        self.place(slot, lease)
    }

    /// Gives a released lease to an attachment again, or a held one other details.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn hold(&mut self, slot: u32, lease: Lease) -> Result<(), Failure> {
        self.displace(slot, lease.address)?;
        self.header.held += 1;
        self.place(slot, lease)
    }

    /// Makes a held lease a released one. One that no range has any more is gone at once.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn release(&mut self, found: &Found, at: Millis, until: Millis) -> Result<(), Failure> {
        let mut lease = found.lease.clone();
        let (family, number) = (Family::of(lease.address), number(lease.address));
        let Some(range) = self.header.queue_of(family, number) else {
            return self.free(found.slot, lease.address);
        };
        self.displace(found.slot, lease.address)?;
        lease.state = State::Released { at, until };
        let mut entry = Entry::of(&lease);
        entry.range = u8::try_from(range).unwrap_or(NO_RANGE);
        queue::push(&mut self.transaction, &mut self.header, found.slot, &mut entry)?;
        self.count_released(lease.address, 1);
        self.put(found.slot, lease, entry)
    }

    /// Returns the lease that was released first of those that are offered, whose addresses a range has. It may be in the
    /// queue of any range that has addresses of this one.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn oldest_released(
        &self,
        range: usize,
        is_offered: impl Fn(IpAddr) -> bool,
    ) -> Result<Option<Found>, Failure> {
        let mut oldest: Option<(Millis, Found)> = None;
        for queue in self.header.overlapping(range) {
            let mut found = self.released(self.header.ranges[queue].oldest)?;
            for _ in 0..MAX_LOOKED_AT {
                let Some(candidate) = found else { break };
                let State::Released { at, .. } = candidate.lease.state else { break };
                if oldest.as_ref().is_some_and(|(before, _)| *before <= at) {
                    break;
                }
                if is_offered(candidate.lease.address) {
                    oldest = Some((at, candidate));
                    break;
                }
                let entry = chain::entry(&self.transaction, &self.header, candidate.slot)?;
                found = self.released(entry.newer)?;
            }
        }
        Ok(oldest.map(|(_, found)| found))
    }

    /// Makes addresses free whose time is over, two at most of each queue that may have addresses of a range: each ADD does
    /// it once for one address, so that more are made free than become released.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn expire(&mut self, range: usize, now: Millis) -> Result<(), Failure> {
        for queue in 0..self.header.ranges.len() {
            if self.header.overlap(queue, range) {
                self.expire_queue(queue, now)?;
            }
        }
        Ok(())
    }

    fn expire_queue(&mut self, queue: usize, now: Millis) -> Result<(), Failure> {
        for _ in 0..2 {
            let Some(oldest) = self.released(self.header.ranges[queue].oldest)? else { break };
            let State::Released { until, .. } = oldest.lease.state else { break };
            if until > now {
                break;
            }
            self.free(oldest.slot, oldest.lease.address)?;
        }
        Ok(())
    }

    /// Returns the lease in a slot of a queue, none behind its end.
    fn released(&self, slot: u32) -> Result<Option<Found>, Failure> {
        if slot == NONE {
            return Ok(None);
        }
        Ok(self.in_slot(slot)?.map(|lease| Found { slot, lease }))
    }

    /// Moves on in a range after an address was taken of it.
    pub fn advance(&mut self, range: usize, taken: u128) {
        let sequence = self.header.sequence + 1;
        let state = &mut self.header.ranges[range];
        state.cursor = if taken >= state.span.last { state.span.first } else { taken + 1 };
        state.served = sequence;
        self.touch();
    }

    /// Returns what has to be written, with the header and the number of this change; none when nothing has changed.
    pub fn into_changes(mut self) -> Option<(Header, Changes)> {
        if !self.transaction.is_changed() {
            return None;
        }
        self.header.sequence += 1;
        self.touch();
        Some((self.header, self.transaction.into_changes()))
    }

    /// Makes an address free again.
    fn free(&mut self, slot: u32, address: IpAddr) -> Result<(), Failure> {
        self.displace(slot, address)?;
        self.mark(address, false)?;
        let entry = Entry { newer: self.header.free, ..Entry::EMPTY };
        self.header.free = slot;
        chain::put_entry(&mut self.transaction, &self.header, slot, &entry);
        self.transaction.write_slot(slot, &Slot::Free);
        self.touch();
        Ok(())
    }

    /// Takes a lease out of chains and queue; its slot and its bit stay.
    fn displace(&mut self, slot: u32, address: IpAddr) -> Result<(), Failure> {
        let mut entry = chain::entry(&self.transaction, &self.header, slot)?;
        for by in [By::Key, By::Address] {
            chain::unlink(&mut self.transaction, &self.header, by, slot, &mut entry)?;
        }
        if entry.range == NO_RANGE {
            self.header.held = self.header.held.saturating_sub(1);
        } else {
            queue::remove(&mut self.transaction, &mut self.header, &entry)?;
            self.count_released(address, -1);
        }
        Ok(())
    }

    /// Counts a released address, or one that is not any more, in every range that has it.
    fn count_released(&mut self, address: IpAddr, change: i32) {
        let (family, number) = (Family::of(address), number(address));
        for state in self.header.ranges.iter_mut().filter(|state| state.has(family, number)) {
            state.released = state.released.saturating_add_signed(change);
        }
    }

    fn place(&mut self, slot: u32, lease: Lease) -> Result<(), Failure> {
        let entry = Entry::of(&lease);
        self.put(slot, lease, entry)
    }

    fn put(&mut self, slot: u32, lease: Lease, mut entry: Entry) -> Result<(), Failure> {
        for by in [By::Key, By::Address] {
            chain::link(&mut self.transaction, &self.header, by, slot, &mut entry)?;
        }
        chain::put_entry(&mut self.transaction, &self.header, slot, &entry);
        self.transaction.write_slot(slot, &Slot::Lease(Box::new(lease)));
        self.touch();
        Ok(())
    }

    /// Notes in every range that has an address whether it is taken.
    fn mark(&mut self, address: IpAddr, is_taken: bool) -> Result<(), Failure> {
        let (family, number) = (Family::of(address), number(address));
        for range in 0..self.header.ranges.len() {
            let state = &self.header.ranges[range];
            if !state.has(family, number) {
                continue;
            }
            let offset = u64::try_from(number - state.span.first).unwrap_or(u64::MAX);
            let is_changed = match self.header.map(range) {
                Some(map) => map::put(&mut self.transaction, map, offset, is_taken)?,
                None => true,
            };
            let taken = &mut self.header.ranges[range].taken;
            if is_changed {
                *taken = if is_taken { *taken + 1 } else { taken.saturating_sub(1) };
            }
        }
        Ok(())
    }

    fn find(&self, by: By, hash: u32) -> Result<Vec<Found>, Failure> {
        let mut all = Vec::new();
        for slot in chain::slots(&self.transaction, &self.header, by, hash)? {
            all.extend(self.in_slot(slot)?.map(|lease| Found { slot, lease }));
        }
        Ok(all)
    }

    fn touch(&mut self) {
        let octets = self.header.encode();
        self.transaction.write(0, &octets);
    }
}

/// Reads the header of an index.
///
/// # Errors
/// It is damaged, or of a newer format.
pub fn read_header(octets: &[u8]) -> Result<Header, HeaderError> {
    Header::decode(&octets[..octets.len().min(HEADER)])
}

/// Returns the part of a range that a segment has from `from` on; none when it ends before.
pub fn rest_of(segment: Span, from: u128) -> Option<Span> {
    let first = segment.first.max(from);
    (first <= segment.last).then_some(Span { first, last: segment.last })
}
