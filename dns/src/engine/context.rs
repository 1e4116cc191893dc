//! What a plugin may ask of the server around it.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{Engine, ListenerId, MAX_LOOKUP_DEPTH};
use crate::{Query, Reply};

/// The server as a plugin sees it while it handles one query.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    engine: &'a Engine,
    listener: ListenerId,
    depth: u8,
    trace: Option<&'a Trace>,
}

/// Collects what happens to one query, for `explain`.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Vec<Step>>);

/// One step of a query's way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// How deep the server was asking itself: 0 for the client's own question.
    pub depth: u8,
    /// The plugin that acted; empty for the server.
    pub plugin: &'static str,
    /// What it did and why.
    pub text: String,
}

impl<'a> Context<'a> {
    pub(super) fn new(engine: &'a Engine, listener: ListenerId, trace: Option<&'a Trace>) -> Self {
        Self { engine, listener, depth: 0, trace }
    }

    pub(super) fn listener(&self) -> ListenerId {
        self.listener
    }

    /// Asks the server itself through the whole chain of whichever block serves the name; none when
    /// the question is dropped or the server has asked itself [`MAX_LOOKUP_DEPTH`] times already.
    pub fn lookup(&self, query: Query) -> BoxFuture<'a, Option<Reply>> {
        if self.depth >= MAX_LOOKUP_DEPTH {
            self.note("", || format!("gave up after {MAX_LOOKUP_DEPTH} lookups for one answer"));
            return Box::pin(std::future::ready(None));
        }
        self.engine.lookup(query, Self { depth: self.depth + 1, ..*self })
    }

    /// Notes what a plugin did, when somebody asked for an explanation.
    pub fn note(&self, plugin: &'static str, text: impl FnOnce() -> String) {
        let Some(Trace(steps)) = self.trace else { return };
        let step = Step { depth: self.depth, plugin, text: text() };
        if let Ok(mut steps) = steps.lock() {
            steps.push(step);
        }
    }

    /// Says whether somebody asked for an explanation, so that it is worth its price.
    pub fn is_explaining(&self) -> bool {
        self.trace.is_some()
    }
}

impl Trace {
    /// Returns the steps in the order in which they happened.
    pub fn into_steps(self) -> Vec<Step> {
        self.0.into_inner().unwrap_or_default()
    }
}
