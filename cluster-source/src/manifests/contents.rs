//! What one manifest file holds.

use std::collections::BTreeSet;

use cluster::{Kind, Object, ObjectKey};
use ipam_controller::services::Wish;

use super::fields::Fields;
use super::walk::{Found, Obstacle, Place, Visitor, walk};
use crate::Interest;
use crate::api::resource::{api_version, kind_of, nearest_kind};
use crate::decode::{Decoded, Decoder, Keep, key_of, service_wish};

/// The language of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// YAML documents; JSON is YAML too.
    Yaml,
    /// JSON documents, one after the other.
    Json,
}

/// What one file holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Contents {
    /// Its objects that are of interest, in the order of the file.
    pub(crate) objects: Vec<Object>,
    /// Objects that it declares and that cannot be used as they are.
    pub(crate) unusable: BTreeSet<(Kind, ObjectKey)>,
    /// What its Services say of their addresses, of interest or not, so that each gets the same whoever reads.
    pub(crate) wishes: Vec<(ObjectKey, Wish)>,
    /// Names of the Namespaces that it declares, of interest or not.
    pub(crate) declared: BTreeSet<String>,
    /// Names of the Namespaces that its objects live in.
    pub(crate) inhabited: BTreeSet<String>,
    /// The number of documents of kinds that the model does not know.
    pub(crate) skipped: u64,
    /// How many documents and objects could not be used.
    pub(crate) bad: u64,
    /// What could not be used, and where; the first [`MOST_PROBLEMS`] of them.
    pub(crate) problems: Vec<Problem>,
    /// Fields that its objects have and their kinds do not; the first [`MOST_PROBLEMS`] of them. The objects are used.
    pub(crate) ignored: Vec<Problem>,
    /// A part of the file is no YAML or JSON at all: it was cut short, or is being edited.
    pub(crate) is_broken: bool,
}

/// A document or object that could not be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The line that it, or its document, starts on.
    pub(crate) line: usize,
    /// The number of its document, from 1.
    pub(crate) document: usize,
    /// Its kind, where that is known.
    pub(crate) kind: Option<Kind>,
    /// What is wrong.
    pub(crate) text: String,
}

impl Contents {
    /// Takes over from an earlier version of the file the objects that this one spoils.
    pub(crate) fn keep_spoiled(&mut self, earlier: &Self) {
        let good: BTreeSet<_> = self.objects.iter().map(|o| (o.kind(), o.key())).collect();
        let spoiled = |object: &&Object| {
            let key = (object.kind(), object.key());
            self.unusable.contains(&key) && !good.contains(&key)
        };
        let kept: Vec<Object> = earlier.objects.iter().filter(spoiled).cloned().collect();
        let is_kept = |key: &ObjectKey| {
            kept.iter().any(|object| object.kind() == Kind::Service && object.key() == *key)
        };
        let wishes = earlier.wishes.iter().filter(|(key, _)| is_kept(key)).cloned();
        self.wishes.extend(wishes);
        self.objects.extend(kept);
    }

    /// Reads the text of a file.
    pub(crate) fn read(text: &str, format: Format, reading: &mut Reading<'_>) -> Self {
        let place = Place { line: 1, document: 0 };
        let mut reader = Reader { contents: Self::default(), reading, place };
        walk(text, format, &mut reader);
        reader.contents
    }
}

/// What files are read with.
pub(crate) struct Reading<'a> {
    /// Which objects are kept.
    pub(crate) interest: &'a Interest,
    /// Decodes them.
    pub(crate) decoder: &'a mut Decoder,
    /// Which fields they have.
    pub(crate) fields: &'a Fields,
}

struct Reader<'a, 'b> {
    contents: Contents,
    reading: &'a mut Reading<'b>,
    place: Place,
}

/// How many problems and ignored fields of a file are described; all problems are counted.
const MOST_PROBLEMS: usize = 1000;

