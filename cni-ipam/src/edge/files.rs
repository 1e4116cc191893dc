//! The files of a store.
//!
//! | file | what |
//! |---|---|
//! | `lock` | who writes |
//! | `leases`, `leases.copy` | a page of header, then slots of [`SLOT`] octets; both the same |
//! | `index` | what finds leases (`table/layout.rs`); can be made of them |
//! | `journal` | the last change (`journal.rs`) |
//!
//! All octets of all files are allocated before they are used, so that a change needs no space: DEL works when the file
//! system is full.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::failure::Failure;
use crate::lease::{Boot, SLOT, Slot};
use crate::table::layout::FORMAT;
use crate::table::transaction::{Changes, Files};

/// Octets before the first slot.
pub const LEASES_HEADER: u64 = 4096;

/// What the files of leases begin with.
const MAGIC: &[u8; 8] = b"ptlnLSE\n";

/// Octets of the header that count.
const HEAD: usize = 48;

/// What the files of leases say of themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeasesHeader {
    /// The boot in which they were made.
    pub boot: Boot,
    /// They outlive a reboot.
    pub is_durable: bool,
}

/// A file and its path.
#[derive(Debug)]
pub struct Named {
    /// The file.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
}

/// The open files of a store.
#[derive(Debug)]
pub struct OpenFiles {
    /// The slots.
    pub leases: Named,
    /// The slots once more.
    pub copy: Named,
    /// The index.
    pub index: Named,
    /// The journal.
    pub journal: Named,
}

impl LeasesHeader {
    /// Writes the header.
    pub fn encode(self) -> [u8; HEAD] {
        let mut octets = [0; HEAD];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        octets[16..32].copy_from_slice(&self.boot.0.to_le_bytes());
        octets[32] = u8::from(self.is_durable);
        let sum = crc32fast::hash(&octets[16..]);
        octets[12..16].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    /// Reads the header of a file; none when it is damaged.
    ///
    /// # Errors
    /// It is of a newer format.
    pub fn read(named: &Named) -> Result<Option<Self>, Failure> {
        let mut octets = [0; HEAD];
        if named.read(0, &mut octets).is_err() || octets[..8] != *MAGIC {
            return Ok(None);
        }
        let word =
            |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"));
        if word(8) > FORMAT {
            let path = named.path.parent().unwrap_or(&named.path).to_owned();
            return Err(Failure::Newer { path, found: word(8), known: FORMAT });
        }
        if crc32fast::hash(&octets[16..]) != word(12) {
            return Ok(None);
        }
        let boot = Boot(u128::from_le_bytes(octets[16..32].try_into().expect("sixteen octets")));
        Ok(Some(Self { boot, is_durable: octets[32] != 0 }))
    }
}

impl Named {
    /// Opens a file that is there; none when it is not.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: PathBuf, is_writer: bool) -> Result<Option<Self>, Failure> {
        match OpenOptions::new().read(true).write(is_writer).open(&path) {
            Ok(file) => Ok(Some(Self { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("open", &path, error)),
        }
    }

    /// Makes an empty file in the place of one that may be there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: PathBuf) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        match options.open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(Failure::io("make", &path, error)),
        }
    }

