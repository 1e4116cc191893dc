//! JSON as Go's `encoding/json` sees it, which CNI's other plugins are written with: keys match whatever their case, of
//! repeated keys the last counts, and `null` is as if the key were not there.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value whose objects keep their keys in order, repeated ones too.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, in the precision that it was written in.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one JSON value, with white space around it and nothing else.
    ///
    /// # Errors
    /// It is not JSON, or nested more than 127 deep; the error names line and column.
    pub fn parse(octets: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(octets)
    }

    /// Returns the value of a key of an object: of those that are equal but for the case of ASCII letters the last one
    /// that is not `null`. None for what is no object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        let is_wanted = |(name, value): &&(String, Self)| {
            name.eq_ignore_ascii_case(key) && *value != Self::Null
        };
        entries.iter().rev().find(is_wanted).map(|(_, value)| value)
    }

    /// Returns what kind of value this is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(list) => serializer.collect_seq(list),
            Self::Object(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_as_in_go() {
        for (text, expected) in [
            (r#"{"name": "a"}"#, Some("a")),
            (r#"{"NaMe": "a"}"#, Some("a")),
            (r#"{"name": "a", "name": "b"}"#, Some("b")),
            (r#"{"name": "a", "NAME": "b"}"#, Some("b")),
            (r#"{"NAME": "b", "name": "a"}"#, Some("a")),
            (r#"{"name": "a", "name": null}"#, Some("a")),
            (r#"{"name": null}"#, None),
            (r#"{"names": "a"}"#, None),
            ("[]", None),
        ] {
            let expected = expected.map(|text| Json::String(text.to_owned()));
            assert_eq!(
                Json::parse(text.as_bytes()).unwrap().get("name"),
                expected.as_ref(),
                "{text}"
            );
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (text, place) in [
            ("", "line 1 column 0"),
            ("{\n\"a\": }", "line 2 column 6"),
            ("{} {}", "line 1 column 4"),
            (&"[".repeat(1000), "recursion limit"),
        ] {
            let error = Json::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let text = r#"{"b":[1,-2,3.5,18446744073709551615,null,true],"a":{"x":"é\n"},"a":{}}"#;
        let json = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }
}
