//! From the configuration of `hosts` to the plugin, which follows its file.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::key::Key;
use super::table::HostTable;
use super::text::{self, Mistakes};
use super::{Hosts, HostsConfig, HostsMetrics};
use crate::edge::followed_file::{FileKind, FollowedFile, FollowedFileError, ParseError, Source};
use crate::plugin::{Plugin, Setup, SetupError, Site};

/// A hosts file has at most 64 MiB.
const KIND: FileKind = FileKind { name: "hosts file", max_size: 64 << 20 };

/// A hosts file as it was read.
struct Loaded {
    table: HostTable,
    mistakes: Mistakes,
    modified: Option<SystemTime>,
}

/// Says what a new table means to the operator.
struct Report {
    metrics: HostsMetrics,
    path: String,
    inline_entries: usize,
}

impl HostsConfig {
    fn file(&self) -> FollowedFile<Loaded> {
        let zones: Vec<Key> = self.zones.iter().map(Key::of).collect();
        let has_reverse = self.has_reverse;
        let parse = move |source: Source<'_>| -> Result<Loaded, ParseError> {
            let mut table = HostTable::new(has_reverse);
            let read = text::read(source.octets, &zones, &mut table);
            let mistakes = read.map_err(|error| format!("{}, {error}", source.path.display()))?;
            Ok(Loaded { table, mistakes, modified: source.modified })
        };
        FollowedFile::new(KIND, &self.path, parse)
    }

    /// Reads the file once and says what of it cannot be used: how many lines, the first of them and why.
    ///
    /// # Errors
    /// It cannot be read, or has too many entries.
    pub(crate) fn flawed_lines(&self) -> Result<Option<(usize, usize, String)>, FollowedFileError> {
        let mistakes = self.file().read()?.map(|loaded| loaded.mistakes).unwrap_or_default();
        Ok(mistakes.first.map(|(line, problem)| (mistakes.count, line, problem)))
    }

    /// Returns the table of the lines in the Corefile.
    pub(super) fn inline_table(&self) -> Result<HostTable, SetupError> {
        let zones: Vec<Key> = self.zones.iter().map(Key::of).collect();
        let mut table = HostTable::new(self.has_reverse);
        text::read(self.inline.as_bytes(), &zones, &mut table)?;
        Ok(table)
    }
}

impl Setup for HostsConfig {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let inline = self.inline_table()?;
        for word in &self.unused {
            let (position, name) = (word.position.to_string(), &word.text);
            tracing::warn!(
                position,
                name,
                "a word of 'hosts' in the Corefile is no host name and not used"
            );
        }
        let report = Report {
            metrics: site.metrics.hosts.clone(),
            path: self.path.display().to_string(),
            inline_entries: inline.len(),
        };
        let mut file = self.file();
        let mut table = HostTable::new(self.has_reverse);
        report.entries(&table);
        match file.read() {
            Ok(Some(loaded)) => _ = report.replace(&mut table, loaded),
            Ok(None) => {}
            Err(error) if error.is_missing() => {
                tracing::warn!(path = report.path, "the hosts file does not exist");
            }
            Err(error) => return Err(error.into()),
        }
        let (sender, receiver) = watch::channel(table);
        if let Some(interval) = self.reload {
            let update = move |current: &mut HostTable, loaded| {
                let is_replaced = report.replace(current, loaded);
                tracing::info!(path = report.path, entries = current.len(), "hosts file read");
                is_replaced
            };
            tokio::spawn(file.follow(interval, sender, update));
        }
        Ok(Box::new(Hosts { config: self.clone(), inline, file: receiver }))
    }
}

impl Report {
    /// Puts a table in the place of another, and tells what came with it.
    fn replace(&self, current: &mut HostTable, loaded: Loaded) -> bool {
        *current = loaded.table;
        self.entries(current);
        if let Some(age) = loaded.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()) {
            self.metrics.reload_timestamp.set(age.as_secs_f64());
        }
        if let Some((line, problem)) = loaded.mistakes.first {
            let (path, count) = (&self.path, loaded.mistakes.count);
            tracing::warn!(path, line, problem, count, "lines of a hosts file are not used");
        }
        true
    }

    fn entries(&self, table: &HostTable) {
        let count = i64::try_from(table.len() + self.inline_entries).unwrap_or(i64::MAX);
        self.metrics.entries.with_label_values(&[&self.path]).set(count);
    }
}
