//! Entries of a zone file (RFC 1035 §5.1): lines, joined by parentheses, cut into words.

/// A line of a zone file, or several within parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry<'a> {
    /// The line on which the first word stands, counted from 1.
    pub(super) line: usize,
    /// Whether the first line begins with a blank, so that the owner is that of the entry before.
    pub(super) is_indented: bool,
    /// The words.
    pub(super) words: Vec<Word<'a>>,
}

/// A word. Its escapes are still there, since a name and a text read them differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word<'a> {
    /// The octets, without the quotation marks around a quoted word.
    pub(super) octets: &'a [u8],
    /// Whether quotation marks were around it.
    pub(super) is_quoted: bool,
}

/// Cuts a text into entries.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
    line: usize,
}

/// Says what is wrong with a text, with the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LexerError {
    pub(super) line: usize,
    pub(super) problem: &'static str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 1 }
    }

    /// Returns the next entry that has words; none at the end of the text.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry<'a>>, LexerError> {
        while !self.rest.is_empty() {
            let is_indented = matches!(self.rest.first(), Some(b' ' | b'\t'));
            let mut entry = Entry { line: self.line, is_indented, words: Vec::new() };
            self.read_entry(&mut entry)?;
            if !entry.words.is_empty() {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Reads to the end of a line that is not within parentheses.
    fn read_entry(&mut self, entry: &mut Entry<'a>) -> Result<(), LexerError> {
        // The line of each parenthesis that is open.
        let mut open = Vec::new();
        while let Some(octet) = self.rest.first() {
            match octet {
                b' ' | b'\t' | b'\r' => self.skip(1),
                b';' => {
                    let end = self.rest.iter().position(|octet| *octet == b'\n');
                    self.skip(end.unwrap_or(self.rest.len()));
                }
                b'\n' => {
                    self.skip(1);
                    self.line += 1;
                    if open.is_empty() {
                        return Ok(());
                    }
                }
                b'(' => {
                    open.push(self.line);
                    self.skip(1);
                }
                b')' => {
                    let problem = "a closing parenthesis without an opening one; remove it";
                    open.pop().ok_or_else(|| self.error(problem))?;
                    self.skip(1);
                }
                _ => {
                    if entry.words.is_empty() {
                        entry.line = self.line;
                    }
                    let word = if *octet == b'"' { self.quoted()? } else { self.bare()? };
                    entry.words.push(word);
                }
            }
        }
        match open.first() {
            None => Ok(()),
            Some(line) => {
                Err(LexerError { line: *line, problem: "the parenthesis is not closed; add ')'" })
            }
        }
    }

    fn quoted(&mut self) -> Result<Word<'a>, LexerError> {
        self.skip(1);
        let length = self.to_quotation_mark(0)?;
        let octets = &self.rest[..length];
        self.line += octets.iter().filter(|octet| **octet == b'\n').count();
        self.skip(length + 1);
        Ok(Word { octets, is_quoted: true })
    }

    /// Reads a word that ends at a blank; a part of it may be quoted, as in `alpn="h2,h3"`.
    fn bare(&mut self) -> Result<Word<'a>, LexerError> {
        let mut at = 0;
        while let Some(octet) = self.rest.get(at) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' => break,
                b'\\' => at += self.escaped(at)?,
                b'"' => at = self.to_quotation_mark(at + 1)? + 1,
                _ => at += 1,
            }
        }
        let octets = &self.rest[..at];
        self.line += octets.iter().filter(|octet| **octet == b'\n').count();
        self.skip(at);
        Ok(Word { octets, is_quoted: false })
    }

    /// Returns the place of the next quotation mark that is not escaped.
    fn to_quotation_mark(&self, from: usize) -> Result<usize, LexerError> {
        let mut at = from;
        loop {
            match self.rest.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') => at += self.escaped(at)?,
                Some(_) => at += 1,
                None => return Err(self.error("the quotation mark is not closed; add '\"'")),
            }
        }
    }

    /// Returns the length of a backslash and the octet that it escapes. The digits of `\DDD` need no attention.
    fn escaped(&self, at: usize) -> Result<usize, LexerError> {
        let is_there = self.rest.get(at + 1).is_some_and(|octet| !matches!(octet, b'\n' | b'\r'));
        if is_there {
            Ok(2)
        } else {
            Err(self.error("a backslash at the end of the line; remove it"))
        }
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn error(&self, problem: &'static str) -> LexerError {
        LexerError { line: self.line, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows entries: the line, `+` for an indented one, and the words, quoted ones with quotation marks.
    fn entries(text: &str) -> Result<Vec<String>, LexerError> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut shown = Vec::new();
        while let Some(entry) = lexer.next_entry()? {
            let words = entry.words.iter().map(|word| {
                let text = String::from_utf8_lossy(word.octets);
                if word.is_quoted { format!("\"{text}\"") } else { text.into_owned() }
            });
            let mark = if entry.is_indented { "+" } else { "" };
            shown.push(format!("{}{mark} {}", entry.line, words.collect::<Vec<_>>().join("|")));
        }
        Ok(shown)
    }

    #[test]
    fn lines_and_words() {
        for (text, expected) in [
            ("", vec![]),
            ("\n ; only a comment\n\t\n", vec![]),
            ("a b\tc;d\r\n e", vec!["1 a|b|c", "2+ e"]),
            ("a ( b ; x )\n c )d\ne", vec!["1 a|b|c|d", "3 e"]),
            ("\n(a\n(b))", vec!["2 a|b"]),
            ("( ; first\n a )", vec!["2 a"]),
            ("\"a b;(\" c\"d e\"f g\\\"h\\;i", vec!["1 \"a b;(\"|c\"d e\"f|g\\\"h\\;i"]),
            ("\"a\nb\" c\nd", vec!["1 \"a\nb\"|c", "3 d"]),
            ("\"\" \"\\\"\"", vec!["1 \"\"|\"\\\"\""]),
        ] {
            assert_eq!(entries(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, line, problem) in [
            ("a\nb )", 2, "a closing parenthesis"),
            ("a\nb (\nc (\n)\n", 2, "is not closed"),
            ("\na \"b\nc", 2, "the quotation mark is not closed"),
            ("a\\", 1, "a backslash at the end"),
            ("a\\\nb", 1, "a backslash at the end"),
        ] {
            let error = entries(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(
                error.problem.starts_with(problem) || error.problem.contains(problem),
                "{text:?}"
            );
        }
    }
}
