//! Network namespaces of pods: made, entered and kept by their file descriptors.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace. It is gone when this and every socket in it are.
#[derive(Debug)]
pub struct Place(File);

impl Place {
    /// Makes an empty network namespace.
    ///
    /// # Panics
    /// None may be made.
    pub fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made");
            Self::current()
        };
        std::thread::spawn(make).join().unwrap()
    }

    /// Returns the network namespace of this thread.
    ///
    /// # Panics
    /// `/proc` is not there.
    pub fn current() -> Self {
        Self(File::open("/proc/thread-self/ns/net").unwrap())
    }

    /// Returns its path, as `ip link set … netns` takes it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Moves this thread inside.
    ///
    /// # Panics
    /// It cannot be entered.
    pub(super) fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
    }

    /// Runs something inside. Sockets that are made there stay there wherever they are used, as processes do that are
    /// started there.
    ///
    /// # Panics
    /// It cannot be entered, or `body` panics.
    pub fn within<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = || {
                self.enter();
                body()
            };
            let result = scope.spawn(inside).join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}
