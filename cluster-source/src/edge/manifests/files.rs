//! Finds manifest files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::manifests::contents::Format;

/// How many files are read at most.
const MOST_FILES: usize = 100_000;

/// How deep directories may nest.
const MOST_DEPTH: usize = 32;

/// A file that changed more recently than this may change again without its times showing it.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// The manifest files at a path, and the directories whose changes can change them.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// In the order of their names, which decides between two objects of the same key.
    pub(super) found: Vec<File>,
    /// Resolved, so that one directory under two names is watched once.
    pub(super) directories: BTreeSet<PathBuf>,
}

/// One manifest file.
#[derive(Debug)]
pub(super) struct File {
    /// The path as found, symbolic links included.
    pub(super) path: PathBuf,
    /// The language, by the file's extension.
    pub(super) format: Format,
    /// In bytes.
    pub(super) size: u64,
    /// Changes with the content.
    pub(super) signature: Signature,
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Signature {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    /// Finds the files at a path: the file itself, or the `.yaml`, `.yml` and `.json` files in a directory
    /// and in the directories in it. Names that start with a dot are skipped: in a mounted ConfigMap they
    /// hold the versions that the other names link to. Symbolic links are followed.
    ///
    /// # Errors
    /// The path, or a directory in it, cannot be read; or there are too many files.
    pub(super) fn find(root: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        let metadata = fs::metadata(root)?;
        if metadata.is_dir() {
            files.enter(root, &mut Vec::new())?;
        } else {
            files.add(root.to_owned(), &metadata)?;
            // Unreadable files are an error now, not an empty model.
            drop(fs::File::open(root)?);
        }
        Ok(files)
    }

    /// Takes the files of a directory. `above` holds the directories that led here, resolved: one that
    /// comes again is a loop of links.
    fn enter(&mut self, directory: &Path, above: &mut Vec<PathBuf>) -> io::Result<()> {
        let resolved = directory.canonicalize()?;
        if above.contains(&resolved) || above.len() >= MOST_DEPTH {
            return Ok(());
        }
        self.directories.insert(resolved.clone());
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            paths.push(entry?.path());
        }
        paths.sort();
        above.push(resolved);
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            // What vanishes between the listing and here is simply not there.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                self.enter(&path, above)?;
            } else if metadata.is_file() && has_manifest_extension(&path) {
                self.add(path, &metadata)?;
            }
        }
        above.pop();
        Ok(())
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) -> io::Result<()> {
        if self.found.len() >= MOST_FILES {
            let problem = format!("more than {MOST_FILES} files; put objects together");
            return Err(io::Error::other(problem));
        }
        // A link may lead to a file elsewhere, whose changes only its own directory tells.
        if let Some(parent) = path.canonicalize()?.parent() {
            self.directories.insert(parent.to_owned());
        }
        let is_json = path.extension() == Some(OsStr::new("json"));
        self.found.push(File {
            path,
            format: if is_json { Format::Json } else { Format::Yaml },
            size: metadata.len(),
            signature: Signature::of(metadata),
        });
        Ok(())
    }
}

impl Signature {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Says whether an equal signature later proves that the file is the same: its last change is so long
    /// ago that another one would have got another time.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        now.duration_since(SystemTime::UNIX_EPOCH + changed).is_ok_and(|age| age > CLOCK_GRAIN)
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_bytes().starts_with(b"."))
}

fn has_manifest_extension(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}
