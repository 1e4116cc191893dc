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

/// Watches the directories that manifests are in, and the one that holds the path itself.
pub(super) struct Notifier {
    events: EventStream<Vec<u8>>,
    /// The directory that holds the path, and the path's name in it.
    parent: PathBuf,
    name: OsString,
    watched: HashMap<WatchDescriptor, Reason>,
}

/// Why a directory is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    /// Manifests are in it: every change counts.
    Holds,
    /// It holds the path: only changes of the path's own name count, however busy the directory is.
    Parent,
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
    /// Starts to watch the directory that holds the path.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let parent = root.parent().unwrap_or(Path::new("/")).to_owned();
        let name = root.file_name().unwrap_or_default().to_owned();
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER_BYTES])?;
        Ok(Self { events, parent, name, watched: HashMap::new() })
    }

    /// Watches exactly these directories, besides the parent; says whether one of them is new.
    ///
    /// Every one is added every time: the kernel knows those it watches already, and a directory that was
    /// removed and made again has the same path but is another one.
    pub(super) fn watch(&mut self, directories: &BTreeSet<PathBuf>) -> io::Result<bool> {
        let mut watches = self.events.watches();
        let mut watched = HashMap::new();
        let parent = add(&mut watches, &self.parent)?;
        watched.extend(parent.map(|watch| (watch, Reason::Parent)));
        for directory in directories {
            let watch = add(&mut watches, directory)?;
            watched.extend(watch.map(|watch| (watch, Reason::Holds)));
        }
        let is_new = |(watch, reason): (&WatchDescriptor, &Reason)| {
            *reason == Reason::Holds && self.watched.get(watch) != Some(reason)
        };
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
            Some(Reason::Parent) => {
                event.name.as_deref().is_none_or(|name| name == self.name || is_version(name))
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

/// Adds a watch; a directory that is gone needs none.
fn add(watches: &mut inotify::Watches, directory: &Path) -> io::Result<Option<WatchDescriptor>> {
    match watches.add(directory, mask()) {
        Ok(watch) => Ok(Some(watch)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
