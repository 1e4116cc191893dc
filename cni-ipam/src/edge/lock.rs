//! One process at a time: a file lock that is waited for with an end.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::failure::Failure;

/// First pause between two tries. The store is held for less than a millisecond.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LAST_PAUSE: Duration = Duration::from_millis(2);

/// Who may be in at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// Nobody.
    Exclusive,
    /// Others that only read.
    Shared,
}

/// A lock; it ends with this value, and with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Makes a directory and locks the file `lock` in it.
    ///
    /// # Errors
    /// They cannot be made, or another process has had the lock all the time.
    pub fn make(directory: &Path, wait: Duration) -> Result<Self, Failure> {
        let path = directory.join("lock");
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                    options.open(&path)
                }
                opened => opened,
            }
        };
        wait_for(&path, directory, Sharing::Exclusive, wait, open)
    }

    /// Locks a file that is there; none when it is not.
    ///
    /// # Errors
    /// It cannot be opened, or another process has had the lock all the time.
    pub fn existing(
        path: &Path,
        sharing: Sharing,
        wait: Duration,
    ) -> Result<Option<Self>, Failure> {
        if !path.exists() {
            return Ok(None);
        }
        let directory = path.parent().unwrap_or(path);
        wait_for(path, directory, sharing, wait, || File::open(path)).map(Some)
    }
}

fn wait_for(
    path: &Path,
    directory: &Path,
    sharing: Sharing,
    wait: Duration,
    open: impl Fn() -> io::Result<File>,
) -> Result<Lock, Failure> {
    let operation = match sharing {
        Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
    };
    let failed = |source: io::Error| Failure::io("lock", path, source);
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut file = open().map_err(failed)?;
    loop {
        match flock(&file, operation) {
            // Who removes the directory leaves others with a lock of nothing.
            Ok(()) if is_at(&file, path) => return Ok(Lock { _file: file }),
            Ok(()) => file = open().map_err(failed)?,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                let waited = start.elapsed();
                if waited >= wait {
                    return Err(Failure::Busy { path: directory.to_owned(), waited });
                }
                std::thread::sleep(pause.min(wait - waited));
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    (own.dev(), own.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_waits_and_gives_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let lock = Lock::make(&path, Duration::ZERO).unwrap();
        let error = Lock::make(&path, Duration::from_millis(5)).unwrap_err();
        assert!(
            matches!(&error, Failure::Busy { waited, .. } if *waited >= Duration::from_millis(5)),
            "{error}"
        );
        assert!(Lock::existing(&path.join("lock"), Sharing::Shared, Duration::ZERO).is_err());
        drop(lock);
        let one = Lock::existing(&path.join("lock"), Sharing::Shared, Duration::ZERO).unwrap();
        let other = Lock::existing(&path.join("lock"), Sharing::Shared, Duration::ZERO).unwrap();
        assert!(one.is_some() && other.is_some());
        assert!(Lock::make(&path, Duration::ZERO).is_err());
        drop((one, other));
        assert!(Lock::make(&path, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_lock_is_that_of_the_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let old = Lock::make(&path, Duration::ZERO).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        let _new = Lock::make(&path, Duration::ZERO).unwrap();
        drop(old);
        assert!(Lock::make(&path, Duration::ZERO).is_err());
    }
}
