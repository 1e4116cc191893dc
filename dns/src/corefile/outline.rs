//! Shows the structure of a Corefile in one line, for tests: `KEYS{NAME ARGS; NAME ARGS{…}}`, every text between
//! single quotes if it is not a plain word.

use std::path::Path;

use super::files::memory::MemoryFiles;
use super::{Corefile, CorefileError, Directive, Token, parse};

pub(super) fn outline(corefile: &Corefile) -> String {
    let block = |block: &super::ServerBlock| {
        let directives = lines(&block.directives);
        format!("{}{{{directives}}}", words(block.keys.iter()))
    };
    let blocks: Vec<String> = corefile.blocks.iter().map(block).collect();
    blocks.join(" ")
}

fn lines(directives: &[Directive]) -> String {
    let line = |directive: &Directive| {
        let all = std::iter::once(&directive.name).chain(&directive.args);
        match &directive.block {
            None => words(all),
            Some(block) => format!("{}{{{}}}", words(all), lines(block)),
        }
    };
    let lines: Vec<String> = directives.iter().map(line).collect();
    lines.join("; ")
}

fn words<'t>(tokens: impl Iterator<Item = &'t Token>) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || ".:/_-*<>".contains(char);
    let word = |token: &Token| match token.text.chars().all(is_plain) && !token.text.is_empty() {
        true => token.text.clone(),
        false => format!("'{}'", token.text.escape_debug()),
    };
    let words: Vec<String> = tokens.map(word).collect();
    words.join(" ")
}

/// The environment of the tests.
pub(super) fn environment(name: &str) -> Option<String> {
    let value = match name {
        "ZONE" => "example.org",
        "LIST" => "a,",
        "TWO" => "a b",
        "BRACE" => "{",
        "IMPORT" => "import",
        "FILE" => "sub/one",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Parses `/etc/coredns/Corefile` among files of memory.
pub(super) fn parse_with(text: &str, files: &MemoryFiles) -> Result<Corefile, CorefileError> {
    let entry = Path::new("/etc/coredns/Corefile");
    parse(entry, text.as_bytes(), files, &environment)
}

/// Parses a Corefile that imports no file.
pub(super) fn parse_alone(text: &str) -> Result<Corefile, CorefileError> {
    parse_with(text, &MemoryFiles::default())
}

/// The message of a refusal without the entry file's path and the constant part: `LINE - TEXT`.
pub(super) fn refusal(result: Result<Corefile, CorefileError>) -> String {
    let message = match result {
        Ok(corefile) => panic!("accepted as {}", outline(&corefile)),
        Err(error) => error.to_string(),
    };
    assert!(message.contains(" - Error during parsing: "), "{message}");
    message.replace("/etc/coredns/Corefile:", "").replace(" - Error during parsing: ", " - ")
}
