//! host-local's directory: read under its lock, and kept in step where that is asked for.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cni::{Attachment, NetworkName};

use crate::config::Placement;
use crate::edge::lock::Lock;
use crate::failure::Failure;
use crate::host_local::{Entry, content, read};
use crate::lease::Millis;

/// A file of host-local's directory that says something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// What it says.
    pub entry: Entry,
    /// When it was written.
    pub written: Millis,
}

/// host-local's directory of a network, locked.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: Lock,
}

impl Directory {
    /// Locks the directory of a network; none when there is none.
    ///
    /// # Errors
    /// host-local has it for too long, or it cannot be locked.
    pub fn lock(
        placement: &Placement,
        network: &NetworkName,
        wait: Duration,
    ) -> Result<Option<Self>, Failure> {
        let path = placement.data_dir.join(network.as_str());
        if !path.is_dir() {
            return Ok(None);
        }
        let lock = Lock::make(&path, wait)?;
        Ok(Some(Self { path, _lock: lock }))
    }

    /// As [`Directory::lock`], and makes the directory.
    ///
    /// # Errors
    /// As [`Directory::lock`], or it cannot be made.
    pub fn make(
        placement: &Placement,
        network: &NetworkName,
        wait: Duration,
    ) -> Result<Self, Failure> {
        let path = placement.data_dir.join(network.as_str());
        let lock = Lock::make(&path, wait)?;
        Ok(Self { path, _lock: lock })
    }

    /// Reads all files, as [`entries`].
    ///
    /// # Errors
    /// As [`entries`].
    pub fn entries(&self) -> Result<Vec<Imported>, Failure> {
        entries(&self.path)
    }

    /// Writes the file of an address, and which one a range set gave out last if that is known.
    ///
    /// # Errors
    /// It cannot be written, or says that another attachment has the address.
    pub fn put(
        &self,
        address: IpAddr,
        attachment: &Attachment,
        set: Option<usize>,
    ) -> Result<(), Failure> {
        let path = self.path.join(address.to_string());
        if let Some((text, _)) = read_small(&path)?
            && let Entry::Lease(_, holder) = read(&address.to_string(), &text)
        {
            let is_same = holder == *attachment;
            let holder = format!("{holder} of host-local");
            return if is_same { Ok(()) } else { Err(Failure::Taken { address, holder }) };
        }
        if let Err(source) = write_private(&path, &content(attachment)) {
            // An empty file is what host-local leaks addresses by.
            let _ = fs::remove_file(&path);
            return Err(Failure::io("write", &path, source));
        }
        if let Some(set) = set {
            // Without it host-local begins at the start of the range, no more.
            let _ = write_private(
                &self.path.join(format!("last_reserved_ip.{set}")),
                &address.to_string(),
            );
        }
        Ok(())
    }

    /// Removes the file of an address, if the attachment has it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, address: IpAddr, attachment: &Attachment) -> Result<(), Failure> {
        let path = self.path.join(address.to_string());
        let Some((text, _)) = read_small(&path)? else { return Ok(()) };
        match read(&address.to_string(), &text) {
            Entry::Lease(_, holder) if holder.container_id == attachment.container_id => {}
            Entry::Lease(..) | Entry::Last(..) | Entry::Leaked(_) | Entry::Other => return Ok(()),
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }
}

/// Reads all files of a directory, in the order of their names. Without its lock some may be half written.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn entries(directory: &Path) -> Result<Vec<Imported>, Failure> {
    let failed = |source| Failure::io("read", directory, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort_unstable();
    let mut entries = Vec::new();
    for name in names {
        let Some((text, written)) = read_small(&directory.join(&name))? else { continue };
        match read(&name, &text) {
            Entry::Other => {}
            entry => entries.push(Imported { entry, written }),
        }
    }
    Ok(entries)
}

/// Reads who has an address by its file, and since when; none when there is no such file, or it names nobody.
///
/// # Errors
/// It cannot be read.
pub fn holder(directory: &Path, address: IpAddr) -> Result<Option<(Attachment, Millis)>, Failure> {
    let name = address.to_string();
    let Some((text, written)) = read_small(&directory.join(&name))? else { return Ok(None) };
    Ok(match read(&name, &text) {
        Entry::Lease(_, attachment) => Some((attachment, written)),
        Entry::Last(..) | Entry::Leaked(_) | Entry::Other => None,
    })
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

/// Reads a file of at most 4 KiB and when it was written; none when it is not there, is no file, or is larger.
fn read_small(path: &Path) -> Result<Option<(String, Millis)>, Failure> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if is_nothing(&error) => return Ok(None),
        Err(error) => return Err(Failure::io("read", path, error)),
    };
    if !metadata.is_file() || metadata.len() > 4096 {
        return Ok(None);
    }
    let octets = match fs::read(path) {
        Ok(octets) => octets,
        Err(error) if is_nothing(&error) => return Ok(None),
        Err(error) => return Err(Failure::io("read", path, error)),
    };
    let written = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    let written = Millis(u64::try_from(written.as_millis()).unwrap_or(u64::MAX));
    Ok(Some((String::from_utf8_lossy(&octets).into_owned(), written)))
}

/// Tells whether there is no such file, and cannot be.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}
