//! What the configuration says beside the store, written by ADD when it changes, for those who have no configuration:
//! `portolan ipam`, and DEL or GC with one that is broken.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni::{Field, FieldError, Json};
use serde::Serialize;

use crate::config::{Placement, QUARANTINE};
use crate::failure::Failure;

/// What is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `dataDir`.
    pub data_dir: PathBuf,
    /// `keepHostLocal`.
    pub keep_host_local: bool,
    /// `resultCaches`, if the configuration has them.
    pub result_caches: Option<Vec<PathBuf>>,
    /// How long a freed address is left alone, in seconds.
    pub rest: u64,
}

impl Settings {
    /// Makes the settings of a configuration.
    pub fn new(placement: &Placement, rest: Duration) -> Self {
        Self {
            data_dir: placement.data_dir.clone(),
            keep_host_local: placement.keeps_host_local,
            result_caches: placement.result_caches.clone(),
            rest: rest.as_secs(),
        }
    }

    /// Returns a number that tells settings apart; never 0.
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(self.text().as_bytes()).max(1)
    }

    /// Writes the settings into a store's directory, whole or not at all.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), Failure> {
        let (new, path) = (directory.join("settings.new"), directory.join("settings"));
        // It says which files root removes: nobody else may write it, whatever the umask.
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written =
            options.open(&new).and_then(|mut file| file.write_all(self.text().as_bytes()));
        let written = written.and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| Failure::io("write", &path, error))
    }

    /// Reads the settings of a store's directory; those of an empty configuration when there are none or they are torn.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join("settings");
        match fs::read(&path) {
            Ok(octets) => Ok(Self::parse(&octets).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::io("read", &path, error)),
        }
    }

    /// Returns what of them a placement has.
    pub fn placement(&self) -> Placement {
        Placement {
            data_dir: self.data_dir.clone(),
            keeps_host_local: self.keep_host_local,
            result_caches: self.result_caches.clone(),
            ..Placement::default()
        }
    }

    fn parse(octets: &[u8]) -> Option<Self> {
        let json = Json::parse(octets).ok()?;
        Self::decode(&Field::root(&json)).ok().flatten()
    }

    fn decode(root: &Field<'_>) -> Result<Option<Self>, FieldError> {
        let caches = |list: Field<'_>| -> Result<Vec<PathBuf>, FieldError> {
            list.list()?.iter().map(|item| item.string().map(PathBuf::from)).collect()
        };
        let (Some(data_dir), Some(keeps), Some(rest)) =
            (root.get("dataDir")?, root.get("keepHostLocal")?, root.get("rest")?)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            data_dir: data_dir.string()?.into(),
            keep_host_local: keeps.boolean()?,
            result_caches: root.get("resultCaches")?.map(caches).transpose()?,
            rest: rest.unsigned()?,
        }))
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&Placement::default(), QUARANTINE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(directory.path()).unwrap(), Settings::default());
        let settings = Settings {
            data_dir: "/data \"x\"".into(),
            keep_host_local: true,
            result_caches: Some(vec!["/a".into(), "/b".into()]),
            rest: 7,
        };
        settings.write(directory.path()).unwrap();
        assert_eq!(Settings::read(directory.path()).unwrap(), settings);
        assert_ne!(settings.checksum(), Settings::default().checksum());
        fs::write(directory.path().join("settings"), "{\"dataDir\": \"/a").unwrap();
        assert_eq!(Settings::read(directory.path()).unwrap(), Settings::default());
    }
}
