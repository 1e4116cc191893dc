//! The files of the image, as one tar.

use std::collections::BTreeMap;

use anyhow::Result;
use tar::{Builder, EntryType, Header};

/// Files by their paths, without a leading slash.
#[derive(Debug)]
pub(crate) struct Layer {
    entries: BTreeMap<String, Entry>,
    time: u32,
}

#[derive(Debug)]
enum Entry {
    Folder,
    File { octets: Vec<u8>, mode: u32 },
    Link(String),
}

impl Layer {
    /// Makes an empty layer; everything in it will have this time.
    pub(crate) fn new(time: u32) -> Self {
        Self { entries: BTreeMap::new(), time }
    }

    /// Adds a file to be read.
    pub(crate) fn file(&mut self, path: &str, octets: impl Into<Vec<u8>>) {
        self.add(path, Entry::File { octets: octets.into(), mode: 0o644 });
    }

    /// Adds a file to be run.
    pub(crate) fn program(&mut self, path: &str, octets: Vec<u8>) {
        self.add(path, Entry::File { octets, mode: 0o755 });
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.add(path, Entry::Link(target.to_owned()));
    }

    fn add(&mut self, path: &str, entry: Entry) {
        for (end, _) in path.match_indices('/') {
            // A folder ends with a slash, which also sorts it before what is in it.
            self.entries.insert(path[..=end].to_owned(), Entry::Folder);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Returns the layer as a tar.
    ///
    /// # Errors
    /// A path is too long for one.
    pub(crate) fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let (kind, mode, octets) = match entry {
                Entry::Folder => (EntryType::Directory, 0o755, &[][..]),
                Entry::File { octets, mode } => (EntryType::Regular, *mode, octets.as_slice()),
                Entry::Link(_) => (EntryType::Symlink, 0o777, &[][..]),
            };
            let mut header = header(self.time, mode, octets.len());
            header.set_entry_type(kind);
            match entry {
                Entry::Link(target) => tar.append_link(&mut header, path, target)?,
                Entry::Folder | Entry::File { .. } => tar.append_data(&mut header, path, octets)?,
            }
        }
        Ok(tar.into_inner()?)
    }
}

/// Returns the header of a file that root owns.
pub(crate) fn header(time: u32, mode: u32, len: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_mtime(time.into());
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(len as u64);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_everything_in_order() {
        let mut layer = Layer::new(1);
        layer.link("b", "a");
        layer.file("etc/ssl/x", "x");
        layer.file("etc/a", "");
        layer.program("a", vec![1]);
        let tar = layer.tar().unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, entry.header().mode().unwrap(), entry.header().mtime().unwrap())
        });
        let entries: Vec<_> = entries.collect();
        let expected = [
            ("a", 0o755),
            ("b", 0o777),
            ("etc/", 0o755),
            ("etc/a", 0o644),
            ("etc/ssl/", 0o755),
            ("etc/ssl/x", 0o644),
        ];
        assert_eq!(entries, expected.map(|(path, mode)| (path.to_owned(), mode, 1)));
    }
}
