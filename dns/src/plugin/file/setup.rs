//! From the configuration of `file` to the plugin, which follows its zone files.

use std::path::Path;
use std::sync::Arc;

use hickory_proto::rr::LowerName;
use tokio::sync::watch;

use super::zone::{Zone, ZoneBuilder};
use super::{File, FileConfig, Served, ZoneFileConfig};
use crate::corefile::Files;
use crate::edge::followed_file::{FileKind, FollowedFile, FollowedFileError, ParseError};
use crate::plugin::{Fallthrough, Plugin, Setup, SetupError, Site};
use crate::zone_file;

/// A zone file, and each file that it includes, has at most 64 MiB.
const KIND: FileKind = FileKind { name: "zone file", max_size: 64 << 20 };

impl Setup for FileConfig {
    fn name(&self) -> &'static str {
        "file"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let mut zones: Vec<Served> = Vec::new();
        for file in &self.files {
            for origin in &file.zones {
                // The last of several files for a zone counts, as with CoreDNS.
                zones.retain(|served| served.origin != *origin);
                zones.push(file.serve(origin)?);
            }
        }
        Ok(Box::new(File { zones }))
    }
}

impl File {
    /// Returns a plugin that serves one zone from a text, and does not follow it.
    ///
    /// # Errors
    /// The text is no zone file, with the file and the line.
    pub fn of_text(
        origin: &LowerName,
        path: &Path,
        octets: &[u8],
        files: &dyn Files,
    ) -> Result<Self, ParseError> {
        let zone = Arc::new(load(origin, path, octets, files)?);
        let (_, zone) = watch::channel(Some(zone));
        Ok(Self {
            zones: vec![Served { origin: origin.clone(), fallthrough: Fallthrough::Never, zone }],
        })
    }
}

impl ZoneFileConfig {
    fn file(&self, origin: &LowerName) -> FollowedFile<Zone> {
        let origin = origin.clone();
        FollowedFile::new(KIND, &self.path, move |source| {
            load(&origin, source.path, source.octets, source.files)
        })
    }

    /// Reads the file once for one of its zones; returns how many records are not in the zone, and the first.
    ///
    /// # Errors
    /// It cannot be read, or is no zone file; with the file and the line.
    pub(crate) fn strangers(
        &self,
        origin: &LowerName,
    ) -> Result<Option<(usize, String)>, FollowedFileError> {
        let zone = self.file(origin).read()?;
        let found = zone.as_ref().and_then(Zone::strangers);
        Ok(found.map(|(count, first)| (*count, first.to_string())))
    }

    fn serve(&self, origin: &LowerName) -> Result<Served, SetupError> {
        let mut file = self.file(origin);
        let zone = match file.read() {
            Ok(zone) => zone.map(Arc::new),
            // Somebody may be about to write it.
            Err(error) if error.is_missing() && self.reload.is_some() => {
                tracing::warn!(zone = %origin, %error, "the zone is not served until there is a file");
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(zone) = &zone {
            report_strangers(zone);
        }
        let (sender, receiver) = watch::channel(zone);
        if let Some(interval) = self.reload {
            let any_change = self.reload_by_mtime;
            let update = move |current: &mut _, zone| replace(current, zone, any_change);
            tokio::spawn(file.follow(interval, sender, update));
        }
        let fallthrough = self.fallthrough.clone();
        Ok(Served { origin: origin.clone(), fallthrough, zone: receiver })
    }
}

/// Reads a zone file.
pub(super) fn load(
    origin: &LowerName,
    path: &Path,
    octets: &[u8],
    files: &dyn Files,
) -> Result<Zone, ParseError> {
    let mut builder = ZoneBuilder::new(origin.clone());
    let mut receive = |record| builder.add(record);
    zone_file::parse(path, octets, &origin.clone().into(), files, &mut receive)?;
    builder.finish().ok_or_else(|| {
        let path = path.display();
        format!("{path} has no SOA record for the zone {origin}; add one").into()
    })
}

/// Puts a zone in the place of another, if its serial number is another one or any change counts.
pub(super) fn replace(current: &mut Option<Arc<Zone>>, zone: Zone, any_change: bool) -> bool {
    let (name, serial) = (zone.origin().to_string(), zone.serial());
    if current.as_ref().is_some_and(|old| old.serial() == serial) && !any_change {
        tracing::warn!(
            zone = name,
            serial,
            "the zone file has changed and its SOA serial has not: the old records stay; raise it, or \
             use reload_by_mtime"
        );
        return false;
    }
    tracing::info!(zone = name, serial, records = zone.len(), "zone reloaded");
    report_strangers(&zone);
    *current = Some(Arc::new(zone));
    true
}

fn report_strangers(zone: &Zone) {
    if let Some((count, first)) = zone.strangers() {
        tracing::warn!(
            zone = %zone.origin(),
            count,
            %first,
            "records of the zone file are not in the zone and not served"
        );
    }
}
