//! ExternalName Services.

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, MX, SRV, TXT};

use super::fixture::{World, cluster_ip, external, fixture_f, headless, slice};

#[test]
fn an_external_name_is_an_alias() {
    fixture_f().check(&[
        ("36 CNAME", "external.testns.svc", CNAME, "ext.interwebs.test."),
        (
            "37 A is looked up elsewhere",
            "external.testns.svc",
            A,
            "external.testns.svc CNAME ext.interwebs.test. -> ext.interwebs.test.",
        ),
        (
            "37 AAAA too",
            "external.testns.svc",
            AAAA,
            "external.testns.svc CNAME ext.interwebs.test. -> ext.interwebs.test.",
        ),
        (
            "39 in the zone",
            "external-to-service.testns.svc",
            A,
            "external-to-service.testns.svc CNAME svc1.testns.svc, svc1.testns.svc A 10.0.0.1",
        ),
        ("39 in the zone, other family", "external-to-service.testns.svc", AAAA, "NODATA"),
        ("39 in the zone, CNAME", "external-to-service.testns.svc", CNAME, "svc1.testns.svc"),
        ("40 below", "endpoint.external.testns.svc", CNAME, "NXDOMAIN"),
        ("40 below", "endpoint.external.testns.svc", A, "NXDOMAIN"),
        ("41 two below", "a.b.external.testns.svc", CNAME, "NXDOMAIN"),
        ("41 a port below", "_http._tcp.external.testns.svc", SRV, "NXDOMAIN"),
        ("42 SRV", "external.testns.svc", SRV, "NODATA"),
        ("MX", "external.testns.svc", MX, "NODATA"),
        ("TXT", "external.testns.svc", TXT, "NODATA"),
        ("every port", "_._.external.testns.svc", CNAME, "ext.interwebs.test."),
    ]);
}

