//! The structure of a parsed Corefile.

use std::path::PathBuf;

use super::{CorefileError, Position, Token, Warning};

/// Is a Corefile with every import, snippet and environment reference resolved.
///
/// Its `Display` is canonical text that parses back to the same structure. Two Corefiles with equal text
/// configure the same server, which is what a reload has to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corefile {
    /// The server blocks in textual order.
    pub blocks: Vec<ServerBlock>,
    /// What was accepted with a doubt, in textual order.
    pub warnings: Vec<Warning>,
    /// Every file read, the entry file first, each once.
    pub files: Vec<PathBuf>,
    /// Every directory an import pattern looked into, each once, whether or not it exists: a file that
    /// appears there later changes the configuration.
    pub directories: Vec<PathBuf>,
}

/// Is one server block: the zones it serves and what it does with their queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBlock {
    /// The keys, never empty and none of them with an empty text; [`zone_keys`](super::zone_keys) reads one.
    pub keys: Vec<Token>,
    /// The directives in textual order; a repeated directive is repeated here.
    pub directives: Vec<Directive>,
    /// Where the first key stands.
    pub position: Position,
}

/// Is a name, its arguments on the same line, and the lines of its block if it has one. A line of such a block
/// has the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first token of the line; its text is not empty.
    pub name: Token,
    /// The rest of the line.
    pub args: Vec<Token>,
    /// The lines between the braces; `None` without braces.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// Reports a problem with this directive; `text` names the problem and the remedy.
    pub fn error(&self, text: impl Into<String>) -> CorefileError {
        self.name.error(text)
    }

    /// The lines of the block; none without braces.
    pub fn lines(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}
