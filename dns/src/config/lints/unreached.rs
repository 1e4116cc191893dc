//! Rules of `acl`, `log`, `rewrite` and `template` behind one of the same plugin that takes all of their queries.

use hickory_proto::rr::LowerName;

use super::claim::claims;
use super::{Linted, warning};
use crate::corefile::{Directive, Token, Warning};
use crate::plugin::arguments;
use crate::plugin::rewrite::RewriteConfig;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let mut found = access(linted);
    found.extend(logs(linted));
    found.extend(rewrites(linted));
    found.extend(templates(linted));
    found
}

fn told(later: &Token, earlier: &Token, remedy: &str) -> Warning {
    let text = format!(
        "this '{}' never runs: the one at {} takes all of its queries before it; {remedy}, or remove this line",
        later.text, earlier.position
    );
    warning(later, text)
}

/// Lines of an `acl` behind one that is for every type and every address.
fn access(linted: Linted<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    for acl in linted.directives("acl") {
        let lines = acl.lines();
        let Some(at) = lines.iter().position(is_for_all) else { continue };
        let (before, after) = lines.split_at(at + 1);
        let Some(bare) = before.last() else { continue };
        for line in after {
            let text = format!(
                "this '{}' never runs: '{}' at {} is for every type and every address; put it before that, or \
                 remove this line",
                line.name.text, bare.name.text, bare.name.position
            );
            found.push(warning(&line.name, text));
        }
    }
    found
}

/// Says whether a rule of `acl` has nothing that a query has to match; without `*`, which makes its section one.
fn is_for_all(line: &Directive) -> bool {
    line.args.is_empty()
}

/// A `log` behind others with all of its names: the first one with a name decides, whatever its class.
fn logs(linted: Linted<'_>) -> Vec<Warning> {
    let zones = |log: &Directive| -> Option<Vec<LowerName>> {
        let names = match log.args.split_last() {
            Some((last, names)) if last.text.contains('{') => names,
            _ => log.args.as_slice(),
        };
        if names.is_empty() {
            return Some(vec![LowerName::new(&hickory_proto::rr::Name::root())]);
        }
        arguments::zones(names).ok()
    };
    let logs = linted.directives("log");
    let mut found = Vec::new();
    for (at, later) in logs.iter().enumerate() {
        let Some(names) = zones(later) else { continue };
        let before = logs.get(..at).unwrap_or_default();
        let of = |name: &LowerName| {
            let has = |log: &&&Directive| {
                zones(log).is_some_and(|zones| zones.iter().any(|zone| zone.zone_of(name)))
            };
            before.iter().find(has)
        };
        let decides: Option<Vec<_>> = names.iter().map(of).collect();
        if let Some(earlier) = decides.and_then(|all| all.into_iter().next()) {
            found.push(told(&later.name, &earlier.name, "put this one before it"));
        }
    }
    found
}

/// A `rewrite` for names that one before it stops at.
fn rewrites(linted: Linted<'_>) -> Vec<Warning> {
    let rules = linted.directives("rewrite");
    let Ok(config) = RewriteConfig::parse(&rules) else { return Vec::new() };
    let pairs = config.never_applied().into_iter();
    let told = pairs.filter_map(|(later, earlier)| {
        let (later, earlier) = (rules.get(later)?, rules.get(earlier)?);
        Some(told(&later.name, &earlier.name, "write 'rewrite continue' there"))
    });
    told.collect()
}

