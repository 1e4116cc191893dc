//! From the JSON of an object that the server sent to what the model is told.

use cluster::{Event, Kind};

use crate::Interest;
use crate::decode::{BadObject, Decoded, Decoder, Header, Keep};

/// Translates the objects of one kind.
#[derive(Debug)]
pub(crate) struct Translator<'a> {
    kind: Kind,
    interest: &'a Interest,
    decoder: Decoder,
}

/// What one object gives.
#[derive(Debug)]
pub(crate) struct Translated {
    /// What the model is told, if anything.
    pub(crate) event: Option<Event>,
    /// Why the object, or parts of it, cannot be used.
    pub(crate) bad: Vec<BadObject>,
    /// The `metadata.uid` of a bad object, as far as it can be read.
    pub(crate) uid: String,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(kind: Kind, interest: &'a Interest) -> Self {
        Self { kind, interest, decoder: Decoder::default() }
    }

    /// Translates an object that is there. One that is not of interest is not in the model, whatever was
    /// there before: a list would leave it out too. Of one that cannot be used the last good version stays.
    pub(crate) fn upsert(&mut self, json: &str) -> Translated {
        let keep =
            if self.interest.reads_labels(self.kind) { Keep::Labels } else { Keep::NoLabels };
        let (event, bad) = match self.decoder.decode(self.kind, json, keep) {
            Ok(Decoded { object, dropped }) => {
                let key = object.key();
                let gone = Event::Delete(self.kind, key);
                (Some(self.interest.admit(object).map_or(gone, Event::Upsert)), dropped)
            }
            Err(bad) => (bad.key.clone().map(|key| Event::Keep(self.kind, key)), vec![bad]),
        };
        let uid = if bad.is_empty() { String::new() } else { uid_of(json) };
        Translated { event, bad, uid }
    }

    /// Translates an object that is gone.
    pub(crate) fn delete(&self, json: &str) -> Translated {
        let header: Option<Header<'_>> = serde_json::from_str(json).ok();
        let key = header.as_ref().and_then(|header| header.key(self.kind));
        Translated {
            event: key.map(|key| Event::Delete(self.kind, key)),
            bad: Vec::new(),
            uid: String::new(),
        }
    }
}

fn uid_of(json: &str) -> String {
    let header: Option<Header<'_>> = serde_json::from_str(json).ok();
    header.map_or_else(String::new, |header| header.uid().to_owned())
}

/// Returns an object's version; empty when it does not say.
pub(crate) fn version_of(json: &str) -> String {
    let header: Option<Header<'_>> = serde_json::from_str(json).ok();
    header.map_or_else(String::new, |header| header.resource_version().to_owned())
}
