//! What is wrong with a directive that is refused as a whole: because its server block has another one of the
//! plugin, or because of its own words.

use std::collections::BTreeSet;

use super::rest::{Rest, words};
use super::{MAX_ROUNDS, separate_once};
use crate::config::Surroundings;
use crate::corefile::{Corefile, CorefileError, Directive, Position, ServerBlock, Token};

/// The plugins that others of their server block read.
const READ_BY_OTHERS: [&str; 2] = ["kubernetes", "root"];

/// The plugins whose lines mean the same whatever words stand before their block, and words that are right.
const STAND_INS: [(&str, &[&str]); 6] = [
    ("cache", &[]),
    ("errors", &[]),
    ("forward", &[".", "192.0.2.53"]),
    ("health", &[]),
    ("log", &[]),
    ("prometheus", &[]),
];

/// Returns the mistakes of such directives that are not `known`: each is judged as if it were the only one, and its
/// lines as if its words were right. Of more than [`MAX_ROUNDS`] the first ones are.
pub(super) fn mistakes(
    corefile: &Corefile,
    known: &[CorefileError],
    around: Surroundings<'_>,
) -> Vec<CorefileError> {
    let refused: BTreeSet<&Position> = known.iter().map(CorefileError::position).collect();
    let mut told: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
    let suspects = corefile.blocks.iter().flat_map(|block| {
        let is_refused =
            |directive: &&Directive| words(directive).any(|word| refused.contains(&word.position));
        let suspects = block.directives.iter().filter(is_refused);
        suspects.map(move |directive| (block, directive))
    });
    let mut found = Vec::new();
    for (block, directive) in suspects.take(MAX_ROUNDS) {
        let mut judge = |directive: &Directive, places: &BTreeSet<&Position>| {
            let (mistakes, _) = separate_once(Rest::new(only(block, directive)), around);
            found.extend(mistakes.into_iter().filter(|mistake| {
                places.contains(mistake.position()) && told.insert(mistake.to_string())
            }));
        };
        if is_repeated(block, directive) {
            judge(directive, &places(directive));
        }
        if let Some(stand_in) = stand_in(directive) {
            // Of its words nothing is known.
            let places = places(directive);
            let own: BTreeSet<&Position> = words(directive).map(|word| &word.position).collect();
            judge(&stand_in, &places.difference(&own).copied().collect());
        }
    }
    found
}

/// Says whether another directive of the plugin stands before this one.
fn is_repeated(block: &ServerBlock, directive: &Directive) -> bool {
    let of_plugin = |other: &&Directive| other.name.text == directive.name.text;
    let first = block.directives.iter().find(of_plugin);
    first.is_some_and(|first| !std::ptr::eq(first, directive))
}

/// Returns a directive with the same lines and words that are right; none of plugins whose lines depend on those.
fn stand_in(directive: &Directive) -> Option<Directive> {
    directive.block.as_ref()?;
    let (_, words) = STAND_INS.iter().find(|(name, _)| *name == directive.name.text)?;
    let position = &directive.name.position;
    let word =
        |text: &&str| Token { text: (*text).to_owned(), position: position.clone(), quoted: false };
    Some(Directive { args: words.iter().map(word).collect(), ..directive.clone() })
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
