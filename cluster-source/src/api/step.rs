//! What the reflector asks, hears and decides: its vocabulary.

use std::time::Duration;

use super::backoff::Delay;

/// What to ask the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// The list and then changes, in one stream (KEP-3157).
    Stream,
    /// The first page of the list.
    FirstPage,
    /// The page behind a token.
    Page {
        /// The token from the page before.
        token: String,
    },
    /// The list in one piece: pages expire faster than they can be read.
    Whole,
    /// Changes after a version.
    Watch {
        /// The version.
        resource_version: String,
    },
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// The server answers with 200.
    Opened,
    /// A page was read, and its objects handed on.
    Page {
        /// The list's version.
        resource_version: String,
        /// The token of the next page.
        more: Option<String>,
    },
    /// A change was read, and handed on.
    Change {
        /// The object's version.
        resource_version: String,
    },
    /// A bookmark was read.
    Bookmark {
        /// The version to resume from.
        resource_version: String,
        /// It ends the initial events.
        ends_list: bool,
    },
    /// The server answers with another status, or sent an `ERROR` event.
    Refused(Refusal),
    /// The request or its body is over.
    Over {
        /// Why.
        end: End,
        /// How long the body had been open.
        lived: Duration,
    },
}

/// Why the server refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) code: u16,
    /// What the server asks to wait.
    pub(crate) retry_after: Duration,
    /// The server's words.
    pub(crate) message: String,
}

/// Why a body is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The server ended it.
    Ended,
    /// Nothing came for too long.
    Idle,
    /// What came was no watch event, or no list.
    Garbage,
    /// The connection failed, or never came about.
    Failed,
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    /// What the model is told.
    pub(crate) mark: Option<Mark>,
    /// Whether the view follows the server.
    pub(crate) health: Health,
    /// What to do with the connection.
    pub(crate) then: Then,
}

/// The bounds of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// A list begins.
    ListStart,
    /// The list is complete.
    ListEnd,
}

/// Whether the view follows the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    /// As before.
    Same,
    /// It does, from now on.
    Live,
    /// It does not any more.
    Lost,
}

/// What to do with the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Read on.
    Read,
    /// Send the next request after a delay.
    Ask(Delay),
}

impl Step {
    /// Nothing to tell; read on.
    pub(super) const READ: Self = Self { mark: None, health: Health::Same, then: Then::Read };
}

impl Refusal {
    /// Says whether the request itself is to blame, so that the same request cannot succeed later.
    pub(super) fn is_invalid(&self) -> bool {
        (400..500).contains(&self.code)
            && !matches!(self.code, 401 | 403 | 404 | 408 | 409 | 410 | 425 | 429)
    }
}
