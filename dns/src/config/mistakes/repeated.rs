//! What is wrong with a directive that is refused because its server block has another one of the plugin.

use std::collections::BTreeSet;

use super::rest::{Rest, words};
use super::{MAX_ROUNDS, separate_once};
use crate::config::Surroundings;
use crate::corefile::{Corefile, CorefileError, Directive, Position, ServerBlock};

/// The plugins that others of their server block read.
const READ_BY_OTHERS: [&str; 2] = ["kubernetes", "root"];

/// Returns the mistakes of such directives that are not `known`: each is judged as if it were the only one. Of
/// more than [`MAX_ROUNDS`] the first ones are.
pub(super) fn mistakes(
    corefile: &Corefile,
    known: &[CorefileError],
    around: Surroundings<'_>,
) -> Vec<CorefileError> {
    let refused: BTreeSet<&Position> = known.iter().map(CorefileError::position).collect();
    let mut told: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
    let alone = corefile.blocks.iter().flat_map(|block| {
        let repeated = repeated(block);
        repeated.into_iter().map(move |directive| (block, directive))
    });
    let refused = alone.filter(|(_, directive)| refused.contains(&directive.name.position));
    let mut found = Vec::new();
    for (block, directive) in refused.take(MAX_ROUNDS) {
        let (mistakes, _) = separate_once(Rest::new(only(block, directive)), around);
        let places = places(directive);
        found.extend(mistakes.into_iter().filter(|mistake| {
            places.contains(mistake.position()) && told.insert(mistake.to_string())
        }));
    }
    found
}

/// Returns the directives of a block before which another one of their plugin stands.
fn repeated(block: &ServerBlock) -> Vec<&Directive> {
    let mut names = BTreeSet::new();
    block.directives.iter().filter(|directive| !names.insert(&directive.name.text)).collect()
}

/// Returns a Corefile with one directive of a block and those that it may need.
fn only(block: &ServerBlock, directive: &Directive) -> Corefile {
    let is_needed = |other: &&Directive| {
        let name = other.name.text.as_str();
        name != directive.name.text && READ_BY_OTHERS.contains(&name)
    };
    let mut directives: Vec<Directive> =
        block.directives.iter().filter(is_needed).cloned().collect();
    directives.push(directive.clone());
    Corefile {
        blocks: vec![ServerBlock { directives, ..block.clone() }],
        warnings: Vec::new(),
        files: Vec::new(),
        directories: Vec::new(),
    }
}

/// Returns where the words of a directive and of its lines stand.
fn places(directive: &Directive) -> BTreeSet<&Position> {
    let mut places: BTreeSet<&Position> = words(directive).map(|word| &word.position).collect();
    for line in directive.lines() {
        places.extend(self::places(line));
    }
    places
}
