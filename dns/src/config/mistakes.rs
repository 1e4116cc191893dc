//! Every mistake of a Corefile at once.
//!
//! The parser of a directive stops at its first mistake. So what is wrong is taken out and the rest is read again,
//! until nothing more is found. What is only wrong because something was taken out is not a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Config, Surroundings};
use crate::corefile::{
    Corefile, CorefileError, Directive, Environment, Position, ServerBlock, Token,
    parse_until_error, zone_keys,
};

/// The plugins that another one in their server block has to fit, and that one.
const NEEDS: [(&str, &str); 2] = [("autopath", "kubernetes"), ("k8s_external", "kubernetes")];

/// The plugins without which server blocks may be in each other's way, or cannot be served.
const LISTENING: [&str; 3] = ["bind", "tls", "view"];

/// How often a Corefile is read again, at most: so many mistakes of one directive are found.
const MAX_ROUNDS: usize = 100;

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
    (entry, text): (&Path, &[u8]),
    around: Surroundings<'_>,
    environment: Environment<'_>,
) -> Result<Examined, CorefileError> {
    let (corefile, grammar) = parse_until_error(entry, text, around.files, environment)?;
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

/// Returns every mistake of a Corefile whose grammar is right; of a directive with more than [`MAX_ROUNDS`] the
/// first ones.
pub fn all(corefile: &Corefile, around: Surroundings<'_>) -> Vec<CorefileError> {
    let mut rest = corefile.clone();
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    let mut taken = Taken::default();
    for _ in 0..MAX_ROUNDS {
        let Err(errors) = Config::of(&rest, around) else { break };
        let places = Places::of(&rest);
        let wrong: BTreeSet<Position> =
            errors.iter().map(|error| error.position().clone()).collect();
        for error in errors {
            if !taken.explains(&error, &places) && told.insert(error.to_string()) {
                found.push(error);
            }
        }
        if !taken.take_out(&mut rest, &wrong) {
            break;
        }
    }
    found.sort_by(|a, b| a.position().cmp(b.position()));
    found
}

/// What stands where in a Corefile.
struct Places {
    /// The names of the directives at the positions of all of their words.
    directives: BTreeMap<Position, String>,
    /// The positions of keys.
    keys: BTreeSet<Position>,
}

impl Places {
    fn of(corefile: &Corefile) -> Self {
        let (mut directives, mut keys) = (BTreeMap::new(), BTreeSet::new());
        for block in &corefile.blocks {
            keys.extend(block.keys.iter().map(|key| key.position.clone()));
            for directive in &block.directives {
                for token in words(directive) {
                    directives.insert(token.position.clone(), directive.name.text.clone());
                }
            }
        }
        Self { directives, keys }
    }
}

/// What was taken out of a Corefile.
#[derive(Default)]
struct Taken {
    /// The plugins of which a directive or a line was taken out.
    touched: BTreeSet<String>,
    /// The plugins of which a whole directive was.
    directives: BTreeSet<String>,
}

impl Taken {
    /// Says whether an error may be there only because of what was taken out.
    fn explains(&self, error: &CorefileError, places: &Places) -> bool {
        if self.touched.is_empty() {
            return false;
        }
        if let Some(name) = places.directives.get(error.position()) {
            let needed = NEEDS.iter().find(|(plugin, _)| plugin == name);
            let is_alone = !self.touched.contains(name)
                && needed.is_none_or(|(_, needed)| !self.touched.contains(*needed));
            return !is_alone && !self.directives.contains(name);
        }
        let is_key = places.keys.contains(error.position());
        is_key && LISTENING.iter().any(|plugin| self.touched.contains(*plugin))
    }

    /// Takes out what stands at these positions, wherever it was imported; says whether there was something.
    fn take_out(&mut self, corefile: &mut Corefile, wrong: &BTreeSet<Position>) -> bool {
        let mut done = BTreeSet::new();
        for block in &mut corefile.blocks {
            let is_wrong = |directive: &mut Directive| stands_at(directive, wrong);
            for directive in block.directives.extract_if(.., is_wrong) {
                done.extend(words(&directive).map(|token| token.position.clone()));
                self.touched.insert(directive.name.text.clone());
                self.directives.insert(directive.name.text);
            }
            for directive in &mut block.directives {
                if take_lines(directive, wrong, &mut done) {
                    self.touched.insert(directive.name.text.clone());
                }
            }
        }
        let mut took_something = !done.is_empty();
        for block in &mut corefile.blocks {
            let before = block.keys.len();
            let is_wrong = |at: &Position| wrong.contains(at) && !done.contains(at);
            block.keys.retain(|key| !is_wrong(&key.position));
            took_something |= block.keys.len() < before;
        }
        corefile.blocks.retain(|block| !block.keys.is_empty());
        took_something
    }
}

fn words(directive: &Directive) -> impl Iterator<Item = &Token> {
    std::iter::once(&directive.name).chain(&directive.args)
}

fn stands_at(directive: &Directive, places: &BTreeSet<Position>) -> bool {
    words(directive).any(|token| places.contains(&token.position))
}

/// Takes the lines at these positions out of a directive's block; `done` gets what was there.
fn take_lines(
    directive: &mut Directive,
    wrong: &BTreeSet<Position>,
    done: &mut BTreeSet<Position>,
) -> bool {
    let Some(lines) = &mut directive.block else { return false };
    let mut took_something = false;
    for line in lines.extract_if(.., |line| stands_at(line, wrong)) {
        done.extend(words(&line).map(|token| token.position.clone()));
        took_something = true;
    }
    for line in lines {
        took_something |= take_lines(line, wrong, done);
    }
    took_something
}

/// Says whether a mistake may not be one when the rest of an unfinished server block is read.
fn may_be_mended_below(mistake: &CorefileError, block: &ServerBlock, default_port: u16) -> bool {
    let at = mistake.position();
    let is_key = block.keys.iter().any(|key| key.position == *at);
    let has_bad_key = || block.keys.iter().any(|key| zone_keys(&key.text, default_port).is_err());
    let needs_another = |directive: &Directive| {
        words(directive).any(|token| token.position == *at)
            && NEEDS.iter().any(|(name, _)| *name == directive.name.text)
    };
    is_key && !has_bad_key() || block.directives.iter().any(needs_another)
}

#[cfg(test)]
mod tests {
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
    fn many_mistakes_end() {
        let lines: String = (0..300).map(|number| format!("what{number}\n")).collect();
        assert_eq!(found(&format!(". {{\n{lines}whoami\n}}\n")).len(), 300);
        assert_eq!(found(&format!(". {{\nlog {{\n{lines}}}\n}}\n")).len(), MAX_ROUNDS);
    }

    #[test]
    fn a_good_corefile_has_none() {
        assert_found(". {\nerrors\nwhoami\n}\n", &[]);
    }
}
