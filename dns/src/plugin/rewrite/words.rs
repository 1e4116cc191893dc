//! The words of a `rewrite` directive, one after the other.

use crate::corefile::{CorefileError, Directive, Token};

/// The kinds of match.
const KINDS: [&str; 5] = ["exact", "prefix", "suffix", "substring", "regex"];

/// The words of a rule that are still to be read.
pub(super) struct Words<'d> {
    directive: &'d Directive,
    words: std::vec::IntoIter<&'d Token>,
}

impl<'d> Words<'d> {
    /// Takes the words of a directive: behind it, or in its block if at most one word is behind it. CoreDNS
    /// reads them as one row, so that a block is one rule, too.
    pub(super) fn of(directive: &'d Directive) -> Result<Self, CorefileError> {
        let mut words: Vec<&Token> = directive.args.iter().collect();
        if let Some(lines) = &directive.block {
            if words.len() > 1 {
                return Err(directive.error(
                    "a rule stands behind rewrite or in its block, not in both; remove one of them",
                ));
            }
            for line in lines {
                if line.block.is_some() {
                    let name = &line.name.text;
                    return Err(line.error(format!("{name} takes no block; remove the braces")));
                }
                words.push(&line.name);
                words.extend(&line.args);
            }
        }
        Ok(Self { directive, words: words.into_iter() })
    }

    /// Returns the next word, or an error that says what is missing.
    pub(super) fn next(&mut self, what: &str) -> Result<&'d Token, CorefileError> {
        self.words.next().ok_or_else(|| self.directive.error(format!("{what} is missing; add it")))
    }

    pub(super) fn left(&self) -> &[&'d Token] {
        self.words.as_slice()
    }

    /// Takes the last word away if it is this one.
    pub(super) fn take_last(&mut self, word: &str) -> bool {
        let found = self.left().last().is_some_and(|last| last.text == word);
        if found {
            self.words.next_back();
        }
        found
    }

    pub(super) fn end(&self) -> Result<(), CorefileError> {
        match self.left().first() {
            None => Ok(()),
            Some(extra) => {
                Err(extra.error(format!("remove '{}': the rule is complete", extra.text)))
            }
        }
    }

    /// Takes the kind of match if there are more words than the rule needs without one.
    pub(super) fn kind(&mut self, words_without: usize) -> Result<&'static str, CorefileError> {
        let Some(first) = self.left().first() else { return Ok("exact") };
        let text = &first.text;
        let kind = KINDS.iter().find(|kind| text.eq_ignore_ascii_case(kind));
        match kind {
            Some(kind) if self.left().len() > words_without => {
                self.words.next();
                Ok(kind)
            }
            Some(kind) if self.left().len() == words_without => Err(first.error(format!(
                "a word is missing behind {kind}; a name that is called so is written '{kind}.'"
            ))),
            None if self.left().len() > words_without => Err(first.error(format!(
                "'{text}' is no kind of match; write exact, prefix, suffix, substring or regex"
            ))),
            Some(_) | None => Ok("exact"),
        }
    }
}
