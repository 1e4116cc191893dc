//! Cuts a template into text and actions, and an action into tokens.

use super::parser::ParseError;

/// Text, or what stands between `{{` and `}}`.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Action(Vec<Token>),
}

/// A token of an action.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A word: a keyword, a function, `true`, `nil`.
    Word(String),
    /// `.Name`, with whether it touches what stands before it.
    Field {
        name: String,
        touches: bool,
    },
    Dot,
    /// `$name`; `$` has no name.
    Variable(String),
    Text(String),
    Int(i64),
    Pipe,
    Open,
    Close,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Comma,
}

/// Cuts a template at its actions. `{{-` and `-}}` take the white space beside them away; comments vanish.
pub(super) fn parts(template: &str) -> Result<Vec<Part<'_>>, ParseError> {
    let (mut parts, mut rest, mut trims) = (Vec::new(), template, false);
    loop {
        let (mut text, action) = match rest.split_once("{{") {
            Some((text, action)) => (text, Some(action)),
            None => (rest, None),
        };
        if trims {
            text = text.trim_start_matches(is_space);
        }
        let Some(mut action) = action else {
            parts.push(Part::Text(text));
            return Ok(parts);
        };
        if let Some(trimming) = action.strip_prefix('-').filter(|rest| rest.starts_with(is_space)) {
            text = text.trim_end_matches(is_space);
            action = trimming;
        }
        parts.push(Part::Text(text));
        let closed;
        (closed, rest) = close(action)?;
        trims = closed.trims;
        if let Some(tokens) = closed.tokens {
            parts.push(Part::Action(tokens));
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// An action up to its `}}`.
struct Closed {
    /// None of a comment.
    tokens: Option<Vec<Token>>,
    trims: bool,
}

/// Reads an action to its end and returns what follows.
fn close(action: &str) -> Result<(Closed, &str), ParseError> {
    if let Some(comment) = action.trim_start_matches(is_space).strip_prefix("/*") {
        let (_, after) = comment
            .split_once("*/")
            .ok_or_else(|| ParseError::new("a comment has no end; add */"))?;
        let (trims, rest) = end(after).ok_or_else(|| {
            ParseError::new("a comment has to fill its braces; write {{/* … */}}")
        })?;
        return Ok((Closed { tokens: None, trims }, rest));
    }
    let (mut tokens, mut rest, mut spaced) = (Vec::new(), action, true);
    loop {
        if let Some((trims, after)) = end(rest) {
            return Ok((Closed { tokens: Some(tokens), trims }, after));
        }
        let Some(first) = rest.chars().next() else {
            return Err(ParseError::new("an action has no end; add }}"));
        };
        if is_space(first) {
            rest = rest.trim_start_matches(is_space);
            spaced = true;
            continue;
        }
        let (token, after) = token(rest, !spaced)?;
        tokens.push(token);
        (rest, spaced) = (after, false);
    }
}

/// Takes `}}` or ` -}}` off the front; says whether it trims.
fn end(rest: &str) -> Option<(bool, &str)> {
    if let Some(after) = rest.strip_prefix("}}") {
        return Some((false, after));
    }
    let trimmed = rest.strip_prefix(is_space)?.trim_start_matches(is_space);
    Some((true, trimmed.strip_prefix("-}}")?))
}

fn token(rest: &str, touches: bool) -> Result<(Token, &str), ParseError> {
    for (sign, token) in [
        (":=", Token::Declare),
        ("=", Token::Assign),
        ("|", Token::Pipe),
        ("(", Token::Open),
        (")", Token::Close),
        (",", Token::Comma),
    ] {
        if let Some(after) = rest.strip_prefix(sign) {
            return Ok((token, after));
        }
    }
    match rest.as_bytes() {
        [b'"', ..] => quoted(&rest[1..], '"').map(|(text, after)| (Token::Text(text), after)),
        [b'\'', ..] => character(&rest[1..]),
        [b'`', ..] => {
            let (text, after) = rest[1..]
                .split_once('`')
                .ok_or_else(|| ParseError::new("a text in backquotes has no end; add `"))?;
            Ok((Token::Text(text.to_owned()), after))
        }
        [b'.', next, ..] if next.is_ascii_digit() => Err(no_fraction()),
        [b'.', ..] => {
            let (name, after) = word(&rest[1..]);
            if name.is_empty() {
                return Ok((Token::Dot, after));
            }
            Ok((Token::Field { name: name.to_owned(), touches }, after))
        }
        [b'$', ..] => {
            let (name, after) = word(&rest[1..]);
            Ok((Token::Variable(name.to_owned()), after))
        }
        [b'0'..=b'9', ..] | [b'-' | b'+', b'0'..=b'9', ..] => number(rest),
        _ => {
            let (name, after) = word(rest);
            if name.is_empty() {
                let sign: String = rest.chars().take(1).collect();
                return Err(ParseError::new(format!(
                    "'{sign}' has no meaning in an action; remove it"
                )));
            }
            Ok((Token::Word(name.to_owned()), after))
        }
    }
}

fn word(rest: &str) -> (&str, &str) {
    let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
    rest.split_at(end)
}

fn no_fraction() -> ParseError {
    ParseError::new("numbers with a fraction are not available; write a whole number")
}

/// Reads a number as Go writes it: 12, 0x1f, 0o17, 017, 0b1, 1_000.
fn number(rest: &str) -> Result<(Token, &str), ParseError> {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let length = rest[sign..].find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    let (text, after) = rest.split_at(length.map_or(rest.len(), |length| sign + length));
    if after.starts_with('.') {
        return Err(no_fraction());
    }
    let digits = text[sign..].replace('_', "").to_ascii_lowercase();
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x', ..] => (&digits[2..], 16),
        [b'0', b'o', ..] => (&digits[2..], 8),
        [b'0', b'b', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits.as_str(), 10),
    };
    let signed = if text.starts_with('-') { format!("-{digits}") } else { digits.to_owned() };
    let value =
        i64::from_str_radix(&signed, radix).ok().filter(|_| !digits.starts_with(['-', '+']));
    let value =
        value.ok_or_else(|| ParseError::new(format!("'{text}' is no whole number; correct it")))?;
    Ok((Token::Int(value), after))
}

/// Reads a text to its closing quote.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), ParseError> {
    let (mut text, mut characters) = (String::new(), rest.chars());
    loop {
        match characters.next() {
            None | Some('\n') => {
                return Err(ParseError::new(format!("a text has no end; add {quote}")));
            }
            Some('\\') => text.push(escape(&mut characters)?),
            Some(end) if end == quote => return Ok((text, characters.as_str())),
            Some(character) => text.push(character),
        }
    }
}

fn character(rest: &str) -> Result<(Token, &str), ParseError> {
    let (text, after) = quoted(rest, '\'')?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok((Token::Int(i64::from(u32::from(only))), after)),
        _ => Err(ParseError::new("between ' there has to be one character; write a text with \"")),
    }
}

fn escape(characters: &mut std::str::Chars<'_>) -> Result<char, ParseError> {
    let found = match characters.next() {
        Some('n') => Some('\n'),
        Some('t') => Some('\t'),
        Some('r') => Some('\r'),
        Some(sign @ ('\\' | '"' | '\'')) => Some(sign),
        Some('x') => hexadecimal(characters, 2),
        Some('u') => hexadecimal(characters, 4),
        _ => None,
    };
    found.ok_or_else(|| {
        ParseError::new(
            "unknown escape in a text; there is \\n, \\t, \\r, \\\\, \\\", \\', \\x61 and \\u0061",
        )
    })
}

fn hexadecimal(characters: &mut std::str::Chars<'_>, digits: u32) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + characters.next()?.to_digit(16)?;
    }
    char::from_u32(value)
}
