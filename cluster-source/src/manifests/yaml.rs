//! Turns one YAML document into the JSON that the decoder reads.
//!
//! The document streams through: neither a tree of it nor the expansion of its aliases beyond a limit is
//! ever held.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How often aliases may add up to one of the document's own nodes; a "billion laughs" ends here.
const MOST_REPLAYED_EVENTS: usize = 1_000_000;

/// Where a document stops being YAML, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    /// The line within the document, counted from 1.
    pub(super) line: usize,
    /// What the parser says.
    pub(super) problem: String,
}

/// Returns a YAML document as JSON.
pub(super) fn to_json(document: &str) -> Result<String, Broken> {
    let mut json = Output { text: String::with_capacity(document.len()), most: most(document) };
    let written = serde_saphyr::with_deserializer_from_str_with_options(
        document,
        options(document.len()),
        |deserializer| Node(&mut json).deserialize(deserializer),
    );
    written.map(|()| json.text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        Broken {
            line: usize::try_from(line).unwrap_or(1),
            problem: without_place(&error.without_snippet().to_string()),
        }
    })
}

/// Drops the parser's line and column, which count within the document; the line is told with the file's name.
fn without_place(text: &str) -> String {
    let places = [" at line ", " (defined at line ", " (used at line "];
    let end = places.iter().filter_map(|place| text.find(place)).min().unwrap_or(text.len());
    format!("is not valid YAML: {}; correct it from this line on", &text[..end])
}

/// JSON is larger than YAML by its quotes and braces; much more can only come from aliases.
fn most(document: &str) -> usize {
    document.len().saturating_mul(8).saturating_add(16 << 20)
}

/// Limits of the parser. Size is limited by the file, so that counts only grow with it; what a small file
/// may expand to is limited by itself.
fn options(size: usize) -> serde_saphyr::Options {
    let mut limits = serde_saphyr::Budget::default();
    limits.max_events = size.saturating_mul(2).saturating_add(MOST_REPLAYED_EVENTS);
    limits.max_nodes = limits.max_events;
    limits.max_total_scalar_bytes = size.saturating_add(64 << 20);
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(limits);
    options.alias_limits.max_total_replayed_events = MOST_REPLAYED_EVENTS;
    // YAML 1.2: a label value `yes` or `on` is a string.
    options.strict_booleans = true;
    options.with_snippet = false;
    options
}

/// JSON text under construction, with a limit.
struct Output {
    text: String,
    most: usize,
}

impl Output {
    fn put<E: Error>(&mut self, text: &str) -> Result<(), E> {
        if self.text.len() + text.len() > self.most {
            return Err(E::custom("aliases expand to too much; write the values out"));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn put_string<E: Error>(&mut self, text: &str) -> Result<(), E> {
        let quoted = serde_json::to_string(text).map_err(E::custom)?;
        self.put(&quoted)
    }
}

/// Writes a node.
struct Node<'a>(&'a mut Output);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.put("null")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.0.put("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.put(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.put(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.put(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let number = serde_json::to_string(&value).map_err(E::custom)?;
        self.0.put(&number)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.put_string(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.put("[")?;
        let mut separator = "";
        while let Some(()) = items.next_element_seed(Item(self.0, separator))? {
            separator = ",";
        }
        self.0.put("]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.put("{")?;
        let mut separator = "";
        while let Some(()) = entries.next_key_seed(Key(self.0, separator))? {
            self.0.put(":")?;
            entries.next_value_seed(Node(self.0))?;
            separator = ",";
        }
        self.0.put("}")
    }
}

/// Writes an element of a sequence behind its separator.
struct Item<'a>(&'a mut Output, &'static str);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.put(self.1)?;
        deserializer.deserialize_any(Node(self.0))
    }
}

/// Writes the key of an entry behind its separator. JSON keys are strings, whatever YAML made of them.
struct Key<'a>(&'a mut Output, &'static str);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.put(self.1)?;
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.0.put_string(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_the_type_that_yaml_gives_them() {
        let cases = [
            ("a: 1", r#"{"a":1}"#),
            ("a: '1'", r#"{"a":"1"}"#),
            ("a: yes\nb: true\nc: ~\nd:", r#"{"a":"yes","b":true,"c":null,"d":null}"#),
            ("a: 10.96.0.1\nb: None", r#"{"a":"10.96.0.1","b":"None"}"#),
            ("- a\n- [1, -2]\n- {b: 1.5}", r#"["a",[1,-2],{"b":1.5}]"#),
            ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
            ("80: \"quo\\\"te\"", r#"{"80":"quo\"te"}"#),
            ("--- # comment\na: |\n  x\n  y\n", r#"{"a":"x\ny\n"}"#),
            (r#"{"json": [true, null, "x"]}"#, r#"{"json":[true,null,"x"]}"#),
        ];
        for (yaml, json) in cases {
            assert_eq!(to_json(yaml).as_deref(), Ok(json), "{yaml:?}");
        }
    }

    #[test]
    fn broken_documents_name_the_line() {
        for (yaml, line) in [("a: 1\nb: [1", 2), ("a: b: c", 1), ("a: 1\na: 2", 2), ("a: *b", 1)] {
            let broken = to_json(yaml).unwrap_err();
            assert!(broken.line.abs_diff(line) <= 1, "{yaml:?}: {broken:?}");
            assert!(!broken.problem.is_empty());
        }
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            yaml += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(","));
        }
        assert!(to_json(&yaml).is_err());
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), ["*a"; 400].join(","));
        assert!(to_json(&long).is_err());
    }
}
