//! Tells that files may have changed (inotify).

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};

/// A buffer for many events at once; one takes at most 272 bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// Watches the directories that manifests are in, and those that lead to the path itself.
pub(super) struct Notifier {
    events: EventStream<Vec<u8>>,
    /// The directories above the path, the nearest first, each with the name in it that leads to the path.
    above: Vec<(PathBuf, OsString)>,
    watched: HashMap<WatchDescriptor, Reason>,
}

/// Why a directory is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Reason {
    /// Manifests are in it: every change counts.
    Holds,
    /// It leads to the path: only changes of this name count, however busy the directory is.
    LeadsTo(OsString),
}

/// What changes the set of files or ends a change of one. Single writes do not count: what a writer has
/// not finished is not read.
fn mask() -> WatchMask {
    WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MOVED_FROM
        | WatchMask::MOVED_TO
        | WatchMask::ATTRIB
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR
}

impl Notifier {
    /// Starts without a watch.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let step = |path: &Path| Some((path.parent()?.to_owned(), path.file_name()?.to_owned()));
        let above = root.ancestors().map_while(step).collect();
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER_BYTES])?;
        Ok(Self { events, above, watched: HashMap::new() })
    }

    /// Watches exactly these directories, besides those above the path that are there; says whether one of
    /// them is new, so that something may have happened in it before.
    ///
    /// Every one is added every time: the kernel knows those it watches already, and a directory that was
    /// removed and made again has the same path but is another one.
    pub(super) fn watch(&mut self, directories: &BTreeSet<PathBuf>) -> io::Result<bool> {
        let mut watches = self.events.watches();
        let mut watched = HashMap::new();
        for (directory, name) in &self.above {
            let watch = add_above(&mut watches, directory)?;
            watched.extend(watch.map(|watch| (watch, Reason::LeadsTo(name.clone()))));
        }
        for directory in directories {
            let watch = add(&mut watches, directory)?;
            watched.extend(watch.map(|watch| (watch, Reason::Holds)));
        }
        let is_new =
            |(watch, reason): (&WatchDescriptor, &Reason)| self.watched.get(watch) != Some(reason);
        let added = watched.iter().any(is_new);
        for gone in self.watched.keys().filter(|watch| !watched.contains_key(*watch)) {
            // Fails for directories that are gone themselves, whose watch went with them.
            let _ = watches.remove(gone.clone());
        }
        self.watched = watched;
        Ok(added)
    }

    /// Waits until something happened that can change the manifests.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.events.next().await {
                Some(Ok(event)) if !self.matters(&event) => {}
                Some(Ok(_)) => return,
                // The rescan by time goes on without notifications.
                Some(Err(_)) | None => std::future::pending().await,
            }
        }
    }

    fn matters(&self, event: &Event<OsString>) -> bool {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return true;
        }
        match self.watched.get(&event.wd) {
            _ if event.mask.contains(EventMask::IGNORED) => false,
            Some(Reason::Holds) => true,
            Some(Reason::LeadsTo(wanted)) => {
                event.name.as_deref().is_none_or(|name| name == wanted || is_version(name))
            }
            None => false,
        }
    }
}

/// The kubelet changes a mounted ConfigMap by moving the link `..data` to another directory; a single file
/// in it is a link through that.
fn is_version(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"..")
}

/// Adds a watch of a directory that only leads to the path. One that this process may pass but not read
/// cannot be watched; the rescan by time sees what happens in it.
fn add_above(
    watches: &mut inotify::Watches,
    directory: &Path,
) -> io::Result<Option<WatchDescriptor>> {
    match add(watches, directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        added => added,
    }
}

/// Adds a watch; a directory that is gone needs none.
fn add(watches: &mut inotify::Watches, directory: &Path) -> io::Result<Option<WatchDescriptor>> {
    match watches.add(directory, mask()) {
        Ok(watch) => Ok(Some(watch)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
