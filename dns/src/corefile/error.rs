//! What can be wrong or doubtful about a Corefile.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Position;

/// Says why a Corefile was refused. Every variant displays as `FILE:LINE - Error during parsing: TEXT`, the
/// shape CoreDNS prints and log searches know.
#[derive(Debug, thiserror::Error)]
pub enum CorefileError {
    /// The text breaks the grammar, or a plugin refuses a directive.
    #[error("{position} - Error during parsing: {text}")]
    Syntax {
        /// The offending token's position.
        position: Position,
        /// The problem and its remedy.
        text: String,
    },
    /// An imported file or a directory of an import pattern is not readable.
    #[error("{position} - Error during parsing: Could not import {}: {source}", path.display())]
    Import {
        /// The import's position.
        position: Position,
        /// The file or directory.
        path: PathBuf,
        /// Why reading it failed.
        source: io::Error,
    },
    /// The configuration exceeds one of the [`limits`](super::limits).
    #[error("{position} - Error during parsing: {text}")]
    Limit {
        /// Where the bound was reached.
        position: Position,
        /// The bound and the remedy.
        text: String,
    },
}

impl CorefileError {
    /// Where the problem is.
    pub fn position(&self) -> &Position {
        match self {
            Self::Syntax { position, .. }
            | Self::Import { position, .. }
            | Self::Limit { position, .. } => position,
        }
    }

    /// Returns the problem and its remedy, without the place.
    pub fn problem(&self) -> String {
        match self {
            Self::Syntax { text, .. } | Self::Limit { text, .. } => text.clone(),
            Self::Import { path, source, .. } => {
                format!("Could not import {}: {source}", path.display())
            }
        }
    }

    pub(super) fn syntax(position: &Position, text: impl Into<String>) -> Self {
        Self::Syntax { position: position.clone(), text: text.into() }
    }

    pub(super) fn limit(position: &Position, text: impl Into<String>) -> Self {
        Self::Limit { position: position.clone(), text: text.into() }
    }
}

/// Points at something that is accepted but may not be meant; displayed as `FILE:LINE - Warning: TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The token that raised it.
    pub position: Position,
    /// What is doubtful.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} - Warning: {}", self.position, self.text)
    }
}
