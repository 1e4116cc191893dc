//! A place among the words of an expression.

use super::ExpressionError;
use super::lexer::{Kind, Lexeme, split};

/// The words of an expression from the next one on.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The last one is the end.
    lexemes: Vec<Lexeme>,
    at: usize,
}

impl Cursor {
    /// Returns the place before the first word.
    pub(super) fn of(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { lexemes: split(text)?, at: 0 })
    }

    pub(super) fn peek(&self) -> Lexeme {
        let end = || Lexeme { kind: Kind::End, column: 1 };
        self.lexemes.get(self.at).or(self.lexemes.last()).cloned().unwrap_or_else(end)
    }

    pub(super) fn next(&mut self) -> Lexeme {
        let lexeme = self.peek();
        self.at += 1;
        lexeme
    }

    /// Takes the next lexeme if it is one of these symbols or words.
    pub(super) fn take(&mut self, spellings: &[&'static str]) -> Option<&'static str> {
        let found = match &self.peek().kind {
            Kind::Symbol(symbol) => spellings.iter().find(|spelling| *spelling == symbol),
            Kind::Word(word) => spellings.iter().find(|spelling| *spelling == word),
            _ => None,
        };
        if found.is_some() {
            self.at += 1;
        }
        found.copied()
    }

    pub(super) fn need(&mut self, symbol: &'static str) -> Result<(), ExpressionError> {
        if self.take(&[symbol]).is_some() {
            return Ok(());
        }
        let found = self.peek();
        let problem = format!("expected '{symbol}' and found {}", described(&found.kind));
        Err(ExpressionError::new(found.column, problem))
    }

    /// Says whether the word so many places on is one of these.
    pub(super) fn is_word(&self, ahead: usize, words: &[&str]) -> bool {
        match self.lexemes.get(self.at + ahead).map(|lexeme| &lexeme.kind) {
            Some(Kind::Word(word)) => words.contains(&word.as_str()),
            _ => false,
        }
    }
}

/// Names a word for an error.
pub(super) fn described(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => format!("the string '{text}'"),
        Kind::Number(number) => format!("the number {number}"),
        Kind::Word(word) => format!("'{word}'"),
        Kind::Symbol(symbol) => format!("'{symbol}'"),
        Kind::End => "the end".to_owned(),
    }
}
