//! The bounds of one parse, so that no input can exhaust memory or run for ever.

use super::{CorefileError, Position};

/// The size of one file, in bytes. A ConfigMap holds at most 1 MiB.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// The bytes read, replayed by imports and substituted from the environment in one parse.
pub const MAX_TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// The tokens of one parse, replayed ones included.
pub const MAX_TOKENS: usize = 1_000_000;

/// How deep blocks nest inside a directive of a server block.
pub const MAX_NESTING: usize = 16;

/// How deep imports nest: a file or snippet that imports a file or snippet, and so on.
pub const MAX_IMPORT_DEPTH: usize = 64;

/// The mistakes of the grammar past which `portolan check` reads on.
pub const MAX_GRAMMAR_ERRORS: usize = 1_000;

/// The snippets one parse expands.
pub const MAX_SNIPPET_EXPANSIONS: usize = 10_000;

/// The files one parse imports; a pattern counts once for each file it matches.
pub const MAX_FILE_EXPANSIONS: usize = 100_000;

/// What is left of the bounds that add up over a parse.
#[derive(Debug)]
pub(super) struct Budget {
    tokens: usize,
    bytes: usize,
    snippets: usize,
    files: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tokens: MAX_TOKENS,
            bytes: MAX_TOTAL_BYTES,
            snippets: MAX_SNIPPET_EXPANSIONS,
            files: MAX_FILE_EXPANSIONS,
        }
    }
}

impl Budget {
    pub(super) fn spend_tokens(
        &mut self,
        count: usize,
        at: &Position,
    ) -> Result<(), CorefileError> {
        spend(&mut self.tokens, count, MAX_TOKENS, "tokens", at)
    }

    pub(super) fn spend_bytes(&mut self, count: usize, at: &Position) -> Result<(), CorefileError> {
        spend(&mut self.bytes, count, MAX_TOTAL_BYTES, "bytes", at)
    }

    pub(super) fn spend_snippet(&mut self, at: &Position) -> Result<(), CorefileError> {
        let limit = MAX_SNIPPET_EXPANSIONS;
        spend(&mut self.snippets, 1, limit, "snippet imports", at)
    }

    pub(super) fn spend_files(&mut self, count: usize, at: &Position) -> Result<(), CorefileError> {
        spend(&mut self.files, count, MAX_FILE_EXPANSIONS, "imported files", at)
    }
}

fn spend(
    left: &mut usize,
    count: usize,
    limit: usize,
    what: &str,
    at: &Position,
) -> Result<(), CorefileError> {
    match left.checked_sub(count) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(CorefileError::limit(
            at,
            format!("more than {limit} {what}; make the configuration smaller or import less"),
        )),
    }
}