    /// Reads octets; the file has all of them.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Failure> {
        self.file.read_exact_at(into, at).map_err(|error| Failure::io("read", &self.path, error))
    }

    /// Writes octets.
    ///
    /// # Errors
    /// They cannot be written; some of them may have been.
    pub fn write(&self, at: u64, octets: &[u8]) -> Result<(), Failure> {
        self.file.write_all_at(octets, at).map_err(|error| Failure::io("write", &self.path, error))
    }

    /// Returns the length in octets.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn length(&self) -> Result<u64, Failure> {
        let metadata =
            self.file.metadata().map_err(|error| Failure::io("read", &self.path, error))?;
        Ok(metadata.len())
    }

    /// Makes the file at least so long, with space for all of its octets.
    ///
    /// # Errors
    /// The space is not there.
    pub fn allocate(&self, length: u64) -> Result<(), Failure> {
        let from = self.length()?;
        if from >= length {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), from, length - from) {
            Ok(()) => Ok(()),
            // File systems without it have to be written to.
            Err(Errno::OPNOTSUPP) => (from..length).step_by(PIECE).try_for_each(|at| {
                let octets = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
                self.write(at, &[0; PIECE][..octets])
            }),
            Err(error) => Err(Failure::io("allocate space for", &self.path, error.into())),
        }
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn sync(&self) -> Result<(), Failure> {
        self.file.sync_data().map_err(|error| Failure::io("write", &self.path, error))
    }

    /// Gives the file another name, in the place of what has it.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn rename(&mut self, to: PathBuf) -> Result<(), Failure> {
        std::fs::rename(&self.path, &to)
            .map_err(|error| Failure::io("rename", &self.path, error))?;
        self.path = to;
        Ok(())
    }

    /// Reads a slot; what the file is too short for was never used, none is damaged.
    fn slot(&self, slot: u32) -> Result<Option<Slot>, Failure> {
        let mut octets = [0; SLOT];
        match self.file.read_exact_at(&mut octets, place_of(slot)) {
            Ok(()) => Ok(Slot::decode(&octets).ok()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(Slot::Unused)),
            Err(error) => Err(Failure::io("read", &self.path, error)),
        }
    }
}

const PIECE: usize = 64 * 1024;

/// Returns where a slot is in the files of leases.
pub fn place_of(slot: u32) -> u64 {
    LEASES_HEADER + u64::from(slot) * SLOT as u64
}

/// Reads a slot, or its copy when it is damaged or looks as if it had never been used.
///
/// # Errors
/// It cannot be read, or is damaged and the copy does not have it.
pub fn read_slot(leases: &Named, copy: &Named, slot: u32) -> Result<Slot, Failure> {
    let own = leases.slot(slot)?;
    if let Some(slot @ (Slot::Lease(_) | Slot::Free)) = own {
        return Ok(slot);
    }
    match (own, copy.slot(slot)?) {
        (_, Some(copied @ (Slot::Lease(_) | Slot::Free))) => Ok(copied),
        (Some(Slot::Unused), Some(Slot::Unused)) => Ok(Slot::Unused),
        _ => Err(Failure::Damaged {
            path: leases.path.parent().unwrap_or(Path::new("")).to_owned(),
            problem: format!("slot {slot} can be read neither from leases nor from leases.copy"),
        }),
    }
}

/// Tells whether both files have the same in a slot, or one of them is too short for it.
///
/// # Errors
/// It cannot be read.
pub fn is_same_slot(leases: &Named, copy: &Named, slot: u32) -> Result<bool, Failure> {
    Ok(leases.slot(slot)? == copy.slot(slot)?)
}

impl OpenFiles {
    /// Writes changes to their places, the header of the index last.
    ///
    /// # Errors
    /// Something cannot be written. The journal has all of it.
    pub fn apply(&self, changes: &Changes, is_durable: bool) -> Result<(), Failure> {
        self.apply_slots(changes)?;
        if is_durable {
            self.leases.sync()?;
        }
        let (head, rest): (Vec<_>, Vec<_>) = changes.index.iter().partition(|(at, _)| *at == 0);
        rest.iter().chain(&head).try_for_each(|(at, octets)| self.index.write(*at, octets))
    }

    /// Writes changed slots to both files.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn apply_slots(&self, changes: &Changes) -> Result<(), Failure> {
        for named in [&self.leases, &self.copy] {
            changes
                .slots
                .iter()
                .try_for_each(|(slot, octets)| named.write(place_of(*slot), octets))?;
        }
        Ok(())
    }
}

impl Files for OpenFiles {
    fn read_index(&self, at: u64, into: &mut [u8]) -> Result<(), Failure> {
        self.index.read(at, into)
    }

    fn read_slot(&self, slot: u32) -> Result<Slot, Failure> {
        if let Some(slot @ (Slot::Lease(_) | Slot::Free)) = self.leases.slot(slot)? {
            return Ok(slot);
        }
        let copied = read_slot(&self.leases, &self.copy, slot)?;
        if copied != Slot::Unused {
            // The call goes on without: it has what it needs.
            let _ = self.leases.write(place_of(slot), &copied.encode());
        }
        Ok(copied)
    }
}
