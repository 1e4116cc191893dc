//! `fallthrough` without a plugin that could answer.

use super::claim::{Claim, claims};
use super::{Linted, common, listed, warning};
use crate::corefile::Warning;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let claims = claims(linted);
    let mut found = Vec::new();
    for (at, claim) in claims.iter().enumerate() {
        let Some((line, passed)) = &claim.fallthrough else { continue };
        let let_on = linted.served(&claim.zones);
        let let_on: Vec<_> = let_on
            .iter()
            .flat_map(|zone| passed.iter().filter_map(|other| common(zone, other)))
            .collect();
        let later = claims.get(at + 1..).unwrap_or_default();
        let is_met = |other: &Claim<'_>| {
            other.zones.iter().any(|zone| let_on.iter().any(|on| common(on, zone).is_some()))
        };
        if !let_on.is_empty() && !later.iter().any(is_met) {
            let text = format!(
                "'fallthrough' leads nowhere: no plugin behind '{}' answers names in {}, so that those that do \
                 not exist are REFUSED; add 'forward', or remove this line",
                claim.directive.name.text,
                listed(&let_on)
            );
            found.push(warning(line, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn somebody_has_to_answer_behind() {
        let text = "cluster.local in-addr.arpa {\nkubernetes {\nfallthrough in-addr.arpa\n}\n}\n";
        assert_hit(text, 3, &["leads nowhere", "in-addr.arpa.", "add 'forward'"]);
        assert_miss(&text.replace("}\n}\n", "}\nforward 10.in-addr.arpa 192.0.2.53\n}\n"));
        let elsewhere = text.replace("}\n}\n", "}\nforward a.cluster.local 192.0.2.53\n}\n");
        // The forward is shadowed as well: both lines say so.
        assert_hit(
            &elsewhere.replace("kubernetes {", "kubernetes in-addr.arpa {"),
            3,
            &["nowhere"],
        );
    }

    #[test]
    fn rewritten_names_may_be_in_any_zone() {
        let text = "a.example {\nrewrite name suffix .a.example .b.example\nfile db b.example {\nfallthrough\n}\n\
                    whoami\n}\n";
        assert_miss(text);
        assert_hit(&text.replace("whoami\n", ""), 4, &["names in b.example."]);
    }

    #[test]
    fn templates_fall_through_to_templates() {
        assert_miss(
            ". {\ntemplate IN A {\nmatch ^x\nfallthrough\nrcode NXDOMAIN\n}\ntemplate ANY ANY {\nrcode REFUSED\n}\n}\n",
        );
    }
}
