//! Groups tokens into server blocks and directives.

use std::path::Path;

use super::lexer::Lexeme;
use super::limits::MAX_NESTING;
use super::loader::Loader;
use super::recovery::{Names, Read, Recovered, Recovery, opens_server_block};
use super::stream::TokenStream;
use super::{Corefile, CorefileError, Directive, Environment, Files, Position, ServerBlock, Token};

/// Parses a Corefile.
///
/// `entry` names the text in messages and is where its relative imports start. `files` reads the imports and
/// `environment` looks up the variables of `{$NAME}` and `{%NAME%}`. The same input gives the same result.
///
/// Stops at the first error: past a misplaced brace or a missing import no later line can be trusted.
/// The sizes of the input and of what it expands to are bounded by [`limits`](super::limits).
pub fn parse(
    entry: &Path,
    bytes: &[u8],
    files: &dyn Files,
    environment: Environment<'_>,
) -> Result<Corefile, CorefileError> {
    let stream = TokenStream::new((entry, bytes), Loader::new(files), environment)?;
    let mut parser = Parser { stream, recovery: None };
    let mut blocks = Vec::new();
    parser.items(&mut blocks)?;
    let blocks = blocks.into_iter().map(|read| read.block).collect();
    Ok(corefile(blocks, parser.stream))
}

/// Parses a Corefile as [`parse`] does, and past the mistakes of its grammar.
///
/// A Corefile that [`parse`] takes may have errors here: what looks like a server block inside another one is taken
/// for a brace that is missing. After an error of the limits nothing more is read.
///
/// # Errors
/// The text is too large.
pub fn recover(
    entry: &Path,
    bytes: &[u8],
    files: &dyn Files,
    environment: Environment<'_>,
    names: Names<'_>,
) -> Result<Recovered, CorefileError> {
    let stream = TokenStream::new((entry, bytes), Loader::past_faults(files), environment)?;
    let mut parser = Parser { stream, recovery: Some(Recovery::new(names)) };
    let mut read = Vec::new();
    let last = parser.items(&mut read).err();
    let faults = parser.stream.take_faults();
    let Recovery { mut errors, lacks_blocks, .. } =
        parser.recovery.unwrap_or_else(|| Recovery::new(names));
    let garbled = faults.iter().map(|fault| fault.position().clone()).collect();
    let lacks_blocks = lacks_blocks || last.is_some();
    errors.extend(faults.into_iter().chain(last));
    let is_partial = read.iter().map(|read| read.is_partial).collect();
    let blocks = read.into_iter().map(|read| read.block).collect();
    let corefile = corefile(blocks, parser.stream);
    Ok(Recovered { corefile, errors, is_partial, garbled, lacks_blocks })
}

fn corefile(blocks: Vec<ServerBlock>, stream: TokenStream<'_>) -> Corefile {
    let record = stream.into_record();
    Corefile {
        blocks,
        warnings: record.warnings,
        files: record.files,
        directories: record.directories,
    }
}

struct Parser<'a> {
    stream: TokenStream<'a>,
    /// What was met past the first error; without it that ends the reading.
    recovery: Option<Recovery<'a>>,
}

/// The head of a block: its keys and where its brace opens, if it has one.
struct Head {
    keys: Vec<Token>,
    open: Option<Position>,
}

/// Why the directives of a block end.
enum End {
    /// With its brace, or with the text if it needs none.
    Closed,
    /// The brace is missing.
    Unclosed,
}

