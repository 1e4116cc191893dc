//! Which names a directive answers, and which of them it leaves to no other.

use hickory_proto::rr::{LowerName, Name};

use super::Linted;
use crate::config::PLUGINS;
use crate::corefile::{Directive, Token};
use crate::plugin::arguments;

/// The plugins that own zones, and how many arguments they have before those.
const OWNERS: [(&str, usize); 5] =
    [("template", 2), ("hosts", 1), ("k8s_external", 0), ("kubernetes", 0), ("file", 1)];

/// What one directive answers.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    /// The directive.
    pub directive: &'a Directive,
    /// Its place in the order in which queries pass plugins.
    order: usize,
    /// The zones in which it answers, whether the block serves them or not.
    pub zones: Vec<LowerName>,
    /// Those of which no name goes on.
    pub kept: Vec<LowerName>,
    /// The zones of `fallthrough` in it.
    pub fallthrough: Option<(&'a Token, Vec<LowerName>)>,
}

/// Returns the claims of a block in the order in which queries meet them.
pub(super) fn claims(linted: Linted<'_>) -> Vec<Claim<'_>> {
    let of = |directive| claim(directive, &linted.block.zones);
    let mut claims: Vec<Claim<'_>> = linted.text.directives.iter().filter_map(of).collect();
    claims.sort_by_key(|claim| claim.order);
    claims
}

/// Returns the claim of a directive; none for plugins that answer no zone.
fn claim<'a>(directive: &'a Directive, block: &[LowerName]) -> Option<Claim<'a>> {
    let name = directive.name.text.as_str();
    let order = PLUGINS.iter().position(|(plugin, _)| *plugin == name)?;
    let zones = match name {
        // Whatever name comes to them.
        "whoami" | "erratic" => vec![LowerName::new(&Name::root())],
        "forward" => arguments::zones(directive.args.get(..1)?).ok()?,
        _ => {
            let (_, leading) = OWNERS.iter().find(|(owner, _)| *owner == name)?;
            match directive.args.get(*leading..) {
                None | Some([]) => block.to_vec(),
                Some(zones) => arguments::zones(zones).ok()?,
            }
        }
    };
    let line = |option: &str| directive.lines().iter().find(|line| line.name.text == option);
    let fallthrough = line("fallthrough").map(|line| {
        let of = if line.args.is_empty() { zones.clone() } else { named(&line.args) };
        (&line.name, of)
    });
    let passes: Vec<LowerName> = match (name, &fallthrough) {
        ("forward", _) => line("except").map(|line| named(&line.args)).unwrap_or_default(),
        (_, Some((_, zones))) => zones.clone(),
        (_, None) => Vec::new(),
    };
    let kept = zones.iter().filter(|zone| {
        answers_every_name(directive)
            && !passes.iter().any(|other| other.zone_of(zone) || zone.zone_of(other))
    });
    let kept = kept.cloned().collect();
    Some(Claim { directive, order, zones, kept, fallthrough })
}

/// Says whether a plugin answers names in zones: one that has claims.
#[cfg(test)]
pub(super) fn answers_zones(plugin: &str) -> bool {
    let is_owner = OWNERS.iter().any(|(owner, _)| *owner == plugin);
    is_owner || matches!(plugin, "forward" | "whoami" | "erratic")
}

fn named(tokens: &[Token]) -> Vec<LowerName> {
    arguments::zones(tokens).unwrap_or_default()
}

/// Says whether a directive leaves none of its names to others, apart from `fallthrough` and `except`.
fn answers_every_name(directive: &Directive) -> bool {
    let has = |option: &str| directive.lines().iter().any(|line| line.name.text == option);
    match directive.name.text.as_str() {
        "forward" => !has("next") && !has("next_on_nodata"),
        "template" => {
            let word = |at: usize| directive.args.get(at).map(|token| token.text.to_uppercase());
            let takes_class = matches!(word(0).as_deref(), Some("ANY" | "IN"));
            takes_class && word(1).as_deref() == Some("ANY") && !has("match")
        }
        _ => true,
    }
}
