//! `cache` before `kubernetes`: the cluster is in memory already, and its changes are seen late.

use hickory_proto::rr::LowerName;

use super::{Linted, is_reverse, listed, warning};
use crate::corefile::Warning;
use crate::plugin::cache::{CacheConfig, Keep};

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    told(linted).into_iter().collect()
}

fn told(linted: Linted<'_>) -> Option<Warning> {
    let directives = linted.directives("cache");
    let cache = CacheConfig::parse(&directives, &linted.block.zones).ok()?;
    let (name, kubernetes) = (&directives.first()?.name, linted.block.kubernetes()?);
    let mut cluster: Vec<LowerName> = Vec::new();
    for zone in linted.served(&kubernetes.zones).iter().filter(|zone| !is_reverse(zone)) {
        if !cluster.contains(zone) {
            cluster.push(zone.clone());
        }
    }
    let ttl = kubernetes.options.ttl;
    let kept = |keep: &Keep| -> Vec<LowerName> {
        let is_kept = |zone: &&LowerName| {
            cache.zones.iter().any(|cached| cached.zone_of(zone))
                && !keep.disabled.iter().any(|disabled| disabled.zone_of(zone))
        };
        cluster.iter().filter(is_kept).cloned().collect()
    };
    let (successes, denials) = (kept(&cache.success), kept(&cache.denial));
    if ttl == 0 || successes.is_empty() && denials.is_empty() {
        return None;
    }
    let late = |keep: &Keep| ttl.max(keep.min_ttl).min(keep.max_ttl);
    let mut effects = Vec::new();
    if !successes.is_empty() {
        effects.push(format!("changed addresses up to {} s late", late(&cache.success)));
    }
    if !denials.is_empty() {
        effects.push(format!("new Services up to {} s late", late(&cache.denial)));
    }
    let line = |word: &str, zones: &[LowerName]| {
        let zones: Vec<String> = zones.iter().map(name_of).collect();
        (!zones.is_empty()).then(|| format!("'disable {word} {}'", zones.join(" ")))
    };
    let lines = [line("success", &successes), line("denial", &denials)];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    let zones = if successes.is_empty() { &denials } else { &successes };
    let text = format!(
        "'cache' keeps answers of {}, which 'kubernetes' has in memory: clients that look them up see {}; write {} \
         in the block of 'cache'",
        listed(zones),
        effects.join(" and "),
        lines.join(" and ")
    );
    Some(warning(name, text))
}

/// Returns a zone as a Corefile has it: `cluster.local`.
fn name_of(zone: &LowerName) -> String {
    let name = zone.to_string();
    if zone.is_root() { name } else { name.trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    const COREFILE: &str =
        ". {\nkubernetes cluster.local in-addr.arpa {\nttl 30\n}\ncache 20 {\n}\n}\n";

    #[test]
    fn a_cache_of_the_cluster() {
        let parts = [
            "keeps answers of cluster.local.,",
            "changed addresses up to 20 s late and new Services up to 20 s late",
            "write 'disable success cluster.local' and 'disable denial cluster.local' in",
        ];
        assert_hit(COREFILE, 5, &parts);
        let parts = ["see new Services up to 20 s late; write 'disable denial cluster.local' in"];
        assert_hit(&COREFILE.replace("20 {", "20 {\ndisable success local"), 5, &parts);
        // RKE2 names the zone twice.
        let parts = ["keeps answers of cluster.local., which"];
        assert_hit(&COREFILE.replace("in-addr.arpa", "cluster.local"), 5, &parts);
    }

    #[test]
    fn a_cache_of_other_names() {
        let disabled = "20 {\ndisable success cluster.local\ndisable denial cluster.local";
        assert_miss(&COREFILE.replace("20 {", disabled));
        assert_miss(&COREFILE.replace("20 {", "20 in-addr.arpa {"));
        assert_miss(&COREFILE.replace("ttl 30", "ttl 0"));
        // The cluster is there for names outside of it.
        let external =
            COREFILE.replacen('.', "a.example", 1).replace("cache", "k8s_external\ncache");
        assert_miss(&external);
        assert_miss("cluster.local {\nkubernetes\n}\n. {\nforward . 192.0.2.53\ncache\n}\n");
    }
}
