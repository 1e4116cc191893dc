//! Groups tokens into server blocks and directives.

use std::path::Path;

use super::lexer::Lexeme;
use super::limits::MAX_NESTING;
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
    let (corefile, error) = parse_until_error(entry, bytes, files, environment)?;
    error.map_or(Ok(corefile), |(error, _)| Err(error))
}

/// Parses a Corefile as [`parse`] does and returns, with an error of the grammar, what was read before it.
///
/// The number beside the error says how many of the blocks are complete: all, or all but the last, which has the
/// directives before the error.
///
/// # Errors
/// The text cannot be cut into tokens: nothing was read.
pub fn parse_until_error(
    entry: &Path,
    bytes: &[u8],
    files: &dyn Files,
    environment: Environment<'_>,
) -> Result<(Corefile, Option<(CorefileError, usize)>), CorefileError> {
    let stream = TokenStream::new(entry, bytes, files, environment)?;
    let mut parser = Parser { stream, unfinished: None };
    let mut blocks = Vec::new();
    let result = parser.items(&mut blocks);
    let complete = blocks.len();
    blocks.extend(parser.unfinished.take());
    let record = parser.stream.into_record();
    let corefile = Corefile {
        blocks,
        warnings: record.warnings,
        files: record.files,
        directories: record.directories,
    };
    Ok((corefile, result.err().map(|error| (error, complete))))
}

struct Parser<'a> {
    stream: TokenStream<'a>,
    /// What was read of the server block in which the error is.
    unfinished: Option<ServerBlock>,
}

/// The head of a block: its keys and where its brace opens, if it has one.
struct Head {
    keys: Vec<Token>,
    open: Option<Position>,
}

