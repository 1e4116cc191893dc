//! How objects look on the wire: strings that borrow from it, and errors that name the field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::{Fault, plain};

/// A string of the wire. It borrows unless it holds escapes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Word<'a>(Cow<'a, str>);

/// A JSON object of strings, such as labels.
pub(super) type Words<'a> = BTreeMap<Word<'a>, Option<Word<'a>>>;

/// `IntOrString` of the Kubernetes API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum IntOrWord<'a> {
    /// A number, of any size.
    Int(i64),
    /// A string.
    Word(Word<'a>),
}

impl Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor)
    }
}

struct IntOrWordVisitor;

impl<'de> Visitor<'de> for IntOrWordVisitor {
    type Value = IntOrWord<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number or a port name")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<IntOrWord<'de>, E> {
        Ok(IntOrWord::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<IntOrWord<'de>, E> {
        Ok(IntOrWord::Int(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<IntOrWord<'de>, E> {
        WordVisitor.visit_borrowed_str(text).map(IntOrWord::Word)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<IntOrWord<'de>, E> {
        WordVisitor.visit_str(text).map(IntOrWord::Word)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for IntOrWord<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntOrWordVisitor)
    }
}

/// Parses JSON into a wire type. Only a failure costs the second pass that finds the field's name.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|error| {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => Fault::new("the object", plain(&error)),
            Err(error) => {
                let path = error.path().to_string();
                let field = if path == "." { "the object".to_owned() } else { path };
                Fault::new(field, plain(error.inner()))
            }
        }
    })
}

/// Iterates over an array that may be absent or null, as Go's `omitempty` leaves it.
pub(super) fn each<T>(list: &Option<Vec<T>>) -> impl Iterator<Item = (usize, &T)> {
    list.iter().flatten().enumerate()
}

/// Returns a string that may be absent or null; empty then.
pub(super) fn text<'a>(word: &'a Option<Word<'_>>) -> &'a str {
    word.as_deref().unwrap_or_default()
}
