//! Reads imported files from disk.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::Files;
use super::limits::MAX_FILE_BYTES;

/// Is the file system of this process. Relative paths start at its working directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Asked first because opening a named pipe waits for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let limit = MAX_FILE_BYTES as u64 + 1;
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let here = Path::new(".");
        let directory = match directory.as_os_str().is_empty() {
            true => here,
            false => directory,
        };
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name());
        fs::read_dir(directory)?.map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_lists_this_crate() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = DiskFiles.list(root).unwrap();
        assert!(names.contains(&OsString::from("Cargo.toml")));
        assert!(!DiskFiles.read(&root.join("Cargo.toml")).unwrap().is_empty());
        assert!(DiskFiles.list(Path::new("")).is_ok());
    }

    #[test]
    fn refuses_directories_and_missing_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let error = DiskFiles.read(root).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
        let error = DiskFiles.read(&root.join("missing")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
