//! What a plugin answers when it fails: a code that runtimes know, a sentence, and what to do (CNI SPEC 1.1.0, "Error").

use std::fmt;

/// An error code of CNI, or of a plugin from 100 on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(pub u32);

impl Code {
    /// The version of the configuration is not spoken, or too old for the verb.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    /// A field has a value that is not supported; the message names both.
    pub const UNSUPPORTED_FIELD: Self = Self(2);
    /// The container is unknown: the runtime need not clean up.
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    /// An environment variable is missing or invalid; the message names it.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// Reading or writing failed.
    pub const IO: Self = Self(5);
    /// What was read is not JSON, or not what it should be.
    pub const DECODING: Self = Self(6);
    /// The network configuration is invalid.
    pub const INVALID_CONFIG: Self = Self(7);
    /// The network namespace is none, or the plugin's own.
    pub const INVALID_NETNS: Self = Self(8);
    /// A condition that passes: the runtime should try again.
    pub const TRY_AGAIN_LATER: Self = Self(11);
    /// STATUS: ADD would fail.
    pub const NOT_AVAILABLE: Self = Self(50);
    /// STATUS: ADD would fail, and containers may have lost connectivity.
    pub const LIMITED_CONNECTIVITY: Self = Self(51);
    /// A defect of the plugin.
    pub const INTERNAL: Self = Self(999);
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The failure of a call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}{}{details} (CNI error code {code})", if details.is_empty() { "" } else { ": " })]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where, why and what to do; may be empty.
    pub details: String,
}

impl Error {
    /// Makes an error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: String::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }
}
