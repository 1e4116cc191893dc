//! Reads the files that changed and puts the objects of all files together.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cluster::{Event, Kind, ObjectKey};
use ipam_controller::services::{Given, Problem, Ranges, assign};

use super::files::{File, Files, Signature};
use crate::Interest;
use crate::decode::Decoder;
use crate::manifests::catalog::{Catalog, Duplicate};
use crate::manifests::contents::{self, Contents, Reading};
use crate::manifests::fields::Fields;

/// The largest file that is read.
const MOST_BYTES_A_FILE: u64 = 256 << 20;

/// The size that all files together may have.
const MOST_BYTES: u64 = 1 << 30;

/// How many problems of one file, and as many ignored fields, are logged one by one.
const MOST_PROBLEMS: usize = 20;

/// Remembers what each file held, to read only what changed.
pub(super) struct Loader {
    interest: Interest,
    decoder: Decoder,
    fields: Fields,
    files: BTreeMap<PathBuf, Cached>,
    catalog: Option<Catalog>,
    duplicates: BTreeSet<Duplicate>,
    /// What Services get their addresses from, and what they have.
    ranges: Ranges,
    given: BTreeMap<ObjectKey, Given>,
    /// What was wrong with Services in the load before.
    unserved: BTreeSet<Problem>,
    newly_bad: BTreeMap<Kind, u64>,
    /// What could not be looked at in the load before.
    faults: BTreeMap<PathBuf, String>,
}

/// One file as it was read last.
#[derive(Default)]
struct Cached {
    signature: Option<Signature>,
    contents: Contents,
    /// Tells whether a file that was read again says anything new.
    fingerprint: Option<u64>,
    /// The contents are all of a file that parsed.
    was_whole: bool,
    /// Why the contents are not those of the file as it is now.
    broken: Option<String>,
    /// The file could not be read the last time, which may pass without a change of the file.
    is_unreadable: bool,
    /// What was said of the file in the log.
    logged: HashSet<String>,
}

/// What a load found.
#[derive(Default)]
pub(super) struct Load {
    /// What changed since the load before.
    pub(super) events: Vec<Event>,
    pub(super) files: usize,
    pub(super) skipped: u64,
    pub(super) bad: u64,
    /// Files and directories that cannot be read or parsed.
    pub(super) broken_files: u64,
    /// One of them could not be read, which may pass without a change that can be watched.
    pub(super) is_worth_a_retry: bool,
    /// Objects that could not be used and were not reported before.
    pub(super) newly_bad: BTreeMap<Kind, u64>,
}

impl Loader {
    pub(super) fn new(interest: Interest, ranges: Ranges) -> Self {
        Self {
            interest,
            decoder: Decoder::default(),
            fields: Fields::new(),
            files: BTreeMap::new(),
            catalog: None,
            duplicates: BTreeSet::new(),
            ranges,
            given: BTreeMap::new(),
            unserved: BTreeSet::new(),
            newly_bad: BTreeMap::new(),
            faults: BTreeMap::new(),
        }
    }

    /// Reads the files that changed and returns what that changes.
    pub(super) fn load(&mut self, files: &Files) -> Load {
        let mut before = std::mem::take(&mut self.files);
        let mut budget = MOST_BYTES;
        for file in &files.found {
            let cached = before.remove(&file.path).unwrap_or_default();
            let cached = self.refresh(file, cached, &mut budget);
            self.files.insert(file.path.clone(), cached);
        }
        let is_out_of_sight =
            |path: &Path| files.faults.keys().any(|fault| path.starts_with(fault));
        self.files.extend(before.into_iter().filter(|(path, _)| is_out_of_sight(path)));
        self.report_faults(&files.faults);
        let events = self.combine();
        let cached = || self.files.values();
        Load {
            events,
            files: files.found.len(),
            skipped: cached().map(|file| file.contents.skipped).sum(),
            bad: cached().map(|file| file.contents.bad).sum(),
            broken_files: (cached().filter(|file| file.broken.is_some()).count()
                + files.faults.len()) as u64,
            is_worth_a_retry: !files.faults.is_empty() || cached().any(|file| file.is_unreadable),
            newly_bad: std::mem::take(&mut self.newly_bad),
        }
    }

    /// Returns the file as it is now: from memory when it has not changed.
    fn refresh(&mut self, file: &File, mut cached: Cached, budget: &mut u64) -> Cached {
        let fits = file.size <= MOST_BYTES_A_FILE && file.size <= *budget;
        *budget = budget.saturating_sub(file.size);
        if cached.signature == Some(file.signature) {
            return cached;
        }
        // An equal signature proves nothing for a file that changed just now: it is read again next time.
        let is_settled = file.signature.is_settled(SystemTime::now());
        cached.signature = is_settled.then_some(file.signature);
        match if fits { read(&file.path) } else { Err(too_large()) } {
            Ok(text) => {
                cached.is_unreadable = false;
                self.take(file, &text, &mut cached);
            }
            Err(error) => {
                let reason = error.to_string();
                if cached.broken.as_ref() != Some(&reason) {
                    not_readable(&file.path, &reason);
                }
                // Errors of the system pass, unlike what is wrong with the file's text.
                cached.is_unreadable = error.raw_os_error().is_some();
                cached.signature = cached.signature.filter(|_| !cached.is_unreadable);
                cached.broken = Some(reason);
                cached.fingerprint = None;
            }
        }
        cached
    }

