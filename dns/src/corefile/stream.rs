//! Turns files, imports and snippets into one sequence of tokens.
//!
//! An import replaces its line by the tokens of what it names. Imports resolve when they are reached, also those
//! inside a snippet, and relative to the file that holds the import's text.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::{Environment, substitute};
use super::lexer::Lexeme;
use super::limits::{Budget, MAX_IMPORT_DEPTH};
use super::loader::{Loader, Record, Source};
use super::{CorefileError, Position, Token};

/// What a run of tokens came from; names it in the search for cycles.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Snippet(String),
}

#[derive(Debug, Clone)]
struct Part {
    origin: Origin,
    lexemes: Arc<[Lexeme]>,
    next: usize,
}

impl Part {
    fn new(origin: Origin, lexemes: Arc<[Lexeme]>) -> Self {
        Self { origin, lexemes, next: 0 }
    }

    /// The next token, which starts a line if nothing of this part came before it.
    fn peek(&self) -> Option<Lexeme> {
        let mut lexeme = self.lexemes.get(self.next)?.clone();
        lexeme.starts_line |= self.next == 0;
        Some(lexeme)
    }

    fn text_bytes(&self) -> usize {
        self.lexemes.iter().map(|lexeme| lexeme.token.text.len()).sum()
    }
}

/// The parts one import stands for. The first is being read, the others wait.
type Frame = VecDeque<Part>;

#[derive(Debug)]
struct Snippet {
    position: Position,
    lexemes: Arc<[Lexeme]>,
}

/// Hands out the tokens of a Corefile in order.
pub(super) struct TokenStream<'a> {
    /// The entry file at the bottom, above it the imports that led to the current token. A part stays until a
    /// token after it is asked for, so an import on the last line of a file still sees that file as active.
    frames: Vec<Frame>,
    snippets: BTreeMap<String, Snippet>,
    loader: Loader<'a>,
    budget: Budget,
    environment: Environment<'a>,
    lost: Lost,
}

/// The snippets that may only be unknown because of an earlier mistake.
#[derive(Default)]
struct Lost {
    /// Those whose definitions were not understood.
    names: BTreeSet<String>,
    /// An import that failed may have had any.
    any: bool,
    /// One of them was imported since this was last asked.
    was_imported: bool,
}

/// A place in the stream, to which it can go back.
pub(super) struct Place(Vec<Frame>);

impl<'a> TokenStream<'a> {
    pub(super) fn new(
        (entry, bytes): (&Path, &[u8]),
        mut loader: Loader<'a>,
        environment: Environment<'a>,
    ) -> Result<Self, CorefileError> {
        let mut budget = Budget::default();
        let source = loader.entry(entry, bytes, &mut budget)?;
        let part = Part::new(Origin::File(source.path), source.lexemes);
        Ok(Self {
            frames: vec![Frame::from([part])],
            snippets: BTreeMap::new(),
            loader,
            budget,
            environment,
            lost: Lost::default(),
        })
    }

    pub(super) fn take_faults(&mut self) -> Vec<CorefileError> {
        self.loader.take_faults()
    }

    /// Says whether the text itself is wrong there.
    pub(super) fn has_fault_at(&self, position: &Position) -> bool {
        self.loader.has_fault_at(position)
    }

    pub(super) fn into_record(self) -> Record {
        self.loader.into_record()
    }

    /// Replaces the imports that stand here by what they name.
    pub(super) fn resolve_imports(&mut self) -> Result<(), CorefileError> {
        while let Some(import) = self.peek().filter(|lexeme| lexeme.token.is_syntax("import")) {
            self.next();
            self.import(&import.token)?;
        }
        Ok(())
    }

    /// Returns the rest of the line that starts here, in its part, and the token after it.
    pub(super) fn line_ahead(&mut self) -> Option<(&[Lexeme], Option<&Lexeme>)> {
        self.peek().filter(|lexeme| lexeme.starts_line)?;
        let part = self.frames.last()?.front()?;
        let ahead = part.lexemes.get(part.next..)?;
        let more = ahead.iter().skip(1).position(|lexeme| lexeme.starts_line);
        let (line, rest) = ahead.split_at(more.map_or(ahead.len(), |more| more + 1));
        Some((line, rest.first()))
    }

    /// Skips the rest of the current line.
    pub(super) fn skip_line(&mut self) {
        while self.next_on_line().is_some() {}
    }

    /// Takes back the token that [`next_on_line`](Self::next_on_line) returned last.
    pub(super) fn put_back(&mut self) {
        if let Some(part) = self.frames.last_mut().and_then(Frame::front_mut) {
            part.next = part.next.saturating_sub(1);
        }
    }

    /// Returns where the stream is.
    pub(super) fn place(&self) -> Place {
        Place(self.frames.clone())
    }

    /// Goes back to a place.
    pub(super) fn go_back(&mut self, Place(frames): Place) {
        self.frames = frames;
    }

