//! Walks through the objects of a file: documents, and the items of lists in them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::contents::Format;
use super::documents;
use super::yaml::{self, Broken};
use crate::decode::{Header, plain};

/// How deep lists may hold lists.
const MOST_LISTS: usize = 4;

/// Where something stands in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The line that it, or its document, starts on, counted from 1.
    pub(super) line: usize,
    /// The number of its document, from 1.
    pub(super) document: usize,
}

/// What cannot be walked through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// It is no YAML or JSON at all.
    Broken(String),
    /// It is no object.
    NoObject(String),
}

/// Takes what a file holds, in its order.
pub(super) trait Visitor {
    /// Takes an object that has a kind. `kind` and `api_version` are those of its list where it names none itself.
    fn object(&mut self, place: Place, found: &Found<'_>);

    /// Takes what is wrong.
    fn obstacle(&mut self, place: Place, obstacle: Obstacle);
}

/// An object.
pub(super) struct Found<'a> {
    /// `apiVersion`.
    pub(super) api_version: &'a str,
    /// `kind`.
    pub(super) kind: &'a str,
    /// What can be read of any object.
    pub(super) header: &'a Header<'a>,
    /// Its text.
    pub(super) json: &'a str,
}

/// A `List`, or a list of one kind as the API server writes it.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// Shows every object of a text to a visitor.
pub(super) fn walk(text: &str, format: Format, visitor: &mut impl Visitor) {
    let mut walker = Walker { visitor, place: Place { line: 1, document: 0 } };
    match format {
        Format::Yaml => walker.yaml(text),
        Format::Json => walker.json(text),
    }
}

struct Walker<'a, V> {
    visitor: &'a mut V,
    place: Place,
}

impl<V: Visitor> Walker<'_, V> {
    fn yaml(&mut self, text: &str) {
        for document in documents::split(text) {
            self.place = Place { line: document.line, document: self.place.document + 1 };
            match yaml::to_json(document.text) {
                Ok(json) => self.item(&json, None, 0),
                Err(Broken { line, problem }) => {
                    self.place.line = document.line + line.saturating_sub(1);
                    self.visitor.obstacle(self.place, Obstacle::Broken(problem));
                }
            }
        }
    }

    fn json(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut end = 0;
        while let Some(document) = documents.next() {
            self.place.document += 1;
            // The iterator stands behind the document; its start is after the white space before it.
            let start = text[end..].find(|c: char| !c.is_whitespace()).map_or(end, |at| end + at);
            self.place.line += count_lines(&text[end..start]);
            match document {
                Ok(json) => self.item(json.get(), None, 0),
                Err(error) => {
                    self.place.line += error.line().saturating_sub(1);
                    let text = error.to_string();
                    let text = &text[..text.find(" at line ").unwrap_or(text.len())];
                    let problem =
                        format!("is not valid JSON: {text}; correct it from this line on");
                    return self.visitor.obstacle(self.place, Obstacle::Broken(problem));
                }
            }
            end = documents.byte_offset();
            self.place.line += count_lines(&text[start..end]);
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
                return self.no_object(problem);
            }
        };
        let (api_version, kind) = match (header.kind(), of_list) {
            ("", Some(of_list)) => of_list,
            (kind, _) => (header.api_version(), kind),
        };
        if kind.is_empty() || api_version.is_empty() {
            let problem = "has no `apiVersion` and `kind`; write for example `apiVersion: v1` and `kind: Service`";
            return self.no_object(problem.to_owned());
        }
        if let Some(item_kind) = kind.strip_suffix("List") {
            return self.list(json, (api_version, item_kind), depth);
        }
        self.visitor.object(self.place, &Found { api_version, kind, header: &header, json });
    }

    fn list(&mut self, json: &str, (api_version, item_kind): (&str, &str), depth: usize) {
        if depth >= MOST_LISTS {
            return self.no_object("lists hold lists too deep; write them flat".to_owned());
        }
        let of_list = (!item_kind.is_empty()).then_some((api_version, item_kind));
        match serde_json::from_str::<List<'_>>(json) {
            Ok(list) => {
                for item in list.items.into_iter().flatten() {
                    self.item(item.get(), of_list, depth + 1);
                }
            }
            Err(error) => self.no_object(format!("items: {}", plain(&error))),
        }
    }

    fn no_object(&mut self, problem: String) {
        self.visitor.obstacle(self.place, Obstacle::NoObject(problem));
    }
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