    /// Takes the text of a file. One that parsed before and does not now keeps what it held.
    fn take(&mut self, file: &File, text: &str, cached: &mut Cached) {
        let fingerprint = Some(fingerprint(text));
        if std::mem::replace(&mut cached.fingerprint, fingerprint) == fingerprint {
            return;
        }
        let Self { interest, decoder, fields, .. } = self;
        let mut reading = Reading { interest, decoder, fields };
        let mut contents = Contents::read(text, file.format, &mut reading);
        self.report(file, &contents, &mut cached.logged);
        cached.broken = contents.is_broken.then(|| "does not parse".to_owned());
        if cached.broken.is_none() || !cached.was_whole {
            cached.was_whole = cached.broken.is_none();
            contents.keep_spoiled(&cached.contents);
            cached.contents = contents;
        }
    }

    /// Logs what cannot be looked at, once for as long as it stays the same.
    fn report_faults(&mut self, faults: &BTreeMap<PathBuf, String>) {
        for (path, reason) in
            faults.iter().filter(|(path, why)| self.faults.get(*path) != Some(why))
        {
            not_readable(path, reason);
        }
        self.faults.clone_from(faults);
    }

    /// Logs each problem and each ignored field of a file once, for as long as it stays the same.
    fn report(&mut self, file: &File, contents: &Contents, logged: &mut HashSet<String>) {
        let path = file.path.display();
        let in_line = |it: &contents::Problem| {
            (format!("{path}:{}: document {}: {}", it.line, it.document, it.text), it.kind)
        };
        let problems: Vec<_> = contents.problems.iter().map(in_line).collect();
        let ignored: Vec<_> = contents.ignored.iter().map(in_line).collect();
        let news = problems.iter().filter(|(line, _)| !logged.contains(line));
        for (told, (line, kind)) in news.enumerate() {
            if told < MOST_PROBLEMS {
                tracing::warn!(problem = line, "manifest not usable");
            }
            if let Some(kind) = kind {
                *self.newly_bad.entry(*kind).or_default() += 1;
            }
        }
        let news = ignored.iter().filter(|(line, _)| !logged.contains(line));
        for (line, _) in news.take(MOST_PROBLEMS) {
            tracing::warn!(problem = line, "manifest field ignored");
        }
        *logged = problems.into_iter().chain(ignored).map(|(line, _)| line).collect();
    }

    /// Puts the objects of all files together and returns what changed.
    fn combine(&mut self) -> Vec<Event> {
        let files = self.files.iter().map(|(path, file)| (path.as_path(), &file.contents));
        let (mut catalog, duplicates) = Catalog::of(files, &self.interest);
        if let Some(earlier) = &self.catalog {
            let contents = self.files.values().map(|file| &file.contents);
            catalog.keep_spoiled(earlier, contents.flat_map(|contents| &contents.unusable));
        }
        for Duplicate { object, kept, dropped } in duplicates.difference(&self.duplicates) {
            tracing::warn!(object, kept, dropped, "object declared twice");
        }
        self.duplicates = duplicates;
        self.assign();
        catalog.give(&self.given);
        let events = match &self.catalog {
            None => catalog.list(&self.interest),
            Some(earlier) => catalog.since(earlier),
        };
        self.catalog = Some(catalog);
        events
    }

    /// Gives Services without an address one.
    fn assign(&mut self) {
        if self.ranges.families().is_empty() {
            return;
        }
        let wishes = self.files.values().flat_map(|file| file.contents.wishes.iter().cloned());
        let assignment = assign(self.ranges.clone(), &wishes.collect(), &self.given);
        self.given = assignment.given;
        let unserved: BTreeSet<Problem> = assignment.problems.into_iter().collect();
        for Problem { service, text } in unserved.difference(&self.unserved) {
            tracing::warn!(%service, problem = text, "addresses of a Service");
        }
        self.unserved = unserved;
    }
}

fn not_readable(path: &Path, reason: &str) {
    tracing::error!(
        path = %path.display(),
        reason,
        "manifest not readable, what it held stays; make it readable for this process"
    );
}

/// Reads a file, which may have grown since its size was taken.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = fs::File::open(path)?.take(MOST_BYTES_A_FILE + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES_A_FILE { Err(too_large()) } else { Ok(text) }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn too_large() -> io::Error {
    io::Error::other(format!(
        "too large; at most {} MiB a file and {} MiB together are read",
        MOST_BYTES_A_FILE >> 20,
        MOST_BYTES >> 20
    ))
}
