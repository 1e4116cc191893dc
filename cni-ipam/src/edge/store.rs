//! The store of a network: opened by one process at a time, mended when the one before was cut short.
//!
//! A change is written to the journal first, which is the moment from which it holds, then to its places. Who opens the
//! store finishes a change whose number the index does not have. An index that is missing or damaged is made anew of
//! the slots, a file of leases of its copy. Leases of another boot are gone with it, unless the store is durable.

mod rebuild;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address::Family;
use crate::edge::files::{Named, OpenFiles, place_of};
use crate::edge::lock::Lock;
use crate::failure::Failure;
use crate::journal::{self, RECORD_HEADER};
use crate::lease::Boot;
use crate::range::Span;
use crate::table::layout::{FORMAT, HEADER, Header, HeaderError, MAX_LEASES};
use crate::table::transaction::Changes;
use crate::table::{Table, read_header};

/// What a store should be like.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The present boot.
    pub boot: Boot,
    /// Whether leases outlive a reboot; none: as the store says, which is made for one boot if there is none.
    pub is_durable: Option<bool>,
    /// The ranges that addresses are taken of.
    pub ranges: &'a [(Family, Span)],
    /// How long to wait for it.
    pub wait: Duration,
}

/// A store that this process alone may change.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    _lock: Lock,
    files: OpenFiles,
    header: Header,
    /// A change that holds and is not in its places.
    pending: Option<Changes>,
}

/// What became of a change.
#[derive(Debug)]
#[must_use]
pub enum Commit {
    /// It is in its places.
    Done,
    /// It holds, and who opens the store next brings it to its places: here this failed.
    Pending(Failure),
}

impl Commit {
    /// Makes a failure of a change that is not in its places, for who wants to go on with the store.
    ///
    /// # Errors
    /// It is not.
    pub fn finished(self) -> Result<(), Failure> {
        match self {
            Self::Done => Ok(()),
            Self::Pending(failure) => Err(failure),
        }
    }
}

impl Store {
    /// Opens a store, makes it if there is none, and mends what a process left behind that was cut short.
    ///
    /// # Errors
    /// Another process has it for too long, a file cannot be read or written, the store is of a newer version, or it is
    /// damaged beyond what its copies can mend.
    pub fn open(directory: &Path, wish: &Wish<'_>) -> Result<Self, Failure> {
        let lock = Lock::make(directory, wish.wait)?;
        let (files, header) = rebuild::open(directory, wish)?;
        Ok(Self { directory: directory.to_owned(), _lock: lock, files, header, pending: None })
    }

    /// Tells whether there is a store in a directory, or what is left of one.
    pub fn is_there(directory: &Path) -> bool {
        ["index", "leases", "leases.copy"].into_iter().any(|name| directory.join(name).exists())
    }

    /// Makes the index anew of the slots: it contradicts them.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub fn make_index_anew(&mut self) -> Result<(), Failure> {
        self.settle()?;
        (self.files, self.header) =
            rebuild::grow(&self.directory, &self.header, self.header.capacity)?;
        Ok(())
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the table of leases.
    pub fn table(&self) -> Table<'_> {
        Table::new(&self.files, self.header.clone())
    }

    /// Brings a change to its places that could not be brought there before: what comes next reads them, and has the only
    /// journal.
    ///
    /// # Errors
    /// It still cannot be written.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let Some(changes) = &self.pending else { return Ok(()) };
        self.files.apply(changes, self.header.is_durable)?;
        self.pending = None;
        Ok(())
    }

    /// Makes room for more leases.
    ///
    /// # Errors
    /// There is no space, or there are [`MAX_LEASES`]; nothing has changed.
    pub fn make_room_for(&mut self, leases: usize) -> Result<(), Failure> {
        self.settle()?;
        if self.table().has_room_for(leases)? {
            return Ok(());
        }
        let more = u32::try_from(leases).unwrap_or(u32::MAX);
        let needed = self.header.used.saturating_add(more);
        if needed > MAX_LEASES {
            let pool = format!("the store {}", self.directory.display());
            let why = format!(
                "it has {} leases, held and released, and is made for no more",
                self.header.used
            );
            return Err(Failure::Exhausted { pool, why });
        }
        let capacity = self.header.capacity.saturating_mul(2).max(needed).min(MAX_LEASES);
        let (files, header) = rebuild::grow(&self.directory, &self.header, capacity)?;
        (self.files, self.header) = (files, header);
        Ok(())
    }

    /// Commits what a table has changed.
    ///
    /// # Errors
    /// The journal cannot be written, or has a change that is not settled; nothing has changed.
    pub fn commit(&mut self, changes: Option<(Header, Changes)>) -> Result<Commit, Failure> {
        let Some((header, changes)) = changes else { return Ok(Commit::Done) };
        if self.pending.is_some() {
            let error = io::Error::other("the change before could not be finished");
            return Err(Failure::io("change", &self.directory, error));
        }
        let record = journal::encode(header.sequence, &changes);
        self.files.journal.allocate(record.len() as u64)?;
        self.files.journal.write(0, &record)?;
        if self.header.is_durable {
            self.files.journal.sync()?;
        }
        self.header = header;
        Ok(match self.files.apply(&changes, self.header.is_durable) {
            Ok(()) => Commit::Done,
            Err(failure) => {
                self.pending = Some(changes);
                Commit::Pending(failure)
            }
        })
    }
}

/// What the journal has.
#[derive(Debug)]
pub(in crate::edge) enum Journal {
    /// Nothing that holds.
    Nothing,
    /// A change and its number.
    Change(u64, Changes),
}

/// Reads the journal. The content is read only when the number is not `done`.
pub(in crate::edge) fn read_journal(named: &Named, done: Option<u64>) -> Result<Journal, Failure> {
    let mut head = [0; RECORD_HEADER];
    let length = named.length()?;
    if length < RECORD_HEADER as u64 {
        return Ok(Journal::Nothing);
    }
    named.read(0, &mut head)?;
    let Some((sequence, octets)) = journal::header(&head) else { return Ok(Journal::Nothing) };
    if done == Some(sequence) || length < (RECORD_HEADER + octets) as u64 {
        return Ok(Journal::Nothing);
    }
    let mut content = vec![0; octets];
    named.read(RECORD_HEADER as u64, &mut content)?;
    Ok(journal::decode(&head, &content)
        .map_or(Journal::Nothing, |changes| Journal::Change(sequence, changes)))
}

/// Reads the header of an index; none when it is damaged.
pub(crate) fn index_header(named: &Named) -> Result<Option<Header>, Failure> {
    let length = named.length()?;
    let mut octets = vec![0; HEADER.min(usize::try_from(length).unwrap_or(HEADER))];
    named.read(0, &mut octets)?;
    match read_header(&octets) {
        Ok(header) if header.length() == length => Ok(Some(header)),
        Ok(_) | Err(HeaderError::Damaged) => Ok(None),
        Err(HeaderError::Newer(found)) => {
            let path = named.path.parent().unwrap_or(&named.path).to_owned();
            Err(Failure::Newer { path, found, known: FORMAT })
        }
    }
}

/// Tells whether a file of leases has all slots of a capacity.
fn is_whole(named: &Named, capacity: u32) -> Result<bool, Failure> {
    Ok(named.length()? >= place_of(capacity))
}