impl Visitor for Reader<'_, '_> {
    fn object(&mut self, place: Place, found: &Found<'_>) {
        self.place = place;
        match kind_of(found.api_version, found.kind) {
            Some(kind) => self.object_of(kind, found.json),
            None => self.object_of_no_kind(found),
        }
    }

    fn obstacle(&mut self, place: Place, obstacle: Obstacle) {
        self.place = place;
        self.contents.is_broken |= matches!(obstacle, Obstacle::Broken(_));
        let (Obstacle::Broken(problem) | Obstacle::NoObject(problem)) = obstacle;
        self.problem(None, problem);
    }
}

impl Reader<'_, '_> {
    fn object_of(&mut self, kind: Kind, json: &str) {
        let key = key_of(kind, json);
        if let Some(key) = &key {
            if kind.is_namespaced() {
                self.inhabit(Some(&key.namespace));
            } else if kind == Kind::Namespace {
                self.contents.declared.insert(key.name.to_string());
            }
        }
        let interest = self.reading.interest;
        if !interest.kinds.contains(kind) {
            return;
        }
        self.ignored_fields(kind, key.as_ref(), json);
        let keep = if interest.reads_labels(kind) { Keep::Labels } else { Keep::NoLabels };
        match self.reading.decoder.decode(kind, json, keep) {
            Ok(Decoded { object, dropped }) => {
                self.contents.objects.extend(interest.admit(object));
                if kind == Kind::Service && !interest.service_ranges.is_empty() {
                    self.wish(json);
                }
                dropped.iter().for_each(|bad| self.problem(Some(kind), bad.to_string()));
            }
            Err(bad) => {
                self.problem(Some(kind), bad.to_string());
                self.contents.unusable.extend(bad.key.map(|key| (kind, key)));
            }
        }
    }

    /// Notes the fields that nobody reads because there are none of that name.
    fn ignored_fields(&mut self, kind: Kind, key: Option<&ObjectKey>, json: &str) {
        let room = MOST_PROBLEMS - self.contents.ignored.len().min(MOST_PROBLEMS);
        if room == 0 {
            return;
        }
        let Place { line, document } = self.place;
        let object = key.map_or_else(String::new, |key| format!(" {key}"));
        let unknown = self.reading.fields.unknown(kind.name(), json, room);
        self.contents.ignored.extend(unknown.into_iter().map(|field| {
            let text = format!("{kind}{object}: {field}");
            Problem { line, document, kind: Some(kind), text }
        }));
    }

    /// Takes an object of a kind that the model does not know, or whose kind is mistyped.
    fn object_of_no_kind(&mut self, found: &Found<'_>) {
        self.inhabit(found.header.namespace());
        let meant = nearest_kind(found.api_version, found.kind);
        let Some(meant) = meant.filter(|kind| self.reading.interest.kinds.contains(*kind)) else {
            self.contents.skipped += 1;
            return;
        };
        let key = key_of(meant, found.json);
        let object = key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
        let problem = format!(
            "{}{object}: no such kind is read from {}; write `apiVersion: {}` and `kind: {meant}`",
            found.kind,
            found.api_version,
            api_version(meant),
        );
        self.problem(Some(meant), problem);
        self.contents.unusable.extend(key.map(|key| (meant, key)));
    }

    fn wish(&mut self, json: &str) {
        match service_wish(json) {
            Ok(wish) => self.contents.wishes.push(wish),
            Err(bad) => self.problem(Some(Kind::Service), bad.to_string()),
        }
    }

    fn inhabit(&mut self, namespace: Option<&str>) {
        let Some(namespace) = namespace else { return };
        if !self.contents.inhabited.contains(namespace) {
            self.contents.inhabited.insert(namespace.to_owned());
        }
    }

    fn problem(&mut self, kind: Option<Kind>, text: String) {
        self.contents.bad += 1;
        if self.contents.problems.len() < MOST_PROBLEMS {
            let Place { line, document } = self.place;
            self.contents.problems.push(Problem { line, document, kind, text });
        }
    }
}

#[cfg(test)]
mod tests;
