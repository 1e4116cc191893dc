//! Every mistake of a Corefile at once.
//!
//! The parser of a directive stops at its first mistake. So what is wrong is taken out and the rest is read again,
//! until nothing more is found. What is only wrong because something was taken out is not a mistake, nor is what may
//! only be wrong because of a mistake in the grammar.

mod repeated;
mod rest;

use std::collections::BTreeSet;
use std::path::Path;

use super::registry::{find, nearest};
use super::{Config, Surroundings};
use crate::corefile::{
    Corefile, CorefileError, Environment, NameKind, Position, ServerBlock, ZoneKey, parse, recover,
    zone_keys,
};
use rest::{Places, Rest, words};

pub use rest::Missing;

/// The plugins that another one in their server block has to fit, and that one.
const NEEDS: [(&str, &str); 2] = [("autopath", "kubernetes"), ("k8s_external", "kubernetes")];

/// How often a Corefile is read again, at most: so many mistakes of one directive are found.
const MAX_ROUNDS: usize = 100;

/// A Corefile and all that is wrong with it.
#[derive(Debug)]
pub struct Examined {
    /// What could be read.
    pub corefile: Corefile,
    /// The mistakes, by file and line.
    pub mistakes: Vec<CorefileError>,
    /// What is left without the mistakes; none when they have no end.
    pub sound: Option<Sound>,
}

/// What of a Corefile has no mistake.
#[derive(Debug)]
pub struct Sound {
    /// Its text.
    pub corefile: Corefile,
    /// What it means.
    pub config: Config,
    /// What each of the server blocks lacks, in their order.
    pub missing: Vec<Missing>,
    /// Whether server blocks or keys of them may be missing.
    pub lacks_blocks: bool,
}

/// Reads a Corefile as far as that is possible.
///
/// # Errors
/// The text is too large.
pub fn examine(
    (entry, text): (&Path, &[u8]),
    around: Surroundings<'_>,
    environment: Environment<'_>,
) -> Result<Examined, CorefileError> {
    let first = match parse(entry, text, around.files, environment) {
        Ok(corefile) => {
            let whole = Rest::new(corefile.clone());
            let (mistakes, sound) = separate(whole, around);
            return Ok(Examined { corefile, mistakes, sound });
        }
        Err(error) => error,
    };
    let names = |name: &str| match find(name) {
        Some(_) => NameKind::Plugin,
        None if nearest(name).is_some() => NameKind::Misspelt,
        None => NameKind::Other,
    };
    let mut recovered = recover(entry, text, around.files, environment, &names)?;
    let mut errors = std::mem::take(&mut recovered.errors);
    if errors.is_empty() {
        errors.push(first);
    }
    let rest = Rest::of(recovered);
    let (corefile, partial) = (rest.corefile.clone(), rest.partial());
    let (mut mistakes, sound) = separate(rest, around);
    mistakes
        .retain(|mistake| !may_be_mended(mistake, &corefile.blocks, &partial, around.default_port));
    let mut told = BTreeSet::new();
    errors.retain(|error| told.insert(error.to_string()));
    mistakes.extend(errors);
    mistakes.sort_by(|a, b| a.position().cmp(b.position()));
    Ok(Examined { corefile, mistakes, sound })
}

/// Returns every mistake of a Corefile whose grammar is right; of a directive with more than [`MAX_ROUNDS`] the
/// first ones.
pub fn all(corefile: &Corefile, around: Surroundings<'_>) -> Vec<CorefileError> {
    separate(Rest::new(corefile.clone()), around).0
}

/// Separates a Corefile into its mistakes and what is sound.
fn separate(rest: Rest, around: Surroundings<'_>) -> (Vec<CorefileError>, Option<Sound>) {
    let whole = rest.corefile.clone();
    let (mut found, sound) = separate_once(rest, around);
    found.extend(repeated::mistakes(&whole, &found, around));
    found.sort_by(|a, b| a.position().cmp(b.position()));
    (found, sound)
}

/// Does so, and looks no closer at a directive that is refused as a whole.
fn separate_once(mut rest: Rest, around: Surroundings<'_>) -> (Vec<CorefileError>, Option<Sound>) {
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    let mut config = None;
    for _ in 0..MAX_ROUNDS {
        let errors = match Config::of(&rest.corefile, around) {
            Ok(whole) => {
                config = Some(whole);
                break;
            }
            Err(errors) => errors,
        };
        let places = Places::of(&rest.corefile);
        let wrong: BTreeSet<Position> =
            errors.iter().map(|error| error.position().clone()).collect();
        for error in errors {
            if !rest.explains(&error, &places) && told.insert(error.to_string()) {
                found.push(error);
            }
        }
        if !rest.take_out(&wrong) {
            break;
        }
    }
    found.sort_by(|a, b| a.position().cmp(b.position()));
    let Rest { corefile, missing, lacks_blocks, .. } = rest;
    (found, config.map(|config| Sound { corefile, config, missing, lacks_blocks }))
}

/// Says whether a mistake may not be one once what partial server blocks lack is there.
fn may_be_mended(
    mistake: &CorefileError,
    blocks: &[ServerBlock],
    is_partial: &[bool],
    default_port: u16,
) -> bool {
    let at = mistake.position();
    let partial = || blocks.iter().zip(is_partial).filter(|(_, is_partial)| **is_partial);
    let keys = |block: &ServerBlock| -> Option<Vec<ZoneKey>> {
        let keys: Result<Vec<_>, _> =
            block.keys.iter().map(|key| zone_keys(&key.text, default_port)).collect();
        Some(keys.ok()?.concat())
    };
    // What is wrong at a good key is so because of other server blocks, or because of the own directives.
    let is_key = |block: &&ServerBlock| block.keys.iter().any(|key| key.position == *at);
    if let Some(own) = blocks.iter().find(is_key).and_then(keys) {
        let is_shared = |other: &ServerBlock| {
            keys(other).is_some_and(|other| other.iter().any(|key| own.contains(key)))
        };
        return partial().any(|(block, _)| is_shared(block));
    }
    let lacks_another = |block: &ServerBlock| {
        block.directives.iter().any(|directive| {
            let needed = NEEDS.iter().find(|(name, _)| *name == directive.name.text);
            let is_there = |name| block.directives.iter().any(|other| other.name.text == name);
            words(directive).any(|token| token.position == *at)
                && needed.is_some_and(|(_, needed)| !is_there(*needed))
        })
    };
    partial().any(|(block, _)| lacks_another(block))
}

#[cfg(test)]
mod tests;
