//! How a Corefile is read past the mistakes of its grammar.
//!
//! Past a misplaced brace it is a guess what belongs where. The guesses are made so that nothing is taken for a
//! mistake that may be none once the brace stands where it belongs: what is doubtful is left out.

use std::collections::BTreeSet;

use super::lexer::Lexeme;
use super::limits::MAX_GRAMMAR_ERRORS;
use super::parser::before_glued_brace;
use super::{Corefile, CorefileError, Directive, Position, ServerBlock, Token};

/// The options that have the name of a plugin.
const OPTIONS_LIKE_PLUGINS: [&str; 3] = ["reload", "tls", "transfer"];

/// What the names of directives can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameKind {
    /// A plugin's name.
    Plugin,
    /// Nearly one.
    Misspelt,
    /// Something else, such as an option or a zone.
    Other,
}

/// Says what a name is.
pub type Names<'a> = &'a dyn Fn(&str) -> NameKind;

/// What could be read of a Corefile.
#[derive(Debug)]
pub struct Recovered {
    /// The server blocks, as far as they were understood.
    pub corefile: Corefile,
    /// Everything that is wrong in the grammar, in the order in which it was met.
    pub errors: Vec<CorefileError>,
    /// For each server block, whether something of it may be missing, such as the lines of a failed import.
    pub is_partial: Vec<bool>,
    /// The lines whose words may not be those that were meant.
    pub garbled: BTreeSet<Position>,
    /// Server blocks may be missing: an import that failed may have had some.
    pub lacks_blocks: bool,
}

/// A server block and what is doubtful about it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) block: ServerBlock,
    /// Its keys have a brace behind them.
    pub(super) has_brace: bool,
    /// Something of it may be missing.
    pub(super) is_partial: bool,
}

/// What was met while reading past mistakes.
pub(super) struct Recovery<'a> {
    pub(super) names: Names<'a>,
    pub(super) errors: Vec<CorefileError>,
    /// A server block or a snippet is being read.
    pub(super) is_in_block: bool,
    /// Something of what is being read may be missing.
    pub(super) is_partial: bool,
    /// A brace closed something that is not open.
    pub(super) met_stray_brace: bool,
    pub(super) lacks_blocks: bool,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(names: Names<'a>) -> Self {
        Self {
            names,
            errors: Vec::new(),
            is_in_block: false,
            is_partial: false,
            met_stray_brace: false,
            lacks_blocks: false,
        }
    }

    /// Remembers an error; returns it when reading has to end with it.
    pub(super) fn remember(&mut self, error: CorefileError) -> Result<(), CorefileError> {
        let is_last = matches!(error, CorefileError::Limit { .. });
        if is_last || self.errors.len() >= MAX_GRAMMAR_ERRORS {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }

    /// Gives a server block the directives that fell out of it because a brace closed it too early, which another
    /// brace that closes nothing shows.
    ///
    /// ```text
    /// a.example {
    ///     forward . 192.0.2.53      the '{' is missing
    ///         max_fails 2           an option, not a directive
    ///     }                         closes a.example
    ///     cache                     looks like the key of a server block
    /// }                             closes nothing
    /// ```
    pub(super) fn take_in_the_fallen(&self, blocks: &mut Vec<Read>) {
        let mut fallen = Vec::new();
        while blocks.len() > 1
            && let Some(last) = blocks.pop_if(|last| self.is_directive(&last.block))
        {
            let mut directives = directives_of(last);
            directives.append(&mut fallen);
            fallen = directives;
        }
        let Some(open) = blocks.last_mut() else { return };
        let directives = &mut open.block.directives;
        let is_option = |directive: &mut Directive| {
            (self.names)(&directive.name.text) == NameKind::Other && directive.block.is_none()
        };
        while directives.pop_if(is_option).is_some() {
            open.is_partial = true;
        }
        directives.extend(fallen);
    }

    fn is_directive(&self, block: &ServerBlock) -> bool {
        let first = block.keys.first();
        first.is_some_and(|key| (self.names)(&key.text) == NameKind::Plugin)
    }

    /// Takes what cannot belong to a server block that is never closed out of it; returns the line of the directive
    /// that is not closed, if it is one of them and not the server block itself.
    ///
    /// The block of the last directive may go on too far: the brace that closes it is then the server block's.
    /// A plugin's name as an option shows that.
    pub(super) fn split_the_unclosed(&self, directives: &mut Vec<Directive>) -> Option<Position> {
        let is_plugin = |name: &Token| (self.names)(&name.text) == NameKind::Plugin;
        // They may be server blocks.
        directives.retain(|directive| is_plugin(&directive.name) || directive.block.is_none());
        let last = directives.last_mut()?;
        let lines = last.block.as_mut()?;
        let is_doubtful =
            |line: &Directive| OPTIONS_LIKE_PLUGINS.contains(&line.name.text.as_str());
        let first = lines.iter().position(|line| is_plugin(&line.name) && !is_doubtful(line))?;
        let next = lines.split_off(first);
        while lines.pop_if(|line| is_doubtful(line)).is_some() {}
        let position = last.name.position.clone();
        directives.extend(next);
        Some(position)
    }
}

/// Returns the directives that a server block is, whose keys are a directive.
fn directives_of(read: Read) -> Vec<Directive> {
    let ServerBlock { keys, directives, .. } = read.block;
    let mut keys = keys.into_iter();
    let Some(name) = keys.next() else { return directives };
    let args = keys.collect();
    if read.has_brace {
        return vec![Directive { name, args, block: Some(directives) }];
    }
    std::iter::once(Directive { name, args, block: None }).chain(directives).collect()
}

/// Says whether a line opens a server block or defines a snippet: `next` is the token after it.
pub(super) fn opens_server_block(line: &[Lexeme], next: Option<&Lexeme>) -> bool {
    let (Some(first), Some(last)) = (line.first(), line.last()) else { return false };
    let (first, last) = (&first.token, &last.token);
    let is_key = !first.quoted && first.text.contains(['.', ':', '/', '(', '$', '%'])
        || first.quoted && first.text.contains('.');
    let goes_on = !last.quoted && last.text.len() > 1 && last.text.ends_with(',');
    let has_brace = last.is_syntax("{")
        || before_glued_brace(last).is_some()
        || next.is_some_and(|next| next.token.is_syntax("{")) && line.len() == 1;
    is_key && (has_brace || goes_on)
}
