//! Splits the text of one file into tokens.
//!
//! White space is Unicode's; carriage returns vanish outside quotes. `#` starts a comment anywhere outside
//! quotes, in the middle of a word too. A token that starts with `"` runs to the next `"` not escaped by a
//! backslash, over lines if need be; every other backslash stays. A quote inside a word is an ordinary character.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;
use std::sync::Arc;

use super::limits::{MAX_FILE_BYTES, MAX_TOKENS};
use super::{CorefileError, Position, Token};

/// A token and whether it is the first of its line, which decides what it can be.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) starts_line: bool,
}

/// Splits a file, skipping a byte order mark at its start. Fails on a file that is too large, not UTF-8, or ends
/// inside quotes.
pub(super) fn lex(file: &Arc<Path>, bytes: &[u8]) -> Result<Vec<Lexeme>, CorefileError> {
    lex_text(file, decode(file, bytes)?, None)
}

/// Splits a file as [`lex`] does, and goes on past what is no text and past quotes without an end; those are faults,
/// and the words in their lines are not those that were meant.
///
/// A quoted string over several lines has no end when its end is followed by another word at once: the quote there
/// opens the next string. What has no end is cut at its first white space.
///
/// # Errors
/// The file is too large.
pub(super) fn lex_past_faults(
    file: &Arc<Path>,
    bytes: &[u8],
) -> Result<(Vec<Lexeme>, Vec<CorefileError>), CorefileError> {
    let mut faults = Vec::new();
    let lossy;
    let text = match decode(file, bytes) {
        Ok(text) => text,
        Err(error @ CorefileError::Limit { .. }) => return Err(error),
        Err(error) => {
            faults.push(error);
            lossy = String::from_utf8_lossy(bytes);
            lossy.strip_prefix('\u{feff}').unwrap_or(&lossy)
        }
    };
    let lexemes = lex_text(file, text, Some(&mut faults))?;
    Ok((lexemes, faults))
}

fn lex_text(
    file: &Arc<Path>,
    text: &str,
    faults: Option<&mut Vec<CorefileError>>,
) -> Result<Vec<Lexeme>, CorefileError> {
    let rest = text.chars().peekable();
    let mut lexer = Lexer { file, rest, line: 1, starts_line: true, faults };
    let mut lexemes = Vec::new();
    while let Some(lexeme) = lexer.next_lexeme()? {
        let braces = lexer.braces(&lexeme)?;
        if lexemes.len() + braces.max(1) > MAX_TOKENS {
            let text = format!("more than {MAX_TOKENS} tokens in one file; split the file");
            return Err(CorefileError::limit(&lexeme.token.position, text));
        }
        if braces == 0 {
            lexemes.push(lexeme);
            continue;
        }
        let token = Token { text: "}".to_owned(), ..lexeme.token };
        lexemes.extend(vec![Lexeme { token, starts_line: true }; braces]);
    }
    Ok(lexemes)
}

fn decode<'b>(file: &Arc<Path>, bytes: &'b [u8]) -> Result<&'b str, CorefileError> {
    let position = |line| Position { file: Arc::clone(file), line };
    if bytes.len() > MAX_FILE_BYTES {
        let text = format!("The file is larger than {MAX_FILE_BYTES} bytes; split it");
        return Err(CorefileError::limit(&position(1), text));
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            let newlines = valid.iter().filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(newlines + 1).unwrap_or(u32::MAX);
            let text = "Invalid UTF-8; save the file in UTF-8";
            Err(CorefileError::syntax(&position(line), text))
        }
    }
}

struct Lexer<'t, 'f> {
    file: &'t Arc<Path>,
    rest: Peekable<Chars<'t>>,
    line: u32,
    /// Whether no token was found on the current line yet.
    starts_line: bool,
    /// Where quotes without an end are remembered; without it they end the reading.
    faults: Option<&'f mut Vec<CorefileError>>,
}

