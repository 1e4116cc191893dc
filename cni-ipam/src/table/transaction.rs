//! The changes that belong together: collected first, read back as if they were made, then committed at once.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::lease::{SLOT, Slot};

/// What a table is read from.
pub trait Files {
    /// Reads octets of the index.
    ///
    /// # Errors
    /// They cannot be read, or the index ends before.
    fn read_index(&self, at: u64, into: &mut [u8]) -> Result<(), Failure>;

    /// Reads a slot.
    ///
    /// # Errors
    /// It cannot be read, and neither can its copy.
    fn read_slot(&self, slot: u32) -> Result<Slot, Failure>;
}

/// Changes of a table.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// New content of slots.
    pub slots: BTreeMap<u32, [u8; SLOT]>,
    /// New octets of the index and where they begin, in the order in which they are written.
    pub index: Vec<(u64, Vec<u8>)>,
}

/// A table's files with changes over them.
pub struct Transaction<'a> {
    files: &'a dyn Files,
    changes: Changes,
}

impl Changes {
    /// Tells whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.index.is_empty()
    }

    /// Puts changed octets of the index over those that were read from `at` on.
    pub fn overlay(&self, at: u64, into: &mut [u8]) {
        let end = at + into.len() as u64;
        for (start, octets) in &self.index {
            let (from, to) = (at.max(*start), end.min(start + octets.len() as u64));
            if from < to {
                let place = |base: u64| {
                    let part = |number: u64| usize::try_from(number - base).unwrap_or(usize::MAX);
                    part(from)..part(to)
                };
                into[place(at)].copy_from_slice(&octets[place(*start)]);
            }
        }
    }
}

impl<'a> Transaction<'a> {
    /// Begins without changes.
    pub fn new(files: &'a dyn Files) -> Self {
        Self { files, changes: Changes::default() }
    }

    /// Reads octets of the index.
    ///
    /// # Errors
    /// As [`Files::read_index`].
    pub fn read<const N: usize>(&self, at: u64) -> Result<[u8; N], Failure> {
        let mut octets = [0; N];
        self.read_into(at, &mut octets)?;
        Ok(octets)
    }

    /// Reads octets of the index into a buffer.
    ///
    /// # Errors
    /// As [`Files::read_index`].
    pub fn read_into(&self, at: u64, into: &mut [u8]) -> Result<(), Failure> {
        self.files.read_index(at, into)?;
        self.changes.overlay(at, into);
        Ok(())
    }

    /// Changes octets of the index.
    pub fn write(&mut self, at: u64, octets: &[u8]) {
        // The same place is often written again, and what is small is in few places.
        match self
            .changes
            .index
            .iter_mut()
            .find(|(start, old)| *start == at && old.len() == octets.len())
        {
            Some((_, old)) => old.copy_from_slice(octets),
            None => self.changes.index.push((at, octets.to_vec())),
        }
    }

    /// Reads a slot.
    ///
    /// # Errors
    /// As [`Files::read_slot`].
    pub fn read_slot(&self, slot: u32) -> Result<Slot, Failure> {
        match self.changes.slots.get(&slot) {
            Some(octets) => Slot::decode(octets)
                .map_err(|_| Failure::Conflict(format!("slot {slot} was written wrong"))),
            None => self.files.read_slot(slot),
        }
    }

    /// Changes a slot.
    pub fn write_slot(&mut self, slot: u32, content: &Slot) {
        self.changes.slots.insert(slot, content.encode());
    }

    /// Tells whether something changes.
    pub fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Returns the changes.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}