#[test]
fn targets_as_services_spell_them() {
    let world = World::empty()
        .add(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"))
        .add(external("dot", "x.test."))
        .add(external("upper", "SVC1.testns.svc.cluster.LOCAL"))
        .add(external("ip4", "192.0.2.1"))
        .add(external("ip6", "2001:db8::1"))
        .add(external("ip-dot", "192.0.2.1."))
        .add(external("broken", "a..b"))
        .add(external("nothing", ""));
    world.check(&[
        ("a final dot", "dot.testns.svc", CNAME, "x.test."),
        (
            "upper case stays",
            "upper.testns.svc",
            A,
            "upper.testns.svc CNAME SVC1.testns.svc.cluster.LOCAL., \
             SVC1.testns.svc.cluster.LOCAL. A 10.0.0.1",
        ),
        ("44 an address", "ip4.testns.svc", A, "NXDOMAIN"),
        ("44 an address", "ip6.testns.svc", CNAME, "NXDOMAIN"),
        ("a name of digits", "ip-dot.testns.svc", CNAME, "192.0.2.1."),
        ("no name", "broken.testns.svc", A, "NODATA"),
        ("no name", "broken.testns.svc", CNAME, "NODATA"),
        ("empty", "nothing.testns.svc", A, "NODATA"),
    ]);
}

/// Aliases `a0` to `a<length - 1>`, each to the next; the last leads to `last`.
fn chain(length: usize, last: &str) -> World {
    let world = World::empty().add(cluster_ip("end", "10.0.0.1", "http:tcp:80"));
    (0..length).fold(world, |world, at| {
        let next = match at + 1 == length {
            true => last.to_owned(),
            false => format!("a{}.testns.svc.cluster.local", at + 1),
        };
        world.add(external(&format!("a{at}"), &next))
    })
}

#[test]
fn chains_end_after_eight_aliases() {
    let last = "end.testns.svc.cluster.local";
    for length in 1..12 {
        let answer = chain(length, last).ask("a0.testns.svc", A);
        let whole = answer.matches("CNAME").count() == length && answer.ends_with(" A 10.0.0.1");
        assert_eq!(whole, length <= 8, "43 {length} aliases: {answer}");
        assert_eq!(answer == "NODATA", length > 8, "43 {length} aliases: {answer}");
        let answer = chain(length, "x.test").ask("a0.testns.svc", A);
        assert_eq!(answer.ends_with("-> x.test."), length <= 8, "43 {length} aliases: {answer}");
        assert_eq!(answer == "NODATA", length > 8, "43 {length} aliases: {answer}");
    }
}

#[test]
fn loops_and_dead_ends_give_nothing() {
    let world = World::empty()
        .add(external("self", "self.testns.svc.cluster.local"))
        .add(external("below", "x.below.testns.svc.cluster.local"))
        .add(external("a", "b.testns.svc.cluster.local"))
        .add(external("b", "c.testns.svc.cluster.local"))
        .add(external("c", "b.testns.svc.cluster.local"))
        .add(external("missing", "gone.testns.svc.cluster.local"))
        .add(external("unready", "none.testns.svc.cluster.local"))
        .add(headless("none", "http:tcp:80"))
        .add(external("node", "testns.svc.cluster.local"))
        .add(external("apex", "cluster.local"));
    for qtype in [A, AAAA] {
        for name in ["self", "below", "a", "b", "c", "missing", "unready", "node", "apex"] {
            assert_eq!(
                world.ask(&format!("{name}.testns.svc"), qtype),
                "NODATA",
                "43 {name} {qtype}"
            );
        }
    }
    world.check(&[
        ("43 CNAME says what is there", "self.testns.svc", CNAME, "self.testns.svc"),
        ("CNAME says what is there", "missing.testns.svc", CNAME, "gone.testns.svc"),
    ]);
}

#[test]
fn aliases_to_any_name_of_the_zone() {
    let world = World::empty()
        .add(headless("db", "sql:tcp:5432"))
        .add(slice("db-a", "db", "db-0=10.1.0.1 db-1=10.1.0.2", "sql:tcp:5432"))
        .add(external("first", "db-0.db.testns.svc.cluster.local"))
        .add(external("all", "db.testns.svc.cluster.local"))
        .add(external("port", "_sql._tcp.db.testns.svc.cluster.local"))
        .add(external("pod", "10-2-0-1.testns.pod.cluster.local"))
        .add(external("server", "ns.dns.cluster.local"))
        .with(|options| options.pods = crate::kubernetes::PodMode::Insecure);
    world.check(&[
        (
            "an endpoint",
            "first.testns.svc",
            A,
            "first.testns.svc CNAME db-0.db.testns.svc, db-0.db.testns.svc A 10.1.0.1",
        ),
        (
            "a headless Service",
            "all.testns.svc",
            A,
            "all.testns.svc CNAME db.testns.svc, db.testns.svc A 10.1.0.1, \
             db.testns.svc A 10.1.0.2",
        ),
        (
            "a port",
            "port.testns.svc",
            A,
            "port.testns.svc CNAME _sql._tcp.db.testns.svc, _sql._tcp.db.testns.svc A 10.1.0.1, \
             _sql._tcp.db.testns.svc A 10.1.0.2",
        ),
        (
            "a pod",
            "pod.testns.svc",
            A,
            "pod.testns.svc CNAME 10-2-0-1.testns.pod, 10-2-0-1.testns.pod A 10.2.0.1",
        ),
        ("a server", "server.testns.svc", A, "server.testns.svc CNAME ns.dns, ns.dns A 10.9.0.1"),
    ]);
}

#[test]
fn a_target_in_another_zone_of_the_block_is_looked_up_there() {
    let world = World::empty()
        .add(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"))
        .add(external("there", "svc1.testns.svc.other.test"))
        .serving(&["cluster.local.", "other.test."]);
    world.check(&[
        (
            "from one zone",
            "there.testns.svc",
            A,
            "there.testns.svc CNAME svc1.testns.svc.other.test. -> svc1.testns.svc.other.test.",
        ),
        (
            "inside the other",
            "there.testns.svc.other.test.",
            A,
            "there.testns.svc.other.test. CNAME svc1.testns.svc.other.test., \
             svc1.testns.svc.other.test. A 10.0.0.1",
        ),
    ]);
    let nested = world.serving(&["test.", "other.test."]);
    nested.check(&[(
        "from around it",
        "there.testns.svc.test.",
        A,
        "there.testns.svc.test. CNAME svc1.testns.svc.other.test. -> svc1.testns.svc.other.test.",
    )]);
}