impl Lexer<'_, '_> {
    fn next_lexeme(&mut self) -> Result<Option<Lexeme>, CorefileError> {
        self.skip_blanks();
        let Some(first) = self.rest.peek().copied() else {
            return Ok(None);
        };
        let position = Position { file: Arc::clone(self.file), line: self.line };
        let starts_line = std::mem::replace(&mut self.starts_line, false);
        let quoted = first == '"';
        let text = if quoted { self.string(&position)? } else { self.bare() };
        let token = Token { text, position, quoted };
        Ok(Some(Lexeme { token, starts_line }))
    }

    /// Returns how many closing braces a line that begins with several in one word has, which is a fault; 0 for all
    /// other words.
    fn braces(&mut self, lexeme: &Lexeme) -> Result<usize, CorefileError> {
        let Lexeme { token, starts_line } = lexeme;
        let braces = token.text.len();
        let is_several = braces > 1 && token.text.bytes().all(|byte| byte == b'}');
        if token.quoted || !starts_line || !is_several {
            return Ok(0);
        }
        let error =
            token.error(format!("Unexpected '{}'; put each '}}' on a line of its own", token.text));
        match &mut self.faults {
            None => return Err(error),
            Some(faults) => faults.push(error),
        }
        Ok(braces)
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        while let Some(next) = self.rest.peek().copied() {
            if next == '#' {
                while self.rest.next_if(|char| *char != '\n').is_some() {}
            } else if next.is_whitespace() {
                self.rest.next();
                if next == '\n' {
                    self.line = self.line.saturating_add(1);
                    self.starts_line = true;
                }
            } else {
                break;
            }
        }
    }

    /// Reads a word up to white space or a comment.
    fn bare(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if next == '#' || (next.is_whitespace() && next != '\r') {
                break;
            }
            if next != '\r' {
                text.push(next);
            }
            self.rest.next();
        }
        text
    }

    /// Reads a quoted token, or the first word of one without an end when faults are remembered.
    fn string(&mut self, start: &Position) -> Result<String, CorefileError> {
        if self.faults.is_none() {
            return self.quoted(start);
        }
        let before = (self.rest.clone(), self.line);
        let read = self.quoted(start);
        let is_followed = self.rest.peek().is_some_and(|next| !next.is_whitespace());
        let fault = match read {
            Ok(text) if self.line == before.1 || !is_followed => return Ok(text),
            Ok(_) => unended(start),
            Err(error) => error,
        };
        (self.rest, self.line) = before;
        self.rest.next();
        let text = self.bare();
        if let Some(faults) = &mut self.faults {
            faults.push(fault);
        }
        Ok(text)
    }

    /// Reads a quoted token, both quotes included.
    fn quoted(&mut self, start: &Position) -> Result<String, CorefileError> {
        self.rest.next();
        let mut text = String::new();
        loop {
            let next = match self.rest.next() {
                Some('"') => return Ok(text),
                Some('\\') => match self.rest.next() {
                    // The only escape; in any other pair both characters count.
                    Some('"') => Some('"'),
                    other => {
                        text.push('\\');
                        other
                    }
                },
                other => other,
            };
            let Some(next) = next else {
                return Err(unended(start));
            };
            if next == '\n' {
                self.line = self.line.saturating_add(1);
            }
            text.push(next);
        }
    }
}

