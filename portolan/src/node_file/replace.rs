//! Replaces a file as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Gives a file these octets, unless it has them: readers see the old file or the new one, never a part, whenever the process
/// or the machine ends. Folders that are missing are made.
///
/// # Errors
/// It cannot be written; the file is as it was.
pub(super) fn replace(path: &Path, octets: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == octets) {
        return Ok(());
    }
    put(path, octets).with_context(|| {
        format!("cannot write {}; make its folder writable for this process", path.display())
    })
}

fn put(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // In the same folder, because only there a rename replaces at once; with a dot, so that nobody loads it.
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = folder.join(name);
    let mut file = File::create(&temporary)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}
