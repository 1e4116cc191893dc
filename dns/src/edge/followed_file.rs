//! Follows a file: reads it again and again, and publishes what it says.

use std::cell::RefCell;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::corefile::Files;

/// What a parser gets of a file.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its text.
    pub octets: &'a [u8],
    /// When it was last written, if the file system knows.
    pub modified: Option<SystemTime>,
    /// Reads the files that it includes; what is read so is followed, too.
    pub files: &'a dyn Files,
}

/// Turns a file into what it means; an error names the file, its line and the remedy.
type Parse<T> = Box<dyn Fn(Source<'_>) -> Result<T, ParseError> + Send + Sync>;

/// What a parser finds wrong.
pub type ParseError = Box<dyn Error + Send + Sync>;

/// Says why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FollowedFileError {
    /// It is not readable.
    #[error("cannot read the {kind} {}: {source}; check its path and mode", path.display())]
    Read {
        /// What kind of file it is, for people.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its text makes no sense.
    #[error("{kind} {source}")]
    Parse {
        /// What kind of file it is, for people.
        kind: &'static str,
        /// What is wrong, with the file and the line.
        source: ParseError,
    },
}

/// What may be followed: a name for people and the most octets that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileKind {
    /// The name: `weight file`.
    pub name: &'static str,
    /// The largest file in octets.
    pub max_size: u64,
}

/// A file, and a fingerprint of what was last read of it.
///
/// The text is compared, not the time of the change: a mounted ConfigMap is a link that moves.
pub struct FollowedFile<T> {
    kind: FileKind,
    path: PathBuf,
    parse: Parse<T>,
    hasher: RandomState,
    seen: Option<Fingerprint>,
}

/// Hashes of a file and of those that it includes.
#[derive(PartialEq)]
struct Fingerprint {
    main: u64,
    included: Vec<(PathBuf, Option<u64>)>,
}

impl<T: Send + 'static> FollowedFile<T> {
    /// Returns a file that has not been read yet.
    pub fn new(
        kind: FileKind,
        path: impl Into<PathBuf>,
        parse: impl Fn(Source<'_>) -> Result<T, ParseError> + Send + Sync + 'static,
    ) -> Self {
        let hasher = RandomState::new();
        Self { kind, path: path.into(), parse: Box::new(parse), hasher, seen: None }
    }

    /// Reads the file; none if its text, and that of what it includes, is that of the last call. Blocks.
    ///
    /// # Errors
    /// It cannot be read or makes no sense. A text that makes no sense is reported once.
    pub fn read(&mut self) -> Result<Option<T>, FollowedFileError> {
        let (octets, modified) =
            read_bounded(&self.path, self.kind.max_size).map_err(|source| {
                FollowedFileError::Read { kind: self.kind.name, path: self.path.clone(), source }
            })?;
        let main = self.hasher.hash_one(&octets);
        if self.is_seen(main) {
            return Ok(None);
        }
        let included = RefCell::default();
        let files = Included { limit: self.kind.max_size, hasher: &self.hasher, read: &included };
        let source = Source { path: &self.path, octets: &octets, modified, files: &files };
        let parsed = (self.parse)(source);
        self.seen = Some(Fingerprint { main, included: included.into_inner() });
        let kind = self.kind.name;
        parsed.map(Some).map_err(|source| FollowedFileError::Parse { kind, source })
    }

    /// Says whether nothing has changed since the last call of `read`.
    fn is_seen(&self, main: u64) -> bool {
        let Some(seen) = self.seen.as_ref().filter(|seen| seen.main == main) else { return false };
        seen.included.iter().all(|(path, hash)| {
            let read = read_bounded(path, self.kind.max_size).ok();
            read.map(|(octets, _)| self.hasher.hash_one(octets)) == *hash
        })
    }

    /// Reads the file every `interval`; `update` puts what changed into the value that is sent, and says whether
    /// receivers shall know. Ends when nobody receives any more.
    ///
    /// When the file cannot be used, that is logged once and the last value stays.
    pub async fn follow<C>(
        self,
        interval: Duration,
        value: watch::Sender<C>,
        mut update: impl FnMut(&mut C, T) -> bool,
    ) {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut file, mut complaint) = (self, String::new());
        loop {
            tokio::select! {
                () = value.closed() => return,
                _ = ticks.tick() => {}
            }
            let reading = tokio::task::spawn_blocking(move || (file.read(), file));
            let read;
            (read, file) = match reading.await {
                Ok(read) => read,
                // The process is about to end, or the reader panicked, which the panic hook has logged.
                Err(_) => return,
            };
            match read {
                Ok(None) => {}
                Ok(Some(new)) => {
                    value.send_if_modified(|current| update(current, new));
                    complaint.clear();
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != complaint {
                        tracing::warn!(error = text, "file not read; what was last read stays");
                    }
                    complaint = text;
                }
            }
        }
    }
}

