//! What one manifest file holds.

use std::collections::BTreeSet;

use cluster::{Kind, Object, ObjectKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::documents;
use super::yaml::{self, Broken};
use crate::Interest;
use crate::api::resource::kind_of;
use crate::decode::{Decoded, Decoder, Header, Keep, key_of, plain};

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
        self.objects.extend(kept);
    }

    /// Reads the text of a file.
    pub(crate) fn read(text: &str, format: Format, reading: &mut Reading<'_>) -> Self {
        let mut reader = Reader { contents: Self::default(), reading, line: 1, document: 0 };
        match format {
            Format::Yaml => reader.yaml(text),
            Format::Json => reader.json(text),
        }
        reader.contents
    }
}

/// What files are read with.
pub(crate) struct Reading<'a> {
    /// Which objects are kept.
    pub(crate) interest: &'a Interest,
    /// Decodes them.
    pub(crate) decoder: &'a mut Decoder,
}

struct Reader<'a, 'b> {
    contents: Contents,
    reading: &'a mut Reading<'b>,
    line: usize,
    document: usize,
}

/// A `List`, or a list of one kind as the API server writes it.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// How many problems of a file are described; all of them are counted.
const MOST_PROBLEMS: usize = 1000;

/// How deep lists may hold lists.
const MOST_LISTS: usize = 4;

impl Reader<'_, '_> {
    fn yaml(&mut self, text: &str) {
        for document in documents::split(text) {
            (self.line, self.document) = (document.line, self.document + 1);
            match yaml::to_json(document.text) {
                Ok(json) => self.item(&json, None, 0),
                Err(Broken { line, problem }) => {
                    self.line = document.line + line.saturating_sub(1);
                    self.broken(problem);
                }
            }
        }
    }

    fn json(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut end = 0;
        while let Some(document) = documents.next() {
            self.document += 1;
            // The iterator stands behind the document; its start is after the white space before it.
            let start = text[end..].find(|c: char| !c.is_whitespace()).map_or(end, |at| end + at);
            self.line += count_lines(&text[end..start]);
            match document {
                Ok(json) => self.item(json.get(), None, 0),
                Err(error) => {
                    self.line += error.line().saturating_sub(1);
                    let text = error.to_string();
                    let text = &text[..text.find(" at line ").unwrap_or(text.len())];
                    return self.broken(format!(
                        "is not valid JSON: {text}; correct it from this line on"
                    ));
                }
            }
            end = documents.byte_offset();
            self.line += count_lines(&text[start..end]);
        }
    }

    /// Takes a document, or an item of a list whose items are of one kind.
    fn item(&mut self, json: &str, of_list: Option<(&str, &str)>, depth: usize) {
        if json == "null" {
            return;
        }
        let header: Header<'_> = match serde_json::from_str(json) {
            Ok(header) => header,
            Err(error) => {
                let problem = format!(
                    "{}; an object begins with `apiVersion`, `kind` and `metadata`",
                    plain(&error)
                );
                return self.problem(None, problem);
            }
        };
        let (api_version, kind) = match (header.kind(), of_list) {
            ("", Some(of_list)) => of_list,
            (kind, _) => (header.api_version(), kind),
        };
        if kind.is_empty() || api_version.is_empty() {
            let problem = "has no `apiVersion` and `kind`; write for example `apiVersion: v1` and `kind: Service`";
            return self.problem(None, problem.to_owned());
        }
        if let Some(item_kind) = kind.strip_suffix("List") {
            return self.list(json, (api_version, item_kind), depth);
        }
        match kind_of(api_version, kind) {
            Some(kind) => self.object(kind, json),
            None => {
                self.contents.skipped += 1;
                self.inhabit(header.namespace());
            }
        }
    }

    fn list(&mut self, json: &str, (api_version, item_kind): (&str, &str), depth: usize) {
        if depth >= MOST_LISTS {
            return self.problem(None, "lists hold lists too deep; write them flat".to_owned());
        }
        let of_list = (!item_kind.is_empty()).then_some((api_version, item_kind));
        match serde_json::from_str::<List<'_>>(json) {
            Ok(list) => {
                for item in list.items.into_iter().flatten() {
                    self.item(item.get(), of_list, depth + 1);
                }
            }
            Err(error) => self.problem(None, format!("items: {}", plain(&error))),
        }
    }

    fn object(&mut self, kind: Kind, json: &str) {
        if let Some(key) = key_of(kind, json) {
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
        let keep = if interest.reads_labels(kind) { Keep::Labels } else { Keep::NoLabels };
        match self.reading.decoder.decode(kind, json, keep) {
            Ok(Decoded { object, dropped }) => {
                self.contents.objects.extend(interest.admit(object));
                dropped.iter().for_each(|bad| self.problem(Some(kind), bad.to_string()));
            }
            Err(bad) => {
                self.problem(Some(kind), bad.to_string());
                self.contents.unusable.extend(bad.key.map(|key| (kind, key)));
            }
        }
    }

    fn inhabit(&mut self, namespace: Option<&str>) {
        let Some(namespace) = namespace else { return };
        if !self.contents.inhabited.contains(namespace) {
            self.contents.inhabited.insert(namespace.to_owned());
        }
    }

    fn broken(&mut self, text: String) {
        self.contents.is_broken = true;
        self.problem(None, text);
    }

    fn problem(&mut self, kind: Option<Kind>, text: String) {
        self.contents.bad += 1;
        if self.contents.problems.len() < MOST_PROBLEMS {
            let (line, document) = (self.line, self.document);
            self.contents.problems.push(Problem { line, document, kind, text });
        }
    }
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