impl Parser<'_> {
    fn items(&mut self, blocks: &mut Vec<Read>) -> Result<(), CorefileError> {
        while let Some(first) = self.head()? {
            if let Some(recovery) = &mut self.recovery {
                recovery.lacks_blocks |= std::mem::take(&mut recovery.is_partial);
                recovery.is_in_block = true;
            }
            blocks.extend(self.item(first)?);
            if let Some(recovery) = &mut self.recovery {
                recovery.is_in_block = false;
                if std::mem::take(&mut recovery.met_stray_brace) {
                    recovery.take_in_the_fallen(blocks);
                }
            }
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.lacks_blocks |= recovery.is_partial;
        }
        Ok(())
    }

    /// Ends the reading with an error, or remembers it.
    fn fail(&mut self, error: CorefileError) -> Result<(), CorefileError> {
        match &mut self.recovery {
            None => Err(error),
            Some(recovery) => recovery.remember(error),
        }
    }

    /// Remembers that something of the server block that is being read may be missing.
    fn lack(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.is_partial = true;
        }
    }

    /// Replaces the imports that stand here; one that fails has nothing.
    fn resolve_imports(&mut self) -> Result<(), CorefileError> {
        while let Err(error) = self.stream.resolve_imports() {
            self.fail(error)?;
            self.stream.skip_line();
            // In a server block an import defines no snippets.
            if self.recovery.as_ref().is_some_and(|recovery| !recovery.is_in_block) {
                self.stream.lose(None);
            }
            self.lack();
        }
        if self.stream.imported_lost() {
            self.lack();
        }
        Ok(())
    }

    /// The next token where a line can start.
    fn head(&mut self) -> Result<Option<Token>, CorefileError> {
        self.resolve_imports()?;
        Ok(self.stream.next().map(|lexeme| lexeme.token))
    }

    /// Reads a server block, or a snippet, which is remembered and yields nothing.
    fn item(&mut self, first: Token) -> Result<Option<Read>, CorefileError> {
        let position = first.position.clone();
        let Some(Head { mut keys, open }) = self.keys(first)? else { return Ok(None) };
        if let [key] = keys.as_slice()
            && let Some(name) = snippet_name(key)
        {
            self.snippet(key, name, open)?;
            return Ok(None);
        }
        if keys.is_empty() {
            let text = "This server block has no key; name the zone it serves, '.' for all";
            self.fail(CorefileError::syntax(&position, text))?;
            self.lack();
            let position = position.clone();
            keys.push(Token { text: ".".to_owned(), position, quoted: false });
        }
        let mut directives = Vec::new();
        if let End::Unclosed = self.directives(&mut directives, open.as_ref(), 0)? {
            self.leave_unclosed(&mut directives, &position, open.as_ref())?;
        }
        let is_partial =
            self.recovery.as_mut().is_some_and(|recovery| std::mem::take(&mut recovery.is_partial));
        let block = ServerBlock { keys, directives, position };
        Ok(Some(Read { block, has_brace: open.is_some(), is_partial }))
    }

    /// Reports a server block that is never closed, or the directive in it that is not.
    fn leave_unclosed(
        &mut self,
        directives: &mut Vec<Directive>,
        position: &Position,
        open: Option<&Position>,
    ) -> Result<(), CorefileError> {
        let Some(open) = open else {
            let text =
                "Expected '{' after the keys of this server block; add it, and a '}' at its end";
            return self.fail(CorefileError::syntax(position, text));
        };
        let split =
            self.recovery.as_ref().and_then(|recovery| recovery.split_the_unclosed(directives));
        self.lack();
        self.fail(unclosed(split.as_ref().unwrap_or(open)))
    }

    /// Reads keys up to a brace or the end of their line; nothing when there is no server block.
    fn keys(&mut self, first: Token) -> Result<Option<Head>, CorefileError> {
        let mut keys = Vec::new();
        let mut token = first;
        loop {
            if token.is_syntax("}") {
                self.stray_brace(&token)?;
                return Ok(None);
            }
            if token.is_syntax("{") {
                let open = Some(token.position);
                return Ok(Some(Head { keys, open }));
            }
            let has_brace = self.takes_glued_brace(&mut token)?;
            let (key, has_comma) = self.key(token)?;
            let position = key.position.clone();
            if !key.text.is_empty() {
                keys.push(key);
            }
            if has_brace {
                return Ok(Some(Head { keys, open: Some(position) }));
            }
            let next = match has_comma {
                true => self.key_after_comma(&position)?,
                false => self.key_on_line(),
            };
            match next {
                Some(next) => token = next,
                None => return Ok(Some(Head { keys, open: None })),
            }
        }
    }

    /// Reports a `{` at the end of the last word of a line, as in `.:53{`, and takes it off; says whether it was there.
    fn takes_glued_brace(&mut self, word: &mut Token) -> Result<bool, CorefileError> {
        let ends_line = self.stream.peek().is_none_or(|next| next.starts_line);
        let Some(start) = before_glued_brace(word).filter(|_| ends_line) else { return Ok(false) };
        let text = format!("Expected a space before '{{'; write '{start} {{'");
        let start = start.to_owned();
        self.fail(word.error(text))?;
        word.text = start;
        Ok(true)
    }

    fn stray_brace(&mut self, brace: &Token) -> Result<(), CorefileError> {
        if self.stream.has_fault_at(&brace.position) {
            // One of several braces in one word, which is a mistake already.
            return Ok(());
        }
        let text =
            "Unexpected '}': no block is open here; remove it, or add the '{' that it closes";
        self.fail(brace.error(text))?;
        if let Some(recovery) = &mut self.recovery {
            recovery.met_stray_brace = true;
        }
        Ok(())
    }

    /// Resolves a key and takes off its trailing comma.
    fn key(&mut self, token: Token) -> Result<(Token, bool), CorefileError> {
        let mut key = self.stream.substitute(token)?;
        let has_comma = !key.quoted && key.text.ends_with(',');
        if has_comma {
            key.text.pop();
            if key.text.is_empty() {
                self.fail(key.error("Expected a key before ','; remove the comma"))?;
                return Ok((key, false));
            }
        }
        Ok((key, has_comma))
    }

    fn key_after_comma(&mut self, comma: &Position) -> Result<Option<Token>, CorefileError> {
        let text = "Expected another key after ','; remove the extra comma";
        match self.head()? {
            None => {
                self.fail(CorefileError::syntax(comma, text))?;
                Ok(None)
            }
            Some(brace) if brace.is_syntax("{") => {
                self.fail(brace.error(text))?;
                Ok(Some(brace))
            }
            key => Ok(key),
        }
    }

    /// The next key of the line. The opening brace may also stand on the next one: the parser of CoreDNS
    /// accepts that for keys, though not for directives.
    fn key_on_line(&mut self) -> Option<Token> {
        let next = self.stream.peek()?;
        if next.starts_line && !next.token.is_syntax("{") {
            return None;
        }
        self.stream.next().map(|lexeme| lexeme.token)
    }

    fn snippet(
        &mut self,
        key: &Token,
        name: &str,
        open: Option<Position>,
    ) -> Result<(), CorefileError> {
        if name.is_empty() {
            self.fail(key.error("A snippet needs a name between its parentheses"))?;
        }
        let body = match &open {
            Some(open) => self.snippet_body(open)?,
            None => {
                self.fail(key.error(format!("Expected '{{' after the snippet ({name})")))?;
                self.snippet_body(&key.position)?
            }
        };
        if let Err(error) = self.stream.define(key, name, body) {
            self.fail(error)?;
        }
        Ok(())
    }

    /// Takes the tokens up to the matching brace as they stand. If there is none, the snippet ends where a server
    /// block or another snippet begins.
    fn snippet_body(&mut self, open: &Position) -> Result<Vec<Lexeme>, CorefileError> {
        let start = self.stream.place();
        if let Some(body) = self.lexemes_to_brace() {
            return Ok(body);
        }
        self.fail(unclosed(open))?;
        self.stream.go_back(start);
        let mut body = Vec::new();
        while !self.is_at_server_block()
            && let Some(lexeme) = self.stream.next()
        {
            body.push(lexeme);
        }
        Ok(balanced(body))
    }

    fn lexemes_to_brace(&mut self) -> Option<Vec<Lexeme>> {
        let mut body = Vec::new();
        let mut nesting = 0_usize;
        while let Some(lexeme) = self.stream.next() {
            if lexeme.token.is_syntax("{") {
                nesting += 1;
            } else if lexeme.token.is_syntax("}") {
                if nesting == 0 {
                    return Some(body);
                }
                nesting -= 1;
            }
            body.push(lexeme);
        }
        None
    }

    /// Says whether a server block begins here, as far as one can see while another one is open.
    fn is_at_server_block(&mut self) -> bool {
        let line = self.stream.line_ahead();
        line.is_some_and(|(line, next)| opens_server_block(line, next))
    }

    /// Reads directives up to the brace that closes `open`, or to the end if there is none to close.
    fn directives(
        &mut self,
        directives: &mut Vec<Directive>,
        open: Option<&Position>,
        nesting: usize,
    ) -> Result<End, CorefileError> {
        loop {
            self.resolve_imports()?;
            if self.recovery.is_some() && self.is_at_server_block() {
                return Ok(End::Unclosed);
            }
            let Some(Lexeme { token, .. }) = self.stream.next() else { break };
            if token.is_syntax("}") {
                if open.is_none() {
                    self.stray_brace(&token)?;
                }
                return Ok(End::Closed);
            }
            if token.is_syntax("{") {
                let text = "Unexpected '{'; put it at the end of the line it belongs to";
                self.fail(token.error(text))?;
                let lines = self.block(&token, nesting)?;
                if let Some(last) = directives.last_mut() {
                    last.block.get_or_insert_default().extend(lines);
                }
                continue;
            }
            directives.extend(self.directive(token, nesting)?);
        }
        Ok(if open.is_some() { End::Unclosed } else { End::Closed })
    }

    /// Reads a directive; nothing when it has no name.
    fn directive(
        &mut self,
        mut name: Token,
        nesting: usize,
    ) -> Result<Option<Directive>, CorefileError> {
        // The names of plugins have no brace; what an option may be called is not known here.
        let mut has_brace =
            (nesting == 0 || self.recovery.is_some()) && self.takes_glued_brace(&mut name)?;
        let name = self.stream.substitute(name)?;
        let is_nameless = name.text.is_empty();
        if is_nameless {
            let text = "The directive's name is empty; write one, or set the variable it uses";
            self.fail(name.error(text))?;
            self.lack();
        }
        let mut args = Vec::new();
        let mut block = None;
        while !has_brace && let Some(mut token) = self.stream.next_on_line() {
            if token.is_syntax("{") {
                block = Some(self.block(&token, nesting)?);
                break;
            }
            if token.is_syntax("}") {
                self.fail(token.error("Unexpected '}'; put it on a line of its own"))?;
                self.stream.put_back();
                break;
            }
            // Where nothing else is wrong, such a word may be meant.
            has_brace = self.recovery.is_some() && self.takes_glued_brace(&mut token)?;
            args.push(self.stream.substitute(token)?);
        }
        if has_brace {
            block = Some(self.block(&name, nesting)?);
        }
        Ok((!is_nameless).then_some(Directive { name, args, block }))
    }

    /// Reads the block of a directive, after its opening brace.
    fn block(&mut self, open: &Token, nesting: usize) -> Result<Vec<Directive>, CorefileError> {
        if nesting == MAX_NESTING {
            let text = format!("Blocks nest deeper than {MAX_NESTING}; nest less deeply");
            return Err(CorefileError::limit(&open.position, text));
        }
        let mut lines = Vec::new();
        if let End::Unclosed = self.directives(&mut lines, Some(&open.position), nesting + 1)? {
            self.fail(unclosed(&open.position))?;
            self.lack();
            return Ok(lines);
        }
        if let Some(extra) = self.stream.next_on_line() {
            self.fail(extra.error(format!(
                "Unexpected '{}' after '}}'; put it on a line of its own",
                extra.text
            )))?;
            self.stream.put_back();
        }
        Ok(lines)
    }
}

/// Adds the braces that close what is open in a snippet's text.
fn balanced(mut body: Vec<Lexeme>) -> Vec<Lexeme> {
    let count = |text: &str| body.iter().filter(|lexeme| lexeme.token.is_syntax(text)).count();
    let missing = count("{").saturating_sub(count("}"));
    if let Some(last) = body.last() {
        let token =
            Token { text: "}".to_owned(), position: last.token.position.clone(), quoted: false };
        body.extend(vec![Lexeme { token, starts_line: true }; missing]);
    }
    body
}

fn unclosed(open: &Position) -> CorefileError {
    let text = "Unexpected end of file: the '{' here is never closed; add the missing '}'";
    CorefileError::syntax(open, text)
}

/// What stands before the `{` that ends a word; nothing for other words.
pub(super) fn before_glued_brace(word: &Token) -> Option<&str> {
    let start = word.text.strip_suffix('{').filter(|_| !word.quoted)?;
    (!start.is_empty() && !start.contains('{')).then_some(start)
}

/// The name in `(name)`.
fn snippet_name(key: &Token) -> Option<&str> {
    if key.quoted {
        return None;
    }
    key.text.strip_prefix('(')?.strip_suffix(')')
}
