//! `tls` with `acme` whose challenges nobody can ask for.

use super::{Linted, warning};
use crate::corefile::{Transport, Warning};

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let Some(acme) = linted.block.tls.as_ref().and_then(|tls| tls.acme()) else {
        return Vec::new();
    };
    let plain =
        linted.config.listeners.iter().filter(|listener| listener.transport == Transport::Dns);
    let zones: Vec<_> = plain.flat_map(|listener| &listener.zones).collect();
    let names = acme.domains.iter().filter_map(|domain| domain.challenge_name());
    let mut unserved = names.filter(|name| !zones.iter().any(|(zone, _)| zone.zone_of(name)));
    let Some(name) = unserved.next() else { return Vec::new() };
    let directives = linted.directives("tls");
    let line = directives.iter().flat_map(|tls| tls.lines()).find(|line| line.name.text == "acme");
    let text = format!(
        "no server block serves {name} over plain DNS, where the authority asks for it, so that it gives no \
         certificate; add one for the zone, on port 53"
    );
    line.map(|line| warning(&line.name, text)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn challenges_come_over_plain_dns() {
        let encrypted = "tls://.:853 {\ntls {\nacme a.example *.b.example\n}\nwhoami\n}\n";
        assert_hit(encrypted, 3, &["_acme-challenge.a.example.", "add one for the zone"]);
        let one = format!("{encrypted}a.example:53 {{\nwhoami\n}}\n");
        assert_hit(&one, 3, &["_acme-challenge.b.example."]);
        assert_miss(&format!("{encrypted}example:53 {{\nwhoami\n}}\n"));
        assert_miss(&format!("{encrypted}.:53 {{\nwhoami\n}}\n"));
    }
}
