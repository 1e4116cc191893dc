//! Before everything is listed.

use cluster::Kind;
use hickory_proto::rr::RecordType::{A, AAAA, NS, PTR, SOA, SRV, TXT};

use super::fixture::{World, absolute, cluster_ip, external, headless, pod, slice};
use crate::kubernetes::{PodMode, Rule};

#[test]
fn a_miss_is_a_failure_and_a_hit_is_answered() {
    let world = World::unsynced()
        .add(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"))
        .add(headless("hdls", "http:tcp:80"))
        .add(slice("hdls-a", "hdls", "10.1.0.1", "http:tcp:80"))
        .add(external("ext", "x.test"))
        .add(external("in", "gone.testns.svc.cluster.local"));
    assert!(world.synced().is_empty());
    world.check(&[
        ("93 no Service", "svc0.testns.svc", A, "SERVFAIL"),
        ("93 no namespace", "svc0.gone.svc", A, "SERVFAIL"),
        ("93 no namespace node", "gone.svc", A, "SERVFAIL"),
        ("93 no endpoint", "x.hdls.testns.svc", A, "SERVFAIL"),
        ("93 no address", "9.9.9.9.in-addr.arpa.", PTR, "SERVFAIL"),
        ("93 no name of the zone at all", "foo", A, "SERVFAIL"),
        ("93 TXT", "svc0.testns.svc", TXT, "SERVFAIL"),
        ("94 a Service", "svc1.testns.svc", A, "10.0.0.1"),
        ("94 its other family is known", "svc1.testns.svc", AAAA, "NODATA"),
        ("94 endpoints", "hdls.testns.svc", A, "10.1.0.1"),
        ("94 endpoints of the other family may come", "hdls.testns.svc", AAAA, "SERVFAIL"),
        ("94 an endpoint's other family may come", "10-1-0-1.hdls.testns.svc", AAAA, "SERVFAIL"),
        ("94 reverse", "1.0.1.10.in-addr.arpa.", PTR, "10-1-0-1.hdls.testns.svc"),
        ("94 an alias", "ext.testns.svc", A, "ext.testns.svc CNAME x.test. -> x.test."),
        (
            "94 a port",
            "_http._tcp.svc1.testns.svc",
            SRV,
            "0 100 80 svc1.testns.svc + svc1.testns.svc A 10.0.0.1",
        ),
        ("the zone itself", "@", A, "NODATA"),
        ("the zone itself", "dns-version", TXT, "dns-version 28800 TXT 1.1.0"),
        ("the name server", "@", NS, "ns.dns + ns.dns A 10.9.0.1, ns.dns AAAA fd09::1"),
        ("below the apex", "svc0.testns.svc", SOA, "NODATA"),
    ]);
    let miss = world.ask_name(&absolute("svc0.testns.svc"), A);
    assert_eq!(miss.ruling.rule, Rule::NotSynced);
    let strict = world.strict();
    strict.check(&[(
        "an alias whose target may come",
        "in.testns.svc",
        A,
        "SERVFAIL in.testns.svc CNAME gone.testns.svc",
    )]);
}

#[test]
fn only_what_the_answers_are_made_from_has_to_be_listed() {
    let miss = |world: &World| world.ask("svc0.testns.svc", A);
    let mut world = World::unsynced();
    for kind in [Kind::Namespace, Kind::Service] {
        world.sync(kind);
        assert_eq!(miss(&world), "SERVFAIL", "after {kind}");
    }
    let blind = World::unsynced().with(|options| options.no_endpoints = true);
    let mut blind = blind;
    blind.sync(Kind::Namespace);
    blind.sync(Kind::Service);
    assert_eq!(miss(&blind), "NXDOMAIN", "noendpoints needs no EndpointSlices");
    world.sync(Kind::EndpointSlice);
    assert_eq!(miss(&world), "NXDOMAIN", "without pods, nothing else is needed");
    let mut world = world.with(|options| options.pods = PodMode::Verified);
    assert_eq!(miss(&world), "SERVFAIL", "verified pods need Pods");
    world.put(pod("run", "10.2.0.1", cluster::Phase::Running, false));
    world.check(&[
        ("94 a pod that is known", "10-2-0-1.testns.pod", A, "10.2.0.1"),
        ("93 a pod that is not", "10-2-0-2.testns.pod", A, "SERVFAIL"),
    ]);
    world.sync(Kind::Pod);
    world.check(&[("a pod that is not", "10-2-0-2.testns.pod", A, "NXDOMAIN")]);
}