impl FollowedFileError {
    /// Says whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads files, and remembers which and what they held.
struct Included<'a> {
    limit: u64,
    hasher: &'a RandomState,
    read: &'a RefCell<Vec<(PathBuf, Option<u64>)>>,
}

impl Files for Included<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = read_bounded(path, self.limit).map(|(octets, _)| octets);
        let hash = read.as_ref().ok().map(|octets| self.hasher.hash_one(octets));
        self.read.borrow_mut().push((path.to_owned(), hash));
        read
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn read_bounded(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Option<SystemTime>)> {
    // Asked first because opening a named pipe waits for a writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut octets = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > limit {
        let problem = format!("it is larger than {limit} octets");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok((octets, metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const KIND: FileKind = FileKind { name: "number file", max_size: 1000 };

    /// Adds up the numbers in a file and in those that it includes with `+NAME`.
    fn sum(source: Source<'_>) -> Result<u32, ParseError> {
        let mut sum = 0;
        for line in std::str::from_utf8(source.octets)?.lines() {
            sum += match line.strip_prefix('+') {
                Some(name) => {
                    let octets = source.files.read(&source.path.with_file_name(name))?;
                    sum_of(&octets)?
                }
                None => line.parse::<u32>()?,
            };
        }
        Ok(sum)
    }

    fn sum_of(octets: &[u8]) -> Result<u32, ParseError> {
        Ok(std::str::from_utf8(octets)?.trim().parse()?)
    }

    #[test]
    fn only_changes_are_read_and_a_mistake_is_reported_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers");
        let mut file = FollowedFile::new(KIND, &path, sum);
        let missing = file.read().unwrap_err();
        assert!(missing.is_missing());
        assert!(missing.to_string().starts_with("cannot read the number file /"), "{missing}");
        fs::write(&path, "1\n2").unwrap();
        assert_eq!(file.read().unwrap(), Some(3));
        assert_eq!(file.read().unwrap(), None);
        fs::write(&path, "one").unwrap();
        assert!(file.read().unwrap_err().to_string().starts_with("number file invalid digit"));
        assert_eq!(file.read().unwrap(), None);
        fs::write(&path, vec![b'1'; 1001]).unwrap();
        assert!(file.read().unwrap_err().to_string().contains("larger than 1000 octets"));
        let mut directory = FollowedFile::new(KIND, directory.path(), sum);
        let error = directory.read().unwrap_err();
        assert!(error.to_string().contains("not a regular file") && !error.is_missing());
    }

    #[test]
    fn included_files_and_moved_links_are_changes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("main"), "1\n+part").unwrap();
        let mut file = FollowedFile::new(KIND, at("main"), sum);
        assert!(file.read().is_err(), "the part is missing");
        assert_eq!(file.read().unwrap(), None);
        fs::write(at("old"), "2").unwrap();
        fs::write(at("new"), "5").unwrap();
        symlink(at("old"), at("part")).unwrap();
        assert_eq!(file.read().unwrap(), Some(3), "the part appeared");
        assert_eq!(file.read().unwrap(), None);
        symlink(at("new"), at("link")).unwrap();
        fs::rename(at("link"), at("part")).unwrap();
        assert_eq!(file.read().unwrap(), Some(6));
    }

    #[tokio::test]
    async fn followers_get_changes_until_nobody_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers");
        let (sender, mut receiver) = watch::channel(0);
        let update = |current: &mut u32, new| {
            *current = new;
            true
        };
        let file = FollowedFile::new(KIND, &path, sum);
        let follow = tokio::spawn(file.follow(Duration::from_millis(1), sender, update));
        fs::write(&path, "7").unwrap();
        receiver.wait_for(|sum| *sum == 7).await.unwrap();
        fs::write(&path, "x").unwrap();
        fs::write(&path, "8").unwrap();
        receiver.wait_for(|sum| *sum == 8).await.unwrap();
        drop(receiver);
        follow.await.unwrap();
    }
}
