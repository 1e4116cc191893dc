//! Follows the objects of one kind as they are written, for who needs more of them than the model holds.

use std::time::Duration;

use super::follow::{Seen, Sink};
use crate::api::request;
use crate::api::step::{Health, Mark, Refusal, Request};
use crate::api::words::explain_at;

/// A kind as URLs name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WrittenKind {
    /// `v1`, or `GROUP/VERSION`.
    pub api_version: &'static str,
    /// The name in URLs.
    pub plural: &'static str,
}

/// What is told of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WrittenChange {
    /// A list begins: what it does not name until its end is gone.
    ListStart,
    /// An object is there, or has changed: its JSON.
    There(String),
    /// An object is gone: the JSON of what it was.
    Gone(String),
    /// The list is complete.
    ListEnd,
    /// The server is followed.
    Live,
    /// It is not, for the reason given with its remedy.
    Lost(String),
}

impl WrittenKind {
    /// Returns the group; empty for the core group.
    pub(crate) fn group(&self) -> &'static str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    fn path(&self) -> String {
        let root = if self.group().is_empty() { "api" } else { "apis" };
        format!("/{root}/{}/{}", self.api_version, self.plural)
    }
}

/// Tells of the objects of one kind as they are written.
pub(super) struct WrittenSink {
    /// The kind.
    pub(super) kind: WrittenKind,
    /// The one that is followed; all without it.
    pub(super) name: Option<String>,
}

impl Sink for WrittenSink {
    type Change = WrittenChange;

    fn url(&self, request: &Request, length: Duration) -> String {
        request::url_at(self.kind.path(), self.name.as_deref(), request, length)
    }

    fn upsert(&mut self, json: &str, _: Seen, batch: &mut Vec<WrittenChange>) {
        batch.push(WrittenChange::There(json.to_owned()));
    }

    fn delete(&mut self, json: &str, _: Seen, batch: &mut Vec<WrittenChange>) {
        batch.push(WrittenChange::Gone(json.to_owned()));
    }

    fn too_large(&mut self) {
        tracing::warn!(resource = self.kind.plural, "object above 16 MiB left out");
    }

    fn refused(&mut self, refusal: &Refusal) -> String {
        explain_at(self.kind, refusal)
    }

    fn mark(&mut self, mark: Mark, batch: &mut Vec<WrittenChange>) {
        batch.push(match mark {
            Mark::ListStart => WrittenChange::ListStart,
            Mark::ListEnd => WrittenChange::ListEnd,
        });
    }

    fn health(&mut self, health: Health, reason: &str, batch: &mut Vec<WrittenChange>) {
        match health {
            Health::Same => {}
            Health::Live => batch.push(WrittenChange::Live),
            Health::Lost => batch.push(WrittenChange::Lost(reason.to_owned())),
        }
    }
}
