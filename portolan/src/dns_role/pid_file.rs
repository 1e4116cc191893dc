//! The file of `-pidfile`: the process id while the server runs.

use std::fs;
use std::path::PathBuf;

/// The file, or none; clones are about the same one.
#[derive(Clone, Debug)]
pub(super) struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Returns the file of the command line.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Writes the process id. That it cannot be written is logged and, as with CoreDNS, keeps nothing from starting.
    pub(super) fn write(&self) {
        let Some(path) = &self.0 else { return };
        if let Err(error) = fs::write(path, std::process::id().to_string()) {
            tracing::error!(file = %path.display(), %error, "the process id is not written");
        }
    }

    /// Removes the file, unless it has the id of a server that has taken over.
    pub(super) fn remove(&self) {
        let Some(path) = &self.0 else { return };
        let own = std::process::id().to_string();
        if fs::read_to_string(path).is_ok_and(|text| text.trim() == own) {
            // At the end of the process; the next one writes its own.
            let _ = fs::remove_file(path);
        }
    }
}
