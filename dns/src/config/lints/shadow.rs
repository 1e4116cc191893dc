//! A directive that is never asked, because others before it answer all of its names.

use hickory_proto::rr::LowerName;

use super::claim::{Claim, claims};
use super::{Linted, is_reverse, listed, warning};
use crate::corefile::Warning;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let claims = claims(linted);
    let mut found = Vec::new();
    for (at, later) in claims.iter().enumerate() {
        let zones = linted.served(&later.zones);
        if zones.is_empty() || linted.is_read_by_others(later.directive) {
            continue;
        }
        let before = claims.get(..at).unwrap_or_default();
        let keeper = |zone: &LowerName| before.iter().find(|earlier| shadows(earlier, later, zone));
        let keepers: Option<Vec<&Claim<'_>>> = zones.iter().map(keeper).collect();
        if let Some(first) = keepers.and_then(|keepers| keepers.into_iter().next()) {
            found.push(told(later, first, &zones));
        }
    }
    found.extend(replaced_files(&claims));
    found
}

/// Says whether no name of a zone comes past one directive to a later one.
fn shadows(earlier: &Claim<'_>, later: &Claim<'_>, zone: &LowerName) -> bool {
    let names = [earlier, later].map(|claim| claim.directive.name.text.as_str());
    match names {
        // They are one plugin, which chooses the longest zone.
        ["file", "file"] => return false,
        // Reverse names go on to others unless they are in the file.
        ["hosts", _] if is_reverse(zone) => return false,
        _ => {}
    }
    earlier.kept.iter().any(|kept| kept.zone_of(zone))
}

fn told(later: &Claim<'_>, earlier: &Claim<'_>, zones: &[LowerName]) -> Warning {
    let (name, other) = (&later.directive.name, &earlier.directive.name);
    let remedy = match other.text.as_str() {
        "forward" if name.text == "forward" => "put this one before it".to_owned(),
        "forward" => format!("add 'except {}' there", listed(zones).replace(" and ", " ")),
        "whoami" | "erratic" => format!("remove '{}' or this line", other.text),
        _ => "add 'fallthrough' there".to_owned(),
    };
    let is_asked_for_addresses = other.text == "hosts" && zones.iter().any(LowerName::is_root);
    let asked =
        if is_asked_for_addresses { "asked for reverse names alone" } else { "never asked" };
    let text = format!(
        "'{}' is {asked}: '{}' at {} answers every name in {} before it; {remedy}, or remove this",
        name.text,
        other.text,
        other.position,
        listed(zones)
    );
    warning(name, text)
}

/// Of several `file` for one zone the last counts.
fn replaced_files(claims: &[Claim<'_>]) -> Vec<Warning> {
    let files: Vec<&Claim<'_>> =
        claims.iter().filter(|claim| claim.directive.name.text == "file").collect();
    let mut found = Vec::new();
    for (at, earlier) in files.iter().enumerate() {
        let later = files.get(at + 1..).unwrap_or_default();
        let last = |zone| later.iter().rev().find(|other| other.zones.contains(zone));
        let lasts: Option<Vec<_>> = earlier.zones.iter().map(last).collect();
        if let Some(other) = lasts.and_then(|lasts| lasts.into_iter().next()) {
            let name = &earlier.directive.name;
            let text = format!(
                "this 'file' is never asked: 'file' at {} has the same zone, and the last one counts; \
                 remove one of them",
                other.directive.name.position
            );
            found.push(warning(name, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn forward_behind_what_has_no_fallthrough() {
        let parts = ["'forward' is never asked: 'file' at Corefile:3", "add 'fallthrough' there"];
        assert_hit("a.example {\nforward . 192.0.2.53\nfile db\n}\n", 2, &parts);
        assert_miss("a.example {\nforward . 192.0.2.53\nfile db {\nfallthrough\n}\n}\n");
        assert_miss(". {\nforward . 192.0.2.53\nfile db a.example\n}\n");
    }

    #[test]
    fn templates() {
        let text = "a.example {\ntemplate ANY ANY {\nrcode NXDOMAIN\n}\nforward . 192.0.2.53\n}\n";
        assert_hit(text, 5, &["'forward' is never asked: 'template' at Corefile:2"]);
        assert_miss(&text.replace("rcode", "fallthrough\nmatch ^x\nrcode"));
        let read = "metadata\nlog . {/kubernetes/client-namespace}\nkubernetes";
        assert_miss(&text.replace("forward . 192.0.2.53", read));
        assert_miss(&text.replace("ANY ANY", "ANY AAAA"));
        assert_miss(&text.replace("ANY ANY", "ANY ANY b.a.example"));
    }

    #[test]
    fn hosts_take_all_but_reverse_names() {
        let text = "a.example {\nhosts {\n192.0.2.1 x.a.example\n}\nkubernetes\n}\n";
        assert_hit(text, 5, &["'kubernetes' is never asked: 'hosts' at Corefile:2"]);
        assert_miss(
            &text
                .replace("192.0.2.1", "fallthrough\n192.0.2.1")
                .replace("kubernetes\n", "kubernetes {\nttl 9\n}\n"),
        );
        let parts =
            ["'forward' is asked for reverse names alone: 'hosts' at Corefile:2", "'fallthrough'"];
        assert_hit(". {\nhosts {\n192.0.2.1 x\n}\nforward . 192.0.2.53\n}\n", 5, &parts);
        assert_miss(
            "10.in-addr.arpa {\nhosts {\n10.0.0.1 x.a.example\n}\nforward . 192.0.2.53\n}\n",
        );
    }

    #[test]
    fn forwards_in_their_order() {
        let text = ". {\nforward . 192.0.2.53\nforward a.example 192.0.2.54\n}\n";
        assert_hit(text, 3, &["'forward' at Corefile:2", "put this one before it"]);
        assert_miss(". {\nforward a.example 192.0.2.54\nforward . 192.0.2.53\n}\n");
        assert_miss(&text.replace(".53\n", ".53 {\nexcept a.example\n}\n"));
        assert_miss(&text.replace(".53\n", ".53 {\nnext NXDOMAIN\n}\n"));
        assert_hit(". {\nforward . 192.0.2.53\nwhoami\n}\n", 3, &["'whoami' is never asked"]);
        assert_hit(". {\nwhoami\nerratic\n}\n", 2, &["remove 'erratic' or this line"]);
    }

    #[test]
    fn a_part_of_the_zones_is_enough_to_be_asked() {
        let text = "cluster.local in-addr.arpa {\nkubernetes {\nfallthrough in-addr.arpa\n}\n\
                    forward . 192.0.2.53\n}\n";
        assert_miss(text);
        let text = text.replace("fallthrough in-addr.arpa\n", "");
        assert_hit(&text, 4, &["never asked: 'kubernetes' at Corefile:2"]);
    }

    #[test]
    fn of_files_the_last_counts() {
        assert_hit(". {\nfile a a.example\nfile b a.example\n}\n", 2, &["Corefile:3"]);
        assert_miss(". {\nfile a a.example\nfile b b.a.example\n}\n");
    }
}