/// A `template` for a type and zones that one without `fallthrough` has: that one answers, or fails.
fn templates(linted: Linted<'_>) -> Vec<Warning> {
    let claims = claims(linted);
    let templates: Vec<_> =
        claims.iter().filter(|claim| claim.directive.name.text == "template").collect();
    let word = |directive: &Directive, at: usize| {
        directive.args.get(at).map(|word| word.text.to_ascii_uppercase())
    };
    let mut found = Vec::new();
    for (at, later) in templates.iter().enumerate() {
        let takes = |earlier: &&&super::claim::Claim<'_>| {
            let has = |at: usize| {
                let own = word(earlier.directive, at);
                own.as_deref() == Some("ANY") || own == word(later.directive, at)
            };
            earlier.fallthrough.is_none()
                && has(0)
                && has(1)
                && later.zones.iter().all(|zone| earlier.zones.iter().any(|own| own.zone_of(zone)))
        };
        let mut before = templates.get(..at).unwrap_or_default().iter();
        // What answers every type is told as one that is never asked.
        let is_other = |earlier: &super::claim::Claim<'_>| earlier.kept.is_empty();
        if let Some(earlier) = before.find(takes).filter(|earlier| is_other(earlier)) {
            found.push(told(
                &later.directive.name,
                &earlier.directive.name,
                "add 'fallthrough' there",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    fn block(lines: &str) -> String {
        format!(". {{\n{lines}\nwhoami\n}}\n")
    }

    #[test]
    fn rules_behind_one_for_all_clients() {
        let text = block("acl {\nallow\nblock net 10.0.0.0/8\n}");
        assert_hit(&text, 4, &["'block' never runs: 'allow' at Corefile:3"]);
        assert_miss(&block("acl {\nblock net 10.0.0.0/8\nallow\n}"));
        assert_miss(&block("acl {\nallow net 10.0.0.0/8\nblock\n}\nacl {\nblock type A\n}"));
    }

    #[test]
    fn the_first_log_of_a_name_decides() {
        let parts = ["'log' never runs: the one at Corefile:2", "put this one before it"];
        assert_hit(&block("log . {\nclass error\n}\nlog example.org"), 5, &parts);
        assert_hit(&block("log\nlog"), 3, &parts);
        assert_hit(&block("log a b {type}\nlog x.a x.b {name}"), 3, &parts);
        assert_miss(&block("log example.org\nlog ."));
        assert_miss(&block("log a\nlog x.a b"));
    }

    #[test]
    fn rewrites_behind_one_that_stops() {
        let parts = ["'rewrite' never runs: the one at Corefile:2", "'rewrite continue' there"];
        for (first, second) in [
            ("name a.b c.d", "name A.b. e.f"),
            ("stop name exact a.b c.d", "ttl a.b 5"),
            ("name suffix .b c.d", "continue name a.b e.f"),
            ("name substring x y", "name prefix ax b"),
            ("name regex ^(a)$ b", "rcode regex ^(a)$ NXDOMAIN NOERROR"),
            ("type A AAAA", "type A TXT"),
            ("class CH IN", "class CH HS"),
        ] {
            assert_hit(&block(&format!("rewrite {first}\nrewrite {second}")), 3, &parts);
        }
        for (first, second) in [
            ("continue name a.b c.d", "name a.b e.f"),
            ("name a.b c.d", "name c.d e.f"),
            ("name a.b c.d", "type A AAAA"),
            ("name prefix a.b c.d", "name suffix a.b e.f"),
            ("type A AAAA", "type AAAA A"),
            // The name may be another one by then.
            ("name a.b c.d", "continue name x.y a.b\nrewrite name a.b e.f"),
            ("type A AAAA", "continue type TXT A\nrewrite type A MX"),
        ] {
            assert_miss(&block(&format!("rewrite {first}\nrewrite {second}")));
        }
    }

    #[test]
    fn templates_behind_one_of_their_type() {
        let text = block(
            "template IN A foo.test {\nmatch x\n}\ntemplate IN a x.foo.test {\nrcode NXDOMAIN\n}",
        );
        assert_hit(
            &text,
            5,
            &["'template' never runs: the one at Corefile:2", "'fallthrough' there"],
        );
        assert_miss(&text.replace("match x", "match x\nfallthrough"));
        assert_miss(&text.replace("IN a", "IN AAAA"));
        assert_miss(&text.replace("x.foo.test", "bar.test"));
        assert_hit(&text.replace("IN A", "ANY A"), 5, &["never runs"]);
        assert_miss(&text.replace("IN a", "ANY a"));
    }
}
