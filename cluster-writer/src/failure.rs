//! What came of a write.

use std::fmt;
use std::time::Duration;

use cluster_source::Unanswered;

/// What came of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It is done. The JSON of the object as it is stored; of a deletion what the server says.
    Done(String),
    /// It is not, or nobody knows.
    NotDone {
        /// Why.
        failure: Failure,
        /// What the server has.
        found: Found,
    },
}

/// What a look at an object found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It is there: its JSON.
    There(String),
    /// There is none.
    Nothing,
    /// It could not be looked at.
    Unknown,
}

/// Why a request was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was not sent: this process does not lead any more.
    NotLeading,
    /// The server refuses.
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
        /// How long the server asks to wait.
        retry_after: Duration,
    },
    /// There was no whole answer.
    NoAnswer(String),
}

impl Failure {
    /// Returns the failure in one word, of which there are few: what metrics have.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotLeading => "not_leading",
            Self::Refused { code: 409, .. } => "conflict",
            Self::Refused { code: 403, .. } => "forbidden",
            Self::Refused { code: 404, .. } => "not_found",
            Self::Refused { code: 429, .. } => "throttled",
            Self::Refused { code: 400..=499, .. } => "refused",
            Self::Refused { .. } => "server_error",
            Self::NoAnswer(_) => "no_answer",
        }
    }

    /// Says whether the same write cannot succeed later: it is wrong, or not allowed.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code: 400 | 403 | 405 | 413 | 415 | 422, .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeading => f.write_str("another replica may lead"),
            Self::Refused { code, message, .. } => write!(f, "HTTP {code}: {message}"),
            Self::NoAnswer(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused { code, message, retry_after } => {
                Self::Refused { code, message, retry_after }
            }
            Unanswered::NoAnswer(reason) => Self::NoAnswer(reason),
        }
    }
}
