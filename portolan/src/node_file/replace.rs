//! Replaces a file as a whole.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It is read.
    Data,
    /// It is run.
    Program,
}

impl Purpose {
    fn mode(self) -> u32 {
        match self {
            Self::Data => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// Gives a file these octets, unless it has them: readers see the old file or the new one, never a part, whenever the process
/// or the machine ends; a program that is running goes on. Folders that are missing are made.
///
/// # Errors
/// It cannot be written; the file is as it was.
pub(super) fn replace(path: &Path, octets: &[u8], purpose: Purpose) -> Result<()> {
    let is_usable = |file: &fs::Metadata| {
        purpose == Purpose::Data || file.permissions().mode() & 0o777 == purpose.mode()
    };
    if fs::metadata(path).is_ok_and(|file| is_usable(&file))
        && fs::read(path).is_ok_and(|present| present == octets)
    {
        return Ok(());
    }
    put(path, octets, purpose).with_context(|| {
        format!("cannot write {}; make its folder writable for this process", path.display())
    })
}

fn put(path: &Path, octets: &[u8], purpose: Purpose) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // In the same folder, because only there a rename replaces at once; with a dot, so that nobody loads it.
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = folder.join(name);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(purpose.mode()).open(&temporary)?;
    if purpose == Purpose::Program {
        // Whatever the umask, and a file that an earlier process has left.
        file.set_permissions(Permissions::from_mode(purpose.mode()))?;
    }
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(folder)?.sync_all()
}
