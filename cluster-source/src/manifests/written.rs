//! Objects as they are written, for who needs more of an object than the model holds.

use cluster::ObjectKey;
use ipam_controller::services::Wish;
use serde::Deserialize;

use super::contents::Format;
use super::fields::Fields;
use super::walk::{Found, Obstacle, Place, Visitor, walk};
use crate::decode::{DEFAULT_NAMESPACE, Header, read_as, service_wish};

/// Objects of one kind as they are written, and what could not be read beside them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// The objects, in the order of the text.
    pub objects: Vec<WrittenObject>,
    /// What could not be read, each with its place and remedy.
    pub problems: Vec<String>,
}

/// An object as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrittenObject {
    /// `metadata.namespace`; `default` without one.
    pub namespace: String,
    /// `metadata.name`; may be empty.
    pub name: String,
    /// The whole object.
    pub json: String,
    /// `FILE:LINE` of the document, or which API server it is from.
    pub place: String,
    /// What is said of fields that its kind does not have; the first [`MOST_IGNORED`] of them, and none of an object that
    /// an API server took.
    pub ignored: Vec<String>,
}

/// How many fields of an object are told that there are not.
const MOST_IGNORED: usize = 20;

impl WrittenObject {
    /// Returns an object that an API server sent.
    ///
    /// # Errors
    /// `FIELD: PROBLEM`, when it is no Kubernetes object.
    pub fn sent(json: String) -> Result<Self, String> {
        let header: Header<'_> = read_as(&json)?;
        let namespace = header.namespace().unwrap_or_default().to_owned();
        let (name, place) = (header.name().to_owned(), "the API server".to_owned());
        Ok(Self { namespace, name, json, place, ignored: Vec::new() })
    }

    /// Returns what a Service says of its addresses and ports.
    ///
    /// # Errors
    /// A field that says something that there is not, with the remedy.
    pub fn wish(&self) -> Result<(ObjectKey, Wish), String> {
        service_wish(&self.json).map_err(|bad| bad.to_string())
    }

    /// Reads the object into a type that names the fields it wants.
    ///
    /// # Errors
    /// `FIELD: PROBLEM` with the remedy, when a field has another shape.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        read_as(&self.json)
    }
}

impl Written {
    /// Reads the objects of a kind (`v1`, `Pod`) in YAML or JSON documents, items of lists included. `name` is what
    /// places call the text.
    pub fn read(text: &str, name: &str, (api_version, kind): (&str, &str)) -> Self {
        Self::read_as(text, Format::Yaml, name, (api_version, kind))
    }

    pub(crate) fn read_as(text: &str, format: Format, name: &str, of: (&str, &str)) -> Self {
        let fields = Fields::new();
        let mut collector = Collector { name, of, fields: &fields, written: Self::default() };
        walk(text, format, &mut collector);
        collector.written
    }
}

struct Collector<'a> {
    name: &'a str,
    of: (&'a str, &'a str),
    fields: &'a Fields,
    written: Written,
}

impl Visitor for Collector<'_> {
    fn object(&mut self, place: Place, found: &Found<'_>) {
        if (found.api_version, found.kind) == self.of {
            let ignored = self.fields.unknown(found.kind, found.json, MOST_IGNORED);
            self.written.objects.push(WrittenObject {
                namespace: found.header.namespace().unwrap_or(DEFAULT_NAMESPACE).to_owned(),
                name: found.header.name().to_owned(),
                json: found.json.to_owned(),
                place: format!("{}:{}", self.name, place.line),
                ignored: ignored.iter().map(ToString::to_string).collect(),
            });
        }
    }

    fn obstacle(&mut self, place: Place, obstacle: Obstacle) {
        let (Obstacle::Broken(problem) | Obstacle::NoObject(problem)) = obstacle;
        self.written.problems.push(format!("{}:{}: {problem}", self.name, place.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_kind_are_found_with_their_places() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\n\
                    apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\nspec: {dnsPolicy: None}\n---\n\
                    kind: [\n---\n\
                    apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: b}\n- metadata: {name: c, lables: {}}\n";
        let written = Written::read(text, "pods.yaml", ("v1", "Pod"));
        let seen: Vec<_> =
            written.objects.iter().map(|o| (&*o.namespace, &*o.name, &*o.place)).collect();
        assert_eq!(
            seen,
            [
                ("n", "a", "pods.yaml:4"),
                ("default", "b", "pods.yaml:11"),
                ("default", "c", "pods.yaml:11")
            ]
        );
        assert!(written.objects[0].json.contains(r#""dnsPolicy":"None""#));
        let ignored: Vec<_> =
            written.objects.iter().map(|object| object.ignored.concat()).collect();
        let unknown = "metadata.lables: there is no such field, and it is ignored; write `labels`";
        assert_eq!(ignored, ["", "", unknown]);
        assert_eq!(written.problems.len(), 1);
        assert!(written.problems[0].starts_with("pods.yaml:10: is not valid YAML"), "{written:?}");
    }
}
