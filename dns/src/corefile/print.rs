//! Writes a Corefile as canonical text.
//!
//! The text parses back to the same structure for everything [`parse`](super::parse) can return, with one
//! exception: a value that the environment put in has no notation if it holds an environment reference itself, or
//! needs quotes and has an odd number of backslashes before a quote or at its end.

use std::fmt::{self, Display, Formatter};

use super::{Corefile, Directive, ServerBlock, Token};

impl Display for Corefile {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            block.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Display for ServerBlock {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for key in &self.keys {
            write_token(formatter, key, key.quoted || is_special_key(&key.text))?;
            formatter.write_str(" ")?;
        }
        formatter.write_str("{\n")?;
        write_lines(formatter, &self.directives, 1)?;
        formatter.write_str("}\n")
    }
}

fn write_lines(formatter: &mut Formatter<'_>, lines: &[Directive], depth: usize) -> fmt::Result {
    for line in lines {
        write_line(formatter, line, depth)?;
    }
    Ok(())
}

fn write_line(formatter: &mut Formatter<'_>, line: &Directive, depth: usize) -> fmt::Result {
    let indent = depth * 4;
    write!(formatter, "{:indent$}", "")?;
    let name = &line.name;
    write_token(formatter, name, name.quoted || name.text == "import")?;
    for argument in &line.args {
        formatter.write_str(" ")?;
        write_token(formatter, argument, argument.quoted)?;
    }
    if let Some(lines) = &line.block {
        formatter.write_str(" {\n")?;
        write_lines(formatter, lines, depth + 1)?;
        write!(formatter, "{:indent$}}}", "")?;
    }
    formatter.write_str("\n")
}

/// Whether a key would be read as something else without quotes.
fn is_special_key(text: &str) -> bool {
    text == "import" || text.ends_with(',') || text.starts_with('(')
}

fn write_token(formatter: &mut Formatter<'_>, token: &Token, quote: bool) -> fmt::Result {
    match quote || needs_quotes(&token.text) {
        true => write_quoted(formatter, &token.text),
        false => formatter.write_str(&token.text),
    }
}

fn needs_quotes(text: &str) -> bool {
    let is_outside_words = |char: char| char.is_whitespace() || matches!(char, '#' | '\u{feff}');
    matches!(text, "" | "{" | "}") || text.starts_with('"') || text.contains(is_outside_words)
}

/// Writes the text in quotes. Backslashes stay as they are, except that a run before a quote or the end has to
/// be even, or it would escape the closing quote.
fn write_quoted(formatter: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut is_odd = false;
    quoted.push('"');
    for char in text.chars() {
        if char == '"' {
            quoted.push_str(if is_odd { "\\\\" } else { "\\" });
        }
        is_odd = char == '\\' && !is_odd;
        quoted.push(char);
    }
    quoted.push_str(if is_odd { "\\\"" } else { "\"" });
    formatter.write_str(&quoted)
}
