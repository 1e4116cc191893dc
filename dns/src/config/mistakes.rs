//! Every mistake of a Corefile at once.
//!
//! The parser of a directive stops at its first mistake. So what is wrong is taken out and the rest is read again,
//! until nothing more is found. What is only wrong because something was taken out is not a mistake.

use std::collections::BTreeSet;

use super::{Config, Surroundings};
use crate::corefile::{
    Corefile, CorefileError, Directive, Position, ServerBlock, parse_until_error, zone_keys,
};
use crate::corefile::{Environment, Files};

/// The plugins that another one in their server block has to fit, and that one.
const NEEDS: [(&str, &str); 2] = [("autopath", "kubernetes"), ("k8s_external", "kubernetes")];

/// The plugins without which server blocks may be in each other's way, or cannot be served.
const LISTENING: [&str; 3] = ["bind", "tls", "view"];

/// A Corefile and all that is wrong with it.
#[derive(Debug)]
pub struct Examined {
    /// What could be read.
    pub corefile: Corefile,
    /// What it means; none when there is a mistake.
    pub config: Option<Config>,
    /// The mistakes, by file and line.
    pub mistakes: Vec<CorefileError>,
}

/// Reads a Corefile as far as that is possible.
///
/// # Errors
/// The text cannot be cut into tokens.
pub fn examine(
    (entry, text): (&std::path::Path, &[u8]),
    around: Surroundings<'_>,
    environment: Environment<'_>,
) -> Result<Examined, CorefileError> {
    let files: &dyn Files = around.files;
    let (corefile, grammar) = parse_until_error(entry, text, files, environment)?;
    let Some((error, complete)) = grammar else {
        return Ok(match Config::of(&corefile, around) {
            Ok(config) => Examined { corefile, config: Some(config), mistakes: Vec::new() },
            Err(_) => {
                let mistakes = all(&corefile, around);
                Examined { corefile, config: None, mistakes }
            }
        });
    };
    let mut mistakes = all(&corefile, around);
    if let Some(unfinished) = corefile.blocks.get(complete) {
        mistakes.retain(|mistake| !may_be_mended_below(mistake, unfinished, around.default_port));
    }
    mistakes.push(error);
    Ok(Examined { corefile, config: None, mistakes })
}

/// Returns every mistake of a Corefile whose grammar is right.
pub fn all(corefile: &Corefile, around: Surroundings<'_>) -> Vec<CorefileError> {
    let mut rest = corefile.clone();
    let mut found: Vec<CorefileError> = Vec::new();
    let mut taken = Taken::default();
    while let Err(errors) = Config::of(&rest, around) {
        let mut next = taken.clone();
        let mut took_something = false;
        let mut shorter = rest.clone();
        for error in errors {
            took_something |= next.take_out(&mut shorter, error.position());
            let is_known = found.iter().any(|other| other.to_string() == error.to_string());
            if !is_known && !taken.explains(&error, &rest) {
                found.push(error);
            }
        }
        if !took_something {
            break;
        }
        (rest, taken) = (shorter, next);
    }
    found.sort_by(|a, b| a.position().cmp(b.position()));
    found
}

/// What was taken out of a Corefile.
#[derive(Clone, Default)]
struct Taken {
    /// The plugins of which a directive or a line was taken out.
    touched: BTreeSet<String>,
    /// The plugins of which a whole directive was.
    directives: BTreeSet<String>,
}

impl Taken {
    /// Says whether an error may be there only because of what was taken out.
    fn explains(&self, error: &CorefileError, rest: &Corefile) -> bool {
        if self.touched.is_empty() {
            return false;
        }
        let mut directives = rest.blocks.iter().flat_map(|block| &block.directives);
        let at = error.position();
        if let Some(directive) = directives.find(|directive| stands_at(directive, at)) {
            let name = directive.name.text.as_str();
            let needed = NEEDS.iter().find(|(plugin, _)| *plugin == name);
            let is_alone = !self.touched.contains(name)
                && needed.is_none_or(|(_, needed)| !self.touched.contains(*needed));
            return !is_alone && !self.directives.contains(name);
        }
        let is_key = rest.blocks.iter().flat_map(|block| &block.keys).any(|k| k.position == *at);
        is_key && LISTENING.iter().any(|plugin| self.touched.contains(*plugin))
    }

    /// Takes out what stands at a position, wherever it was imported; says whether there was something.
    fn take_out(&mut self, corefile: &mut Corefile, at: &Position) -> bool {
        let mut took_something = false;
        for block in &mut corefile.blocks {
            let before = block.directives.len();
            for directive in block.directives.extract_if(.., |directive| stands_at(directive, at)) {
                self.touched.insert(directive.name.text.clone());
                self.directives.insert(directive.name.text);
            }
            took_something |= block.directives.len() < before;
            for directive in &mut block.directives {
                if take_line(directive, at) {
                    self.touched.insert(directive.name.text.clone());
                    took_something = true;
                }
            }
        }
        if !took_something {
            for block in &mut corefile.blocks {
                let before = block.keys.len();
                block.keys.retain(|key| key.position != *at);
                took_something |= block.keys.len() < before;
            }
            corefile.blocks.retain(|block| !block.keys.is_empty());
        }
        took_something
    }
}

