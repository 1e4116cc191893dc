//! Finds manifest files.

use std::collections::{BTreeMap, BTreeSet};
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
    /// What is there and cannot be looked at, with the reason: what was known of it and of what is below it
    /// stays.
    pub(super) faults: BTreeMap<PathBuf, String>,
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
    /// The path itself cannot be read, is neither file nor directory, or there are too many files. What cannot be read below it is a
    /// fault of its own and leaves the rest alone.
    pub(super) fn find(root: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        let metadata = fs::metadata(root)?;
        if metadata.is_dir() {
            let resolved = root.canonicalize()?;
            let paths = entries(root)?;
            files.take(resolved, paths, &mut Vec::new())?;
        } else if metadata.is_file() {
            files.add(root.to_owned(), &root.canonicalize()?, &metadata)?;
            // Unreadable files are an error now, not an empty model.
            drop(fs::File::open(root)?);
        } else {
            // What a pipe held is gone once it is read, and opening one may wait for ever.
            let problem = "a pipe, a socket or a device cannot be read again";
            return Err(io::Error::other(problem));
        }
        Ok(files)
    }

    /// Looks into a directory. `above` holds the directories that led here, resolved: one that comes again
    /// is a loop of links.
    fn enter(&mut self, directory: &Path, above: &mut Vec<PathBuf>) -> io::Result<()> {
        let looked =
            directory.canonicalize().and_then(|resolved| Ok((resolved, entries(directory)?)));
        let (resolved, paths) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                self.fault(directory, &error);
                return Ok(());
            }
        };
        if above.contains(&resolved) || above.len() >= MOST_DEPTH {
            return Ok(());
        }
        self.take(resolved, paths, above)
    }

    /// Takes the entries of a directory.
    fn take(
        &mut self,
        resolved: PathBuf,
        paths: Vec<PathBuf>,
        above: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        self.directories.insert(resolved.clone());
        above.push(resolved);
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.enter(&path, above)?,
                Ok(metadata) if metadata.is_file() && has_manifest_extension(&path) => {
                    match path.canonicalize() {
                        Ok(resolved) => self.add(path, &resolved, &metadata)?,
                        Err(error) => self.fault(&path, &error),
                    }
                }
                Ok(_) => {}
                Err(error) => self.fault(&path, &error),
            }
        }
        above.pop();
        Ok(())
    }

    /// Notes what cannot be looked at. What vanished meanwhile is simply not there, and a link that leads
    /// nowhere leads to nothing.
    fn fault(&mut self, path: &Path, error: &io::Error) {
        let is_nothing =
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        if !is_nothing {
            self.faults.insert(path.to_owned(), error.to_string());
        }
    }

    /// Adds a file. A link may lead to a file elsewhere, whose changes only its own directory tells.
    fn add(&mut self, path: PathBuf, resolved: &Path, metadata: &Metadata) -> io::Result<()> {
        if self.found.len() >= MOST_FILES {
            let problem = format!("more than {MOST_FILES} files; put objects together");
            return Err(io::Error::other(problem));
        }
        self.directories.extend(resolved.parent().map(Path::to_owned));
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

/// Returns the paths in a directory, sorted.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_bytes().starts_with(b"."))
}

fn has_manifest_extension(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}
