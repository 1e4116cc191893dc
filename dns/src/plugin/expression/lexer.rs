//! The words of an expression.

use std::iter::Peekable;
use std::str::Chars;

use super::ExpressionError;

/// A word of an expression and the column where it starts, in characters from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lexeme {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A string, without quotes and with its escapes resolved.
    Text(String),
    Number(i64),
    /// A name or an operator in letters.
    Word(String),
    Symbol(&'static str),
    End,
}

/// The operators and brackets, longer ones before those that they begin with.
const SYMBOLS: [&str; 19] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "%", "(", ")", "[", "]", ",",
    "#",
];

/// Splits an expression; the last lexeme is its end.
pub(super) fn split(text: &str) -> Result<Vec<Lexeme>, ExpressionError> {
    let mut reader = Reader { rest: text.chars().peekable(), column: 1 };
    let mut lexemes = Vec::new();
    loop {
        reader.skip(char::is_whitespace);
        let column = reader.column;
        let kind = reader.next_kind()?;
        let is_end = kind == Kind::End;
        lexemes.push(Lexeme { kind, column });
        if is_end {
            return Ok(lexemes);
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    /// Of the next character.
    column: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let letter = self.rest.next()?;
        self.column += 1;
        Some(letter)
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        while self.rest.next_if(|letter| is_skipped(*letter)).is_some() {
            self.column += 1;
        }
    }

    /// Takes characters as long as they are of a kind.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while let Some(letter) = self.rest.next_if(|letter| belongs(*letter)) {
            self.column += 1;
            run.push(letter);
        }
        run
    }

    fn next_kind(&mut self) -> Result<Kind, ExpressionError> {
        match self.rest.peek() {
            None => Ok(Kind::End),
            Some('\'' | '"' | '`') => self.text().map(Kind::Text),
            Some(letter) if letter.is_ascii_digit() => self.number(),
            Some(letter) if letter.is_alphabetic() || *letter == '_' => {
                Ok(Kind::Word(self.run(|letter| letter.is_alphanumeric() || letter == '_')))
            }
            Some(_) => self.symbol(),
        }
    }

    fn number(&mut self) -> Result<Kind, ExpressionError> {
        let column = self.column;
        let digits = self.run(|letter| letter.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| self.rest.peek() != Some(&'.'));
        number.map(Kind::Number).ok_or_else(|| {
            ExpressionError::new(
                column,
                format!("'{digits}' begins no whole number of 64 bits; write one"),
            )
        })
    }

    fn symbol(&mut self) -> Result<Kind, ExpressionError> {
        let column = self.column;
        let ahead: String = self.rest.clone().take(2).collect();
        let found = SYMBOLS.iter().find(|symbol| ahead.starts_with(**symbol));
        let Some(symbol) = found else {
            let letter = self.take().unwrap_or_default();
            return Err(ExpressionError::new(
                column,
                format!("'{letter}' is no operator here; operators are {}", super::OPERATORS),
            ));
        };
        for _ in symbol.chars() {
            self.take();
        }
        Ok(Kind::Symbol(symbol))
    }

    /// Reads a string; between backticks nothing is an escape.
    fn text(&mut self) -> Result<String, ExpressionError> {
        let start = self.column;
        let quote = self.take().unwrap_or_default();
        let mut text = String::new();
        loop {
            let column = self.column;
            match self.take() {
                None => {
                    let problem = format!("the string has no end; add {quote}");
                    return Err(ExpressionError::new(start, problem));
                }
                Some(letter) if letter == quote => return Ok(text),
                Some('\\') if quote != '`' => text.push(self.escape(column)?),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn escape(&mut self, column: usize) -> Result<char, ExpressionError> {
        match self.take() {
            Some(letter @ ('\\' | '\'' | '"')) => Ok(letter),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            _ => {
                let problem = "a backslash in a string escapes \\, ', \", n, r or t; for the backslash itself write \\\\";
                Err(ExpressionError::new(column, problem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        split(text).unwrap().into_iter().map(|lexeme| lexeme.kind).collect()
    }

    #[test]
    fn every_kind() {
        let text = |text: &str| Kind::Text(text.to_owned());
        assert_eq!(
            kinds("name()!='a\\'b' && 12<=x_1"),
            [
                Kind::Word("name".to_owned()),
                Kind::Symbol("("),
                Kind::Symbol(")"),
                Kind::Symbol("!="),
                text("a'b"),
                Kind::Symbol("&&"),
                Kind::Number(12),
                Kind::Symbol("<="),
                Kind::Word("x_1".to_owned()),
                Kind::End,
            ]
        );
        assert_eq!(kinds("\"\\\\.\\n'\""), [text("\\.\n'"), Kind::End]);
        assert_eq!(kinds("`\\.`"), [text("\\."), Kind::End]);
        assert_eq!(kinds(" "), [Kind::End]);
    }

    #[test]
    fn columns_count_characters() {
        let columns: Vec<_> = split("'ü'  == 7").unwrap().iter().map(|word| word.column).collect();
        assert_eq!(columns, [1, 6, 9, 10]);
    }

    #[test]
    fn refused() {
        for (text, column, part) in [
            ("x == 'abc", 6, "the string has no end; add '"),
            ("'a\\d'", 3, "a backslash in a string escapes"),
            ("a = b", 3, "'=' is no operator here"),
            ("99999999999999999999", 1, "no whole number"),
            ("1.5", 1, "no whole number"),
        ] {
            let error = split(text).unwrap_err();
            assert!(error.column == column && error.problem.contains(part), "{text}: {error:?}");
        }
    }
}
