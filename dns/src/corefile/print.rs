//! Writes a Corefile as canonical text.
//!
//! The text parses back to the same structure for everything [`parse`](super::parse) can return, with one
//! exception: a value that the environment put in has no notation if it holds an environment reference itself, or
//! needs quotes and has an odd number of backslashes before a quote or at its end.

use std::fmt::{self, Display, Formatter};

use super::{Corefile, Directive, ServerBlock, Token};

impl Display for Corefile {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        // A reader skips one byte order mark at the start, so a first key that begins with one needs two.
        let first = self.blocks.first().and_then(|block| block.keys.first());
        if first.is_some_and(|key| key.text.starts_with('\u{feff}')) {
            formatter.write_str("\u{feff}")?;
        }
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
        match self.keys.as_slice() {
            [only] => write_last_key(formatter, only, looks_like_snippet(&only.text))?,
            [before @ .., last] => {
                before.iter().try_for_each(|key| write_key(formatter, key))?;
                write_last_key(formatter, last, false)?;
            }
            [] => {}
        }
        formatter.write_str("{\n")?;
        write_lines(formatter, &self.directives, 1)?;
        formatter.write_str("}\n")
    }
}

/// Writes a key that another one follows. A final comma would be taken for a separator, so it gets one.
fn write_key(formatter: &mut Formatter<'_>, key: &Token) -> fmt::Result {
    let quote = key.quoted || key.text == "import";
    write_token(formatter, key, quote)?;
    let needs_separator = !quote && !needs_quotes(&key.text) && key.text.ends_with(',');
    formatter.write_str(if needs_separator { ", " } else { " " })
}

fn write_last_key(formatter: &mut Formatter<'_>, key: &Token, is_snippet: bool) -> fmt::Result {
    let quote = key.quoted || is_snippet || key.text == "import" || key.text.ends_with(',');
    write_token(formatter, key, quote)?;
    formatter.write_str(" ")
}

/// Whether a block with this only key would be read as a snippet.
fn looks_like_snippet(key: &str) -> bool {
    key.starts_with('(') && key.ends_with(')')
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

fn write_token(formatter: &mut Formatter<'_>, token: &Token, quote: bool) -> fmt::Result {
    match quote || needs_quotes(&token.text) {
        true => write_quoted(formatter, &token.text),
        false => formatter.write_str(&token.text),
    }
}

fn needs_quotes(text: &str) -> bool {
    let is_outside_words = |char: char| char == '#' || char.is_whitespace();
    // Several closing braces in one word are refused at the start of a line.
    let is_brace = text == "{" || text.bytes().all(|byte| byte == b'}');
    is_brace || text.starts_with('"') || text.contains(is_outside_words)
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

#[cfg(test)]
mod tests {
    use super::super::outline::parse_alone;

    #[test]
    fn text_is_canonical() {
        let text =
            ".:53 , b,\n\"c d\" {\nlog\n a \"1 2\" \"3\" \"{\" \"\" {\n x\n}\n b { }\n} e {\n}";
        let expected = r#".:53 b "c d" {
    log
    a "1 2" "3" "{" "" {
        x
    }
    b {
    }
}

e {
}
"#;
        let text = text.replace(".:53 ,", ".:53,");
        assert_eq!(parse_alone(&text).unwrap().to_string(), expected);
    }

    #[test]
    fn texts_that_look_like_syntax_print_back() {
        for text in [
            "\u{feff}\u{feff}a\\ {\n}",
            "a\\\",, b {\n}",
            "\"a,\" {\n}",
            "\"(a)\" {\n}",
            "(a\\\") b {\n}",
            "\"import\" {\n \"import\" x\n}",
            "{$IMPORT} {\n {$IMPORT} {$BRACE} {$TWO}\n}",
            ". {\n a { }} b\n}\n}",
            ". {\n a \"x \\\\\\\"y\\\\\"\n}",
        ] {
            let corefile = parse_alone(text).unwrap();
            let again = parse_alone(&corefile.to_string()).unwrap();
            let texts = |block: &super::ServerBlock| -> Vec<String> {
                let lines = block.directives.iter();
                let words = lines.flat_map(|line| std::iter::once(&line.name).chain(&line.args));
                let all = block.keys.iter().chain(words);
                all.map(|token| token.text.clone()).collect()
            };
            assert_eq!(texts(&again.blocks[0]), texts(&corefile.blocks[0]), "{text}");
        }
    }

    #[test]
    fn values_without_a_notation_stay_one_token() {
        let mut corefile = parse_alone(". {\n a b\n}").unwrap();
        corefile.blocks[0].directives[0].args[0].text = "x y\\".to_owned();
        assert!(corefile.to_string().contains(r#"a "x y\\""#));
        assert!(parse_alone(&corefile.to_string()).is_ok());
    }
}
