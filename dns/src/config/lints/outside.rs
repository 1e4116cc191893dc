//! A plugin whose zones are none of the server block's.

use hickory_proto::rr::LowerName;

use super::claim::claims;
use super::{Linted, listed, warning};
use crate::corefile::{Directive, Warning};
use crate::plugin::arguments;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    // A rewritten name may be in any zone.
    if linted.changes_names() && !linted.directives("autopath").is_empty() {
        return autopath(linted).into_iter().collect();
    }
    if linted.changes_names() {
        return Vec::new();
    }
    let claims = claims(linted);
    // Names of addresses that are in a hosts file are answered in every zone.
    let is_judged = |directive: &Directive| {
        directive.name.text != "hosts" && !linted.is_read_by_others(directive)
    };
    let claims = claims.iter().filter(|claim| is_judged(claim.directive));
    let claimed = claims.map(|claim| (claim.directive, claim.zones.clone()));
    let others = ["acl", "cache"].into_iter().flat_map(|name| linted.directives(name));
    let others = others.filter_map(|directive| Some((directive, named(directive)?)));
    claimed
        .chain(others)
        .filter_map(|(directive, zones)| outside(linted, directive, &zones))
        .collect()
}

/// The zones of `autopath` are those of the client's question, which nothing but `rewrite` changes before.
fn autopath(linted: Linted<'_>) -> Option<Warning> {
    let directive = linted.directives("autopath").into_iter().next()?;
    let (_, zones) = directive.args.split_last()?;
    let zones = arguments::zones(zones).ok()?;
    let is_asked = !linted.directives("rewrite").is_empty() || zones.is_empty();
    if is_asked || zones.iter().any(|zone| is_served(linted, zone)) {
        return None;
    }
    Some(told(linted, directive, &zones))
}

/// Returns the zones that a directive names; none when it names none.
fn named(directive: &Directive) -> Option<Vec<LowerName>> {
    let zones = match (directive.name.text.as_str(), directive.args.split_first()) {
        ("cache", Some((ttl, zones))) if ttl.text.parse::<u32>().is_ok() => zones,
        _ => &directive.args,
    };
    let zones = arguments::zones(zones).ok()?;
    (!zones.is_empty()).then_some(zones)
}

fn outside(linted: Linted<'_>, directive: &Directive, zones: &[LowerName]) -> Option<Warning> {
    let is_asked = zones.iter().any(|zone| is_served(linted, zone));
    (!is_asked).then(|| told(linted, directive, zones))
}

fn is_served(linted: Linted<'_>, zone: &LowerName) -> bool {
    linted.block.zones.iter().any(|own| super::common(own, zone).is_some())
}

fn told(linted: Linted<'_>, directive: &Directive, zones: &[LowerName]) -> Warning {
    let text = format!(
        "'{}' never runs: the server block serves {}, and nothing of {}; add the zone to the keys of the \
         block, or move this to one that serves it",
        directive.name.text,
        listed(&linted.block.zones),
        listed(zones)
    );
    warning(&directive.name, text)
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn plugins_of_other_zones() {
        let text = "a.example {\nkubernetes cluster.local\nwhoami\n}\n";
        let parts = ["'kubernetes' never runs", "serves a.example., and nothing of cluster.local."];
        assert_hit(text, 2, &parts);
        assert_miss(&text.replace("a.example", "."));
        assert_miss(&text.replace("whoami", "k8s_external a.example"));
        assert_miss(&text.replace("a.example", "svc.cluster.local").replace("whoami\n", ""));
        assert_miss(
            &text.replace("whoami", "rewrite name suffix .a.example .cluster.local\nwhoami"),
        );
    }

    #[test]
    fn caches_and_rules_of_other_zones() {
        assert_hit("a {\nwhoami\ncache 30 b\n}\n", 3, &["'cache' never runs"]);
        assert_miss("a {\nwhoami\ncache 30 b.a\n}\n");
        assert_hit("a {\nwhoami\nacl b {\nblock\n}\n}\n", 3, &["'acl' never runs"]);
        assert_miss("a {\nwhoami\nacl . {\nblock\n}\n}\n");
    }

    #[test]
    fn autopath_of_another_zone() {
        let text = "cluster.local {\nautopath other.local /run/resolv.conf\nwhoami\n}\n";
        assert_hit(text, 2, &["'autopath' never runs"]);
        assert_miss(&text.replace("other.local", "cluster.local"));
    }
}
