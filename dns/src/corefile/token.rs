//! Tokens and where they stand.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::CorefileError;

/// Names a line of a file; displayed as `FILE:LINE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file as named by the caller or by the import that read it.
    pub file: Arc<Path>,
    /// The line, counted from 1. A token that spans lines has the line it starts on.
    pub line: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

/// Is one word of a Corefile: a key, a directive name or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The text without quotes, escapes resolved and environment references replaced.
    pub text: String,
    /// Where the token starts, in the file that holds it (for an import: the imported one).
    pub position: Position,
    /// Whether the text stood in double quotes. Quoted braces, commas and `import` are plain text.
    pub quoted: bool,
}

impl Token {
    /// Reports a problem with this token; `text` names the problem and the remedy.
    pub fn error(&self, text: impl Into<String>) -> CorefileError {
        CorefileError::Syntax { position: self.position.clone(), text: text.into() }
    }

    /// Whether the token is this piece of syntax and not a quoted look-alike.
    pub(super) fn is_syntax(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }
}