fn unended(start: &Position) -> CorefileError {
    let text = "The quoted string that starts here has no end; add the closing '\"'";
    CorefileError::syntax(start, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders tokens as `LINE[^]TEXT`, `^` for the first of a line, quoted ones in `<>`.
    fn lexed(bytes: &[u8]) -> Vec<String> {
        let file: Arc<Path> = Arc::from(Path::new("Corefile"));
        let lexemes = lex(&file, bytes).unwrap();
        let show = |lexeme: Lexeme| {
            let mark = if lexeme.starts_line { "^" } else { " " };
            let text = lexeme.token.text;
            let line = lexeme.token.position.line;
            match lexeme.token.quoted {
                true => format!("{line}{mark}<{text}>"),
                false => format!("{line}{mark}{text}"),
            }
        };
        lexemes.into_iter().map(show).collect()
    }

    fn failure(bytes: &[u8]) -> String {
        let file: Arc<Path> = Arc::from(Path::new("Corefile"));
        lex(&file, bytes).unwrap_err().to_string()
    }

    #[test]
    fn splits_at_white_space_and_counts_lines() {
        assert_eq!(lexed(b""), Vec::<String>::new());
        assert_eq!(lexed(b"a b\n\n c"), ["1^a", "1 b", "3^c"]);
        let kinds = "a\tb\u{a0}c\u{2003}d\u{85}e\u{b}f\u{2028}g";
        let expected = ["1^a", "1 b", "1 c", "1 d", "1 e", "1 f", "1 g"];
        assert_eq!(lexed(kinds.as_bytes()), expected);
    }

    #[test]
    fn ignores_byte_order_mark_and_carriage_returns() {
        assert_eq!(lexed("\u{feff}a b\r\nc\r\n".as_bytes()), ["1^a", "1 b", "2^c"]);
        assert_eq!(lexed(b"a\rb"), ["1^ab"]);
        assert_eq!(lexed("a \u{feff}b".as_bytes()), ["1^a", "1 \u{feff}b"]);
    }

    #[test]
    fn comments_start_anywhere_outside_quotes() {
        assert_eq!(lexed(b"# all\na#b c d\n e"), ["2^a", "3^e"]);
        assert_eq!(lexed(b"\"a#b\"#c\nd"), ["1^<a#b>", "2^d"]);
        assert_eq!(lexed(b"a # \"open\nb"), ["1^a", "2^b"]);
    }

    #[test]
    fn quoted_tokens() {
        assert_eq!(lexed(br#""a b" "" c"d"#), ["1^<a b>", "1 <>", "1 c\"d"]);
        assert_eq!(lexed(br#""say \"hi\"""#), ["1^<say \"hi\">"]);
        assert_eq!(lexed(br#""\d+\.\\" x"#), [r"1^<\d+\.\\>", "1 x"]);
        assert_eq!(lexed(b"\"a\r\nb\" c\nd"), ["1^<a\r\nb>", "2 c", "3^d"]);
        assert_eq!(lexed(br#""a"b"c""#), ["1^<a>", "1 b\"c\""]);
        assert_eq!(lexed(b"`a b`"), ["1^`a", "1 b`"]);
    }

    #[test]
    fn refuses_what_is_not_text() {
        let utf8 = "Corefile:2 - Error during parsing: Invalid UTF-8; save the file in UTF-8";
        assert_eq!(failure(b"a\nb\xff\n"), utf8);
        for text in ["a\n\"b\nc", "a\n\"", "a\n\"b\\", "a\n\"b\\\""] {
            let message = failure(text.as_bytes());
            assert!(message.starts_with("Corefile:2 - "), "{message}");
            assert!(message.contains("has no end"), "{message}");
        }
    }

    #[test]
    fn goes_on_past_quotes_without_an_end() {
        let file: Arc<Path> = Arc::from(Path::new("Corefile"));
        for (text, words, lines) in [
            ("a \"b c\nd", "a b c d", vec![1]),
            ("a \"b\nc \"d\" e\nf \"g", "a b c d e f g", vec![1, 3]),
            ("a \"b\nc\" d\ne \"f", "a b\nc d e f", vec![3]),
            ("a \"b\nc\"", "a b\nc", vec![]),
        ] {
            let (lexemes, faults) = lex_past_faults(&file, text.as_bytes()).unwrap();
            let read: Vec<String> = lexemes.into_iter().map(|lexeme| lexeme.token.text).collect();
            assert_eq!(read.join(" "), words, "{text}");
            let at: Vec<u32> = faults.iter().map(|fault| fault.position().line).collect();
            assert_eq!(at, lines, "{text}");
        }
        let (lexemes, faults) = lex_past_faults(&file, b"a\nb\xff\nc").unwrap();
        assert_eq!((lexemes.len(), faults.len(), faults[0].position().line), (3, 1, 2));
    }

    #[test]
    fn refuses_what_is_too_large() {
        let message = failure(&vec![b' '; MAX_FILE_BYTES + 1]);
        assert!(message.contains("larger than"), "{message}");
        let message = failure("a\n".repeat(MAX_TOKENS + 1).as_bytes());
        assert!(message.starts_with("Corefile:1000001 - "), "{message}");
    }
}
