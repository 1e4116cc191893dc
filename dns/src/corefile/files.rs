//! Where imported files come from.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Reads the files a Corefile imports. [`DiskFiles`](super::DiskFiles) reads the real ones; tests use memory.
pub trait Files {
    /// Reads a whole file. Fails on directories and on anything else that is not a regular file.
    ///
    /// At most [`MAX_FILE_BYTES`](super::limits::MAX_FILE_BYTES) `+ 1` bytes are of interest: one more than
    /// allowed suffices to refuse the file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Lists the names in a directory, in any order, without `.` and `..`.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

#[cfg(test)]
pub(super) mod memory {
    //! Files that live in a map.

    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    /// Maps paths to contents; every parent of a file is a directory.
    #[derive(Debug, Default)]
    pub(crate) struct MemoryFiles(BTreeMap<PathBuf, Vec<u8>>);

    impl MemoryFiles {
        pub(crate) fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
            let own = |(path, text): (&str, &str)| (PathBuf::from(path), text.as_bytes().to_vec());
            Self(files.into_iter().map(own).collect())
        }
    }

    impl Files for MemoryFiles {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            if let Some(bytes) = self.0.get(path) {
                return Ok(bytes.clone());
            }
            match self.list(path) {
                Ok(_) => Err(io::ErrorKind::IsADirectory.into()),
                Err(error) => Err(error),
            }
        }

        fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
            let below = |path: &PathBuf| {
                let rest = path.strip_prefix(directory).ok()?;
                Some(rest.components().next()?.as_os_str().to_owned())
            };
            let names: BTreeSet<OsString> = self.0.keys().filter_map(below).collect();
            match names.is_empty() {
                true => Err(io::ErrorKind::NotFound.into()),
                // Backwards, so that a caller who forgets to sort is found out.
                false => Ok(names.into_iter().rev().collect()),
            }
        }
    }
}
