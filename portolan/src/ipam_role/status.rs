//! What the role says of itself: `/status`.

use std::collections::BTreeMap;

use crate::status::metrics::Families;
use crate::status::{Section, Unit, Value};

/// How many pools, networks and kinds of writes are told.
const MOST: usize = 100;

/// Returns what is not well: what the controller cannot follow, and what it can give nothing to.
pub(super) fn problems(
    unready: &BTreeMap<&'static str, String>,
    families: &Families,
) -> Vec<String> {
    let unready = unready.iter().map(|(resource, reason)| format!("{resource}: {reason}"));
    let without = [
        (
            "portolan_ipam_nodes_without_blocks",
            "nodes have no block, and none can be given to them",
        ),
        ("portolan_ipam_services_without_addresses", "Services can be given nothing"),
        ("portolan_ipam_bad_objects", "objects cannot be used"),
    ];
    let without = without.into_iter().filter_map(|(family, what)| {
        let count = families.sum(family);
        (count > 0.0).then(|| format!("{count} {what}; their Events say why"))
    });
    unready.chain(without).collect()
}

/// Returns what the controller does, and how full its pools are.
pub(super) fn sections(families: &Families) -> Vec<Section> {
    vec![state(families), pools(families), services(families), writes(families)]
}

fn state(families: &Families) -> Section {
    let columns = [("what", "What", Unit::Text), ("count", "Count", Unit::Count)];
    let leads = families.sum("portolan_ipam_leader") > 0.0;
    let leader: [Value; 2] =
        ["leader".into(), if leads { "yes" } else { "no, another replica or nobody" }.into()];
    let row = |(what, family): (&str, &str)| [what.into(), Value::Number(families.sum(family))];
    let counts = [
        ("nodes without blocks", "portolan_ipam_nodes_without_blocks"),
        ("nodes in quarantine", "portolan_ipam_quarantined_nodes"),
        ("Services without addresses", "portolan_ipam_services_without_addresses"),
        ("problems that were told", "portolan_ipam_problems_total"),
    ];
    Section::new("controller", "Controller", columns)
        .with_note(
            "what is known of the cluster is that of the leader; others say what was when they led",
        )
        .with_rows([leader])
        .with_rows(counts.map(row))
}

fn pools(families: &Families) -> Section {
    let names = ["portolan_ipam_pool_used_blocks", "portolan_ipam_pool_capacity_blocks"];
    usage(families, ("pools", "Pools of blocks"), ("pool", "Pool"), names)
}

/// Returns how full the networks of Services are, and the node ports if there are any.
fn services(families: &Families) -> Section {
    let names =
        ["portolan_ipam_service_addresses_used", "portolan_ipam_service_addresses_capacity"];
    let section = usage(
        families,
        ("service-addresses", "Addresses of Services"),
        ("network", "Network"),
        names,
    );
    let (used, all) = (
        families.sum("portolan_ipam_node_ports_used"),
        families.sum("portolan_ipam_node_ports_capacity"),
    );
    let ports = (all > 0.0).then(|| row("node ports".to_owned(), used, all));
    section.with_rows(ports)
}

fn usage(
    families: &Families,
    (id, title): (&str, &str),
    (key, what): (&str, &str),
    [used, capacity]: [&str; 2],
) -> Section {
    let columns = [
        (key, what, Unit::Text),
        ("used", "Used", Unit::Count),
        ("capacity", "Capacity", Unit::Count),
        ("state", "State", Unit::Text),
    ];
    let used: BTreeMap<String, f64> = by_label(families, used, key);
    let all = by_label(families, capacity, key);
    let rows = all.into_iter().map(|(name, capacity)| {
        let used = used.get(&name).copied().unwrap_or_default();
        row(name, used, capacity)
    });
    Section::new(id, title, columns).with_rows(rows.take(MOST))
}

fn by_label(families: &Families, family: &str, label: &str) -> BTreeMap<String, f64> {
    let values = families.values(family, &[label]);
    values.into_iter().map(|(labels, value)| (labels.concat(), value)).collect()
}

fn row(name: String, used: f64, capacity: f64) -> [Value; 4] {
    let state = match capacity {
        _ if used >= capacity => Value::state("full", false),
        capacity => Value::Text(format!("{:.0} % used", used * 100.0 / capacity)),
    };
    [name.into(), used.into(), capacity.into(), state]
}

fn writes(families: &Families) -> Section {
    let columns = [
        ("resource", "Resource", Unit::Text),
        ("verb", "Verb", Unit::Text),
        ("result", "Result", Unit::Text),
        ("count", "Writes", Unit::Count),
    ];
    let labels = ["resource", "verb", "result"];
    let rows = families.values("portolan_ipam_writes_total", &labels).into_iter();
    let row = |(labels, count): (Vec<String>, f64)| -> [Value; 4] {
        let [resource, verb, result] = <[String; 3]>::try_from(labels).unwrap_or_default();
        let is_ok = result == "ok";
        [resource.into(), verb.into(), Value::state(result, is_ok), count.into()]
    };
    Section::new("writes", "Writes to the API server", columns).with_rows(rows.take(MOST).map(row))
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::super::metrics::Metrics;
    use super::*;
    use ipam_controller::blocks::PoolUsage;

    #[test]
    fn a_full_pool_is_named() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let pool = |name: &str, used| PoolUsage { pool: name.into(), used, capacity: 8 };
        metrics.set_usage(&[pool("a", 8), pool("b", 2)]);
        metrics.leader.set(1);
        let families = || Families::new(registry.gather());
        let rows = pools(&families()).rows;
        assert_eq!(rows[0], ["a".into(), 8.0.into(), 8.0.into(), Value::state("full", false)]);
        assert_eq!(rows[1], ["b".into(), 2.0.into(), 8.0.into(), Value::from("25 % used")]);
        assert_eq!(problems(&BTreeMap::new(), &families()), [""; 0]);
        metrics.nodes_without_blocks.set(2);
        let unready = [("nodes", "not listed yet".to_owned())].into();
        assert_eq!(
            problems(&unready, &families()),
            [
                "nodes: not listed yet",
                "2 nodes have no block, and none can be given to them; their Events say why"
            ]
        );
    }
}