fn stands_at(directive: &Directive, at: &Position) -> bool {
    let mut tokens = std::iter::once(&directive.name).chain(&directive.args);
    tokens.any(|token| token.position == *at)
}

fn take_line(directive: &mut Directive, at: &Position) -> bool {
    let Some(lines) = &mut directive.block else { return false };
    let before = lines.len();
    lines.retain(|line| !stands_at(line, at));
    let mut took_something = lines.len() < before;
    for line in lines {
        took_something |= take_line(line, at);
    }
    took_something
}

/// Says whether a mistake may not be one when the rest of an unfinished server block is read.
fn may_be_mended_below(mistake: &CorefileError, block: &ServerBlock, default_port: u16) -> bool {
    let at = mistake.position();
    let is_key = block.keys.iter().any(|key| key.position == *at);
    let has_bad_key = || block.keys.iter().any(|key| zone_keys(&key.text, default_port).is_err());
    let needs_another = |directive: &Directive| {
        stands_at(directive, at) && NEEDS.iter().any(|(name, _)| *name == directive.name.text)
    };
    is_key && !has_bad_key() || block.directives.iter().any(needs_another)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corefile::DiskFiles;

    fn found(text: &str) -> Vec<String> {
        let around = Surroundings { files: &DiskFiles, interfaces: &[], default_port: 53 };
        let entry = (Path::new("Corefile"), text.as_bytes());
        let examined = examine(entry, around, &|_| None).unwrap();
        assert_eq!(examined.config.is_some(), examined.mistakes.is_empty());
        let shown =
            |mistake: &CorefileError| format!("{} {}", mistake.position().line, mistake.problem());
        examined.mistakes.iter().map(shown).collect()
    }

    /// Asserts that exactly these mistakes are found, each by its line and a part of its text.
    fn assert_found(text: &str, expected: &[(u32, &str)]) {
        let found = found(text);
        let is = |(found, (line, part)): (&String, &(u32, &str))| {
            found.starts_with(&format!("{line} ")) && found.contains(part)
        };
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        assert!(found.iter().zip(expected).all(is), "{text}\n{found:#?}");
    }

    #[test]
    fn every_line_of_a_directive_is_judged() {
        assert_found(
            ". {\ncache 30 {\nsuces 1\ndenial x\nprefetch\n}\nforward . 9.9.9.9 {\nmax_fail 1\npolicy best\n}\n}\n",
            &[(3, "suces"), (4, "'x'"), (5, "prefetch"), (8, "max_fail"), (9, "best")],
        );
    }

    #[test]
    fn every_directive_of_a_plugin_is_judged() {
        assert_found(
            ". {\nforward . 1.2.3\nforward b 9.9.9.9\nforward c 1.2.3.4.5\nrewrite nam a b\nrewrite tipe A B\n}\n",
            &[(2, "1.2.3"), (4, "1.2.3.4.5"), (5, "nam"), (6, "tipe")],
        );
    }

    #[test]
    fn what_was_taken_out_makes_no_mistakes() {
        // Without its bad line, `tls` would have no `endpoint`, and k8s_external no `kubernetes`.
        assert_found(
            ". {\nkubernetes cluster.local {\nendpoint ftp://x\ntls a b c\n}\nk8s_external example.org\n}\n",
            &[(3, "ftp://x")],
        );
        assert_found(". {\nkubernetes a..b\nk8s_external example.org\nwhoami\n}\n", &[(2, "a..b")]);
        assert_found(
            "a.example {\nbind nowhere0\nwhoami\n}\na.example {\nbind 127.0.0.1\nwhoami\n}\n",
            &[(2, "nowhere0")],
        );
    }

    #[test]
    fn what_is_independent_is_found_behind_other_mistakes() {
        assert_found(
            "tls://. {\nwhoami x\n}\na {\nerors\n}\na {\nwhoami\n}\n",
            &[(1, "DoT requires TLS"), (2, "whoami"), (5, "erors"), (7, "already defined")],
        );
        assert_found(".:99999 b {\nwhoami x\n}\n", &[(1, "99999"), (2, "whoami")]);
    }

    #[test]
    fn a_snippet_is_judged_once() {
        assert_found(
            "(s) {\nlog {\nklass all\n}\n}\na {\nimport s\n}\nb {\nimport s\n}\n",
            &[(3, "klass")],
        );
    }

    #[test]
    fn mistakes_before_one_of_the_grammar_are_found() {
        assert_found(
            "a {\nerors\n}\ntls://b {\nwhoami x\nk8s_external b\nlog\n{\nclass all\n}\n}\n",
            &[(2, "erors"), (5, "whoami"), (8, "Unexpected '{'")],
        );
        assert_found("a {\nerors\n", &[(2, "erors"), (1, "never closed")]);
    }

    #[test]
    fn a_good_corefile_has_none() {
        assert_found(". {\nerrors\nwhoami\n}\n", &[]);
    }
}
