//! What is left of a Corefile when its mistakes are taken out.

use std::collections::{BTreeMap, BTreeSet};

use super::NEEDS;
use crate::config::registry::{find, nearest};
use crate::corefile::{
    Corefile, CorefileError, Directive, Position, Recovered, Token, Transport, zone_keys,
};

/// The plugins without which server blocks may be in each other's way, or cannot be served.
const LISTENING: [&str; 3] = ["bind", "tls", "view"];

/// What a server block lacks because there was a mistake in it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The plugins of which a directive or a line is missing.
    pub plugins: BTreeSet<String>,
    /// Whether anything may be: an import that failed, the rest of a block without its brace, an unknown name.
    pub anything: bool,
}

impl Missing {
    /// Says whether nothing of these plugins is missing.
    pub fn has(&self, plugins: &[&str]) -> bool {
        !self.anything && !plugins.iter().any(|plugin| self.plugins.contains(*plugin))
    }

    /// Says whether nothing is missing.
    pub fn is_nothing(&self) -> bool {
        !self.anything && self.plugins.is_empty()
    }

    /// Adds a directive's name; a mistyped one may be the plugin that it resembles.
    fn add(&mut self, name: &str) {
        match find(name).map(|_| name).or_else(|| nearest(name)) {
            Some(plugin) => _ = self.plugins.insert(plugin.to_owned()),
            None => self.anything = true,
        }
    }
}

/// What stands where in a Corefile.
pub(super) struct Places {
    /// The names of the directives at the positions of all of their words.
    directives: BTreeMap<Position, String>,
    /// The positions of keys.
    keys: BTreeSet<Position>,
}

impl Places {
    pub(super) fn of(corefile: &Corefile) -> Self {
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

/// What is left of a Corefile when mistakes are taken out, and what those were.
pub(super) struct Rest {
    pub(super) corefile: Corefile,
    /// What each server block lacks.
    pub(super) missing: Vec<Missing>,
    /// Whether server blocks or keys of them may be missing.
    pub(super) lacks_blocks: bool,
    /// The plugins of which a directive or a line was taken out.
    touched: BTreeSet<String>,
    /// The plugins of which a whole directive was.
    directives: BTreeSet<String>,
}

impl Rest {
    pub(super) fn new(corefile: Corefile) -> Self {
        let missing = vec![Missing::default(); corefile.blocks.len()];
        let (touched, directives) = (BTreeSet::new(), BTreeSet::new());
        Self { corefile, missing, lacks_blocks: false, touched, directives }
    }

    /// Returns what was read past mistakes of the grammar, without the lines that it garbled.
    pub(super) fn of(recovered: Recovered) -> Self {
        let Recovered { corefile, is_partial, garbled, lacks_blocks, .. } = recovered;
        let mut rest = Self { lacks_blocks, ..Self::new(corefile) };
        rest.take_lines_out(&garbled);
        for (missing, is_partial) in rest.missing.iter_mut().zip(is_partial) {
            missing.anything |= is_partial;
        }
        rest
    }

    /// Says of each server block whether anything may be missing.
    pub(super) fn partial(&self) -> Vec<bool> {
        self.missing.iter().map(|missing| missing.anything).collect()
    }

    /// Says whether an error may be there only because of what was taken out.
    pub(super) fn explains(&self, error: &CorefileError, places: &Places) -> bool {
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
    pub(super) fn take_out(&mut self, wrong: &BTreeSet<Position>) -> bool {
        let done = self.take_lines_out(wrong);
        let mut took_something = !done.is_empty();
        for (block, missing) in self.corefile.blocks.iter_mut().zip(&mut self.missing) {
            let before = block.keys.len();
            let is_wrong = |at: &Position| wrong.contains(at) && !done.contains(at);
            // What another server block has already is served there.
            let is_elsewhere = |key: &Token| {
                let keys = zone_keys(&key.text, 53).unwrap_or_default();
                !keys.is_empty() && keys.iter().all(|key| key.transport == Transport::Dns)
            };
            let gone = block.keys.extract_if(.., |key| is_wrong(&key.position));
            // All of them are taken out, whatever the first one is.
            self.lacks_blocks |= gone.filter(|key| !is_elsewhere(key)).count() > 0;
            if block.keys.len() < before {
                missing.anything = true;
                took_something = true;
            }
        }
        let mut is_left = self.corefile.blocks.iter().map(|block| !block.keys.is_empty());
        self.missing.retain(|_| is_left.next().unwrap_or_default());
        self.corefile.blocks.retain(|block| !block.keys.is_empty());
        took_something
    }

    /// Takes out the directives and their lines that stand at these positions; returns where all of them stood.
    fn take_lines_out(&mut self, wrong: &BTreeSet<Position>) -> BTreeSet<Position> {
        let mut done = BTreeSet::new();
        for (block, missing) in self.corefile.blocks.iter_mut().zip(&mut self.missing) {
            let is_wrong = |directive: &mut Directive| stands_at(directive, wrong);
            for directive in block.directives.extract_if(.., is_wrong) {
                done.extend(words(&directive).map(|token| token.position.clone()));
                missing.add(&directive.name.text);
                self.touched.insert(directive.name.text.clone());
                self.directives.insert(directive.name.text);
            }
            for directive in &mut block.directives {
                if take_lines(directive, wrong, &mut done) {
                    missing.add(&directive.name.text);
                    self.touched.insert(directive.name.text.clone());
                }
            }
        }
        done
    }
}

pub(super) fn words(directive: &Directive) -> impl Iterator<Item = &Token> {
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