    /// Remembers that the definition of a snippet was not understood; without a name, that any may be missing.
    pub(super) fn lose(&mut self, name: Option<&str>) {
        match name {
            Some(name) => _ = self.lost.names.insert(name.to_owned()),
            None => self.lost.any = true,
        }
    }

    /// Says whether a lost snippet was imported since the last call.
    pub(super) fn imported_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost.was_imported)
    }

    /// The next token if it stands on the line of the one before it.
    pub(super) fn next_on_line(&mut self) -> Option<Token> {
        let part = self.frames.last_mut()?.front_mut()?;
        let lexeme = part.peek().filter(|lexeme| !lexeme.starts_line)?;
        part.next += 1;
        Some(lexeme.token)
    }

    /// The next token without taking it, imports not replaced.
    pub(super) fn peek(&mut self) -> Option<Lexeme> {
        loop {
            let frame = self.frames.last_mut()?;
            match frame.front() {
                None => {
                    self.frames.pop();
                }
                Some(part) => match part.peek() {
                    Some(lexeme) => return Some(lexeme),
                    None => {
                        frame.pop_front();
                    }
                },
            }
        }
    }

    /// The next token as it stands, imports not replaced.
    pub(super) fn next(&mut self) -> Option<Lexeme> {
        let lexeme = self.peek()?;
        self.frames.last_mut()?.front_mut()?.next += 1;
        Some(lexeme)
    }

    /// Replaces the environment references of a token.
    pub(super) fn substitute(&mut self, token: Token) -> Result<Token, CorefileError> {
        let text = substitute(&token.text, self.environment);
        let growth = text.len().saturating_sub(token.text.len());
        self.budget.spend_bytes(growth, &token.position)?;
        Ok(Token { text, ..token })
    }

    /// Remembers a snippet for the imports that follow.
    pub(super) fn define(
        &mut self,
        key: &Token,
        name: &str,
        lexemes: Vec<Lexeme>,
    ) -> Result<(), CorefileError> {
        if let Some(first) = self.snippets.get(name) {
            return Err(key.error(format!(
                "Redeclaration of previously declared snippet {name} (see {}); rename one of them",
                first.position
            )));
        }
        let snippet = Snippet { position: key.position.clone(), lexemes: lexemes.into() };
        self.snippets.insert(name.to_owned(), snippet);
        Ok(())
    }

    /// Reads the rest of an import's line and queues what it names.
    fn import(&mut self, import: &Token) -> Result<(), CorefileError> {
        let Some(argument) = self.next_on_line() else {
            return Err(import.error("Import requires a snippet name, a file or a pattern"));
        };
        if let Some(extra) = self.next_on_line() {
            return Err(extra.error(format!(
                "Import takes only one argument, a snippet name, a file or a pattern; remove '{}'",
                extra.text
            )));
        }
        let argument = self.substitute(argument)?;
        if argument.text.is_empty() {
            return Err(argument.error("Import requires a non-empty snippet name, file or pattern"));
        }
        let parts = self.resolve(&argument)?;
        self.push(parts, &argument)
    }

    fn resolve(&mut self, argument: &Token) -> Result<Frame, CorefileError> {
        if let Some(snippet) = self.snippets.get(&argument.text) {
            self.budget.spend_snippet(&argument.position)?;
            let origin = Origin::Snippet(argument.text.clone());
            return Ok(Frame::from([Part::new(origin, Arc::clone(&snippet.lexemes))]));
        }
        let name = argument.text.as_str();
        let is_lost = self.lost.names.contains(name)
            || self.lost.any && !name.contains(['/', '.', '*', '?', '[']);
        let sources = match self.loader.import(argument, &mut self.budget) {
            Err(CorefileError::Syntax { .. } | CorefileError::Import { .. }) if is_lost => {
                self.lost.was_imported = true;
                return Ok(Frame::new());
            }
            result => result?,
        };
        let part = |source: Source| Part::new(Origin::File(source.path), source.lexemes);
        Ok(sources.into_iter().map(part).collect())
    }

    fn push(&mut self, parts: Frame, argument: &Token) -> Result<(), CorefileError> {
        let position = &argument.position;
        for part in &parts {
            let is_active = |frame: &Frame| frame.front().is_some_and(|p| p.origin == part.origin);
            if self.frames.iter().any(is_active) {
                return Err(argument.error(format!(
                    "Import cycle: '{}' imports itself; remove one of the imports",
                    argument.text
                )));
            }
            self.budget.spend_tokens(part.lexemes.len(), position)?;
            self.budget.spend_bytes(part.text_bytes(), position)?;
        }
        if self.frames.len() > MAX_IMPORT_DEPTH {
            let text = format!("Imports nest deeper than {MAX_IMPORT_DEPTH}; import less deeply");
            return Err(CorefileError::limit(position, text));
        }
        self.frames.push(parts);
        Ok(())
    }
}
