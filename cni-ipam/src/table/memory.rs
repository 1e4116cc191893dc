//! A table's files in memory, for tests.

use super::build::build;
use super::layout::{Header, RangeState};
use super::transaction::Files;
use super::{Table, read_header};
use crate::failure::Failure;
use crate::lease::{Boot, SLOT, Slot};

/// Files in memory.
pub(crate) struct Memory {
    /// The index.
    pub(crate) index: Vec<u8>,
    /// The slots.
    pub(crate) slots: Vec<[u8; SLOT]>,
}

impl Files for Memory {
    fn read_index(&self, at: u64, into: &mut [u8]) -> Result<(), Failure> {
        let at = usize::try_from(at).unwrap();
        into.copy_from_slice(&self.index[at..at + into.len()]);
        Ok(())
    }

    fn read_slot(&self, slot: u32) -> Result<Slot, Failure> {
        Ok(Slot::decode(&self.slots[slot as usize]).unwrap())
    }
}

impl Memory {
    /// Makes an empty table.
    pub(crate) fn new(capacity: u32, ranges: Vec<RangeState>) -> Self {
        let (_, index) = build(Header::new(Boot(1), capacity, ranges), &[]);
        Self { index, slots: vec![[0; SLOT]; capacity as usize] }
    }

    /// Returns the header.
    pub(crate) fn header(&self) -> Header {
        read_header(&self.index).unwrap()
    }

    /// Changes the table.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Table<'_>)) {
        let header = self.header();
        let mut table = Table::new(self, header);
        change(&mut table);
        let Some((_, changes)) = table.into_changes() else { return };
        for (at, octets) in changes.index {
            let at = usize::try_from(at).unwrap();
            self.index[at..at + octets.len()].copy_from_slice(&octets);
        }
        for (slot, octets) in changes.slots {
            self.slots[slot as usize] = octets;
        }
    }

    /// Returns the used slots.
    pub(crate) fn used(&self) -> Vec<Slot> {
        let used = self.header().used as usize;
        self.slots[..used].iter().map(|octets| Slot::decode(octets).unwrap()).collect()
    }
}