impl Parser<'_> {
    fn items(&mut self, blocks: &mut Vec<ServerBlock>) -> Result<(), CorefileError> {
        while let Some(first) = self.stream.head()? {
            blocks.extend(self.item(first)?);
        }
        Ok(())
    }

    /// Reads a server block, or a snippet, which is remembered and yields nothing.
    fn item(&mut self, first: Token) -> Result<Option<ServerBlock>, CorefileError> {
        let position = first.position.clone();
        let Head { keys, open } = self.keys(first)?;
        if let [key] = keys.as_slice()
            && let Some(name) = snippet_name(key)
        {
            self.snippet(key, name, open)?;
            return Ok(None);
        }
        if keys.is_empty() {
            let text = "This server block has no key; name the zone it serves, '.' for all";
            return Err(CorefileError::syntax(&position, text));
        }
        let mut block = ServerBlock { keys, directives: Vec::new(), position };
        if let Err(error) = self.directives(&mut block.directives, open.as_ref(), 0) {
            self.unfinished = Some(block);
            return Err(error);
        }
        Ok(Some(block))
    }

    fn keys(&mut self, first: Token) -> Result<Head, CorefileError> {
        let mut keys = Vec::new();
        let mut token = first;
        loop {
            if token.is_syntax("}") {
                return Err(token.error("Unexpected '}': no block is open here; remove it"));
            }
            if token.is_syntax("{") {
                let open = Some(token.position);
                return Ok(Head { keys, open });
            }
            let (key, has_comma) = self.key(token)?;
            let position = key.position.clone();
            if !key.text.is_empty() {
                keys.push(key);
            }
            let next = match has_comma {
                true => Some(self.key_after_comma(&position)?),
                false => self.key_on_line(),
            };
            match next {
                Some(next) => token = next,
                None => return Ok(Head { keys, open: None }),
            }
        }
    }

    /// Resolves a key and takes off its trailing comma.
    fn key(&mut self, token: Token) -> Result<(Token, bool), CorefileError> {
        let mut key = self.stream.substitute(token)?;
        let has_comma = !key.quoted && key.text.ends_with(',');
        if has_comma {
            key.text.pop();
            if key.text.is_empty() {
                return Err(key.error("Expected a key before ','; remove the comma"));
            }
        }
        Ok((key, has_comma))
    }

    fn key_after_comma(&mut self, comma: &Position) -> Result<Token, CorefileError> {
        let text = "Expected another key after ','; remove the extra comma";
        match self.stream.head()? {
            None => Err(CorefileError::syntax(comma, text)),
            Some(brace) if brace.is_syntax("{") => Err(brace.error(text)),
            Some(key) => Ok(key),
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
            return Err(key.error("A snippet needs a name between its parentheses"));
        }
        let Some(open) = open else {
            return Err(key.error(format!("Expected '{{' after the snippet ({name})")));
        };
        let body = self.snippet_body(&open)?;
        self.stream.define(key, name, body)
    }

    /// Takes the tokens up to the matching brace as they stand.
    fn snippet_body(&mut self, open: &Position) -> Result<Vec<Lexeme>, CorefileError> {
        let mut body = Vec::new();
        let mut nesting = 0_usize;
        while let Some(lexeme) = self.stream.next() {
            if lexeme.token.is_syntax("{") {
                nesting += 1;
            } else if lexeme.token.is_syntax("}") {
                if nesting == 0 {
                    return Ok(body);
                }
                nesting -= 1;
            }
            body.push(lexeme);
        }
        Err(unclosed(open))
    }

    /// Reads directives up to the brace that closes `open`, or to the end if there is none to close.
    fn directives(
        &mut self,
        directives: &mut Vec<Directive>,
        open: Option<&Position>,
        nesting: usize,
    ) -> Result<(), CorefileError> {
        while let Some(token) = self.stream.head()? {
            if token.is_syntax("}") {
                return match open {
                    Some(_) => Ok(()),
                    None => Err(token.error("Unexpected '}': no block is open here; remove it")),
                };
            }
            if token.is_syntax("{") {
                let text = "Unexpected '{'; put it at the end of the line it belongs to";
                return Err(token.error(text));
            }
            directives.push(self.directive(token, nesting)?);
        }
        match open {
            Some(open) => Err(unclosed(open)),
            None => Ok(()),
        }
    }

    fn directive(&mut self, name: Token, nesting: usize) -> Result<Directive, CorefileError> {
        let name = self.stream.substitute(name)?;
        if name.text.is_empty() {
            let text = "The directive's name is empty; write one, or set the variable it uses";
            return Err(name.error(text));
        }
        let mut args = Vec::new();
        let mut block = None;
        while let Some(token) = self.stream.next_on_line() {
            if token.is_syntax("{") {
                block = Some(self.block(&token, nesting)?);
                break;
            }
            if token.is_syntax("}") {
                return Err(token.error("Unexpected '}'; put it on a line of its own"));
            }
            args.push(self.stream.substitute(token)?);
        }
        Ok(Directive { name, args, block })
    }

    /// Reads the block of a directive, after its opening brace.
    fn block(&mut self, open: &Token, nesting: usize) -> Result<Vec<Directive>, CorefileError> {
        if nesting == MAX_NESTING {
            let text = format!("Blocks nest deeper than {MAX_NESTING}; nest less deeply");
            return Err(CorefileError::limit(&open.position, text));
        }
        let mut lines = Vec::new();
        self.directives(&mut lines, Some(&open.position), nesting + 1)?;
        match self.stream.next_on_line() {
            None => Ok(lines),
            Some(extra) => Err(extra.error(format!(
                "Unexpected '{}' after '}}'; put it on a line of its own",
                extra.text
            ))),
        }
    }
}

fn unclosed(open: &Position) -> CorefileError {
    let text = "Unexpected end of file: the '{' here is never closed; add the missing '}'";
    CorefileError::syntax(open, text)
}

/// The name in `(name)`.
fn snippet_name(key: &Token) -> Option<&str> {
    if key.quoted {
        return None;
    }
    key.text.strip_prefix('(')?.strip_suffix(')')
}
