//! Names of Services outside the cluster (case 111).

use std::sync::Arc;

use cluster::{LoadBalancerIngress, Object, Service};
use hickory_proto::rr::RecordType::{self, A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{LowerName, Record};

use super::fixture::{World, absolute, cluster_ip, headless, ips, namespace, slice};
use crate::kubernetes::{Answer, ExternalZone, Question, Status, external_answer};

fn exposed(object: Object, external: &str, balanced: &[&str]) -> Object {
    let Object::Service(service) = object else { unreachable!() };
    let ingress = |text: &&str| match text.parse() {
        Ok(ip) => LoadBalancerIngress::Ip(ip),
        Err(_) => LoadBalancerIngress::Hostname((*text).into()),
    };
    Object::Service(Arc::new(Service {
        external_ips: ips(external).into(),
        load_balancer: balanced.iter().map(ingress).collect(),
        ..(*service).clone()
    }))
}

fn world() -> World {
    let both = "http:tcp:80 dns:udp:53";
    World::empty()
        .add(namespace("empty"))
        .add(exposed(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"), "1.2.3.4", &[]))
        .add(exposed(cluster_ip("dual", "10.0.0.2", both), "1.2.3.4", &["1.2.3.5", "2001:db8::1"]))
        .add(exposed(cluster_ip("named", "10.0.0.3", both), "", &["lb.example.net"]))
        .add(exposed(
            cluster_ip("mixed", "10.0.0.4", "http:tcp:80"),
            "",
            &["lb.example.net", "1.2.3.6"],
        ))
        .add(exposed(headless("bare", ""), "1.2.3.7", &[]))
        .add(cluster_ip("inside", "10.0.0.5", "http:tcp:80"))
        .add(slice("inside-1", "inside", "ep=10.1.0.9", "http:tcp:80"))
        .add(headless("hdls", "http:tcp:80"))
        .add(slice("hdls-1", "hdls", "endpoint-0=10.1.0.1 10.1.0.2 !10.1.0.3", "http:tcp:80"))
        .add(cluster_ip("hidden/svc", "10.0.0.6", "http:tcp:80"))
}

fn zone(headless: bool) -> ExternalZone {
    let zones = ["in-addr.arpa.", "ip6.arpa.", "example.org."];
    let zones = zones.iter().map(|zone| zone.parse().unwrap()).collect();
    ExternalZone { zones, apex: "dns".into(), ttl: 5, headless }
}

fn ask(world: &World, zone: &ExternalZone, name: &str, qtype: RecordType) -> Answer {
    let name = absolute(name);
    let lower = LowerName::new(&name);
    let apex = zone.matching(&lower).expect("the name is in a zone");
    let question = Question { name: &name, lower: &lower, qtype };
    external_answer(&world.cluster(), &world.zone, zone, apex, question)
}

/// Writes an answer as `NXDOMAIN`, or its records, `+` and the additional ones.
fn written(answer: &Answer) -> String {
    let list = |records: &[Record]| {
        let mut lines: Vec<_> = records.iter().map(|r| r.data.to_string()).collect();
        lines.sort_unstable();
        lines.join(", ")
    };
    assert!(answer.answers.iter().chain(&answer.additionals).all(|record| record.ttl == 5));
    match answer.status {
        Status::Exists if answer.answers.is_empty() => {
            assert!(answer.soa.is_some());
            "NODATA".to_owned()
        }
        Status::Exists if answer.additionals.is_empty() => list(&answer.answers),
        Status::Exists => format!("{} + {}", list(&answer.answers), list(&answer.additionals)),
        Status::NameError => {
            assert!(answer.soa.is_some());
            "NXDOMAIN".to_owned()
        }
        Status::NotSynced => "SERVFAIL".to_owned(),
        Status::Refused => "REFUSED".to_owned(),
    }
}

type Case<'a> = (&'a str, &'a str, RecordType, &'a str);

fn check(world: &World, zone: &ExternalZone, cases: &[Case<'_>]) {
    for (case, name, qtype, expected) in cases {
        let name =
            if name.ends_with('.') { (*name).to_owned() } else { format!("{name}.example.org.") };
        assert_eq!(written(&ask(world, zone, &name, *qtype)), *expected, "{case}: {name} {qtype}");
    }
}

#[test]
fn services_have_their_external_addresses() {
    check(
        &world(),
        &zone(false),
        &[
            ("111 external IP", "svc1.testns", A, "1.2.3.4"),
            ("case", "SVC1.TestNS", A, "1.2.3.4"),
            ("111 other family", "svc1.testns", AAAA, "NODATA"),
            ("111 port", "_http._tcp.svc1.testns", A, "1.2.3.4"),
            ("port without underscores", "http.tcp.svc1.testns", A, "1.2.3.4"),
            ("111 no such port", "_ftp._tcp.svc1.testns", A, "NXDOMAIN"),
            (
                "111 SRV",
                "_http._tcp.svc1.testns",
                SRV,
                "0 100 80 svc1.testns.example.org. + 1.2.3.4",
            ),
            ("111 bare SRV", "svc1.testns", SRV, "0 100 80 svc1.testns.example.org. + 1.2.3.4"),
            ("external IPs and load balancer", "dual.testns", A, "1.2.3.4, 1.2.3.5"),
            ("load balancer v6", "dual.testns", AAAA, "2001:db8::1"),
            ("111 no address", "inside.testns", A, "NXDOMAIN"),
            ("without ports", "bare.testns", A, "1.2.3.7"),
            ("111 unknown", "nobody.testns", A, "NXDOMAIN"),
            ("111 namespace", "testns", A, "NODATA"),
            ("empty namespace", "empty", A, "NODATA"),
            ("111 unknown namespace", "nowhere", A, "NXDOMAIN"),
            ("namespace that does not exist", "svc.hidden", A, "NXDOMAIN"),
            ("111 other types", "svc1.testns", TXT, "NODATA"),
            ("no endpoint", "ep.svc1.testns", A, "NXDOMAIN"),
            ("headless is off", "hdls.testns", A, "NXDOMAIN"),
            ("too long", "a.b.c.svc1.testns", A, "NXDOMAIN"),
        ],
    );
}

#[test]
fn load_balancers_with_a_name_are_aliases() {
    let (world, zone) = (world(), zone(false));
    check(
        &world,
        &zone,
        &[
            ("A", "named.testns", A, "lb.example.net."),
            ("CNAME", "named.testns", CNAME, "lb.example.net."),
            ("SRV", "_http._tcp.named.testns", SRV, "0 100 80 lb.example.net."),
            (
                "SRV of every port",
                "named.testns",
                SRV,
                "0 50 53 lb.example.net., 0 50 80 lb.example.net.",
            ),
            ("an address beside the name", "mixed.testns", A, "1.2.3.6"),
            ("and no alias", "mixed.testns", CNAME, "NODATA"),
        ],
    );
    let chase = ask(&world, &zone, "named.testns.example.org.", AAAA).chase.unwrap();
    assert_eq!(chase.target.to_string(), "lb.example.net.");
}

#[test]
fn headless_services_have_their_endpoints_when_asked_for() {
    check(
        &world(),
        &zone(true),
        &[
            ("111 headless", "hdls.testns", A, "10.1.0.1, 10.1.0.2"),
            ("111 endpoint", "endpoint-0.hdls.testns", A, "10.1.0.1"),
            ("dashed", "10-1-0-2.hdls.testns", A, "10.1.0.2"),
            ("not ready", "10-1-0-3.hdls.testns", A, "NXDOMAIN"),
            (
                "111 SRV",
                "_http._tcp.hdls.testns",
                SRV,
                "0 50 80 10-1-0-2.hdls.testns.example.org., 0 50 80 endpoint-0.hdls.testns.example.org. \
             + 10.1.0.1, 10.1.0.2",
            ),
            ("endpoint of a ClusterIP", "ep.inside.testns", A, "10.1.0.9"),
            ("but not the ClusterIP", "inside.testns", A, "NXDOMAIN"),
            ("external addresses first", "bare.testns", A, "1.2.3.7"),
        ],
    );
}

#[test]
fn addresses_lead_back_to_names() {
    check(
        &world(),
        &zone(false),
        &[
            (
                "111 PTR of two",
                "4.3.2.1.in-addr.arpa.",
                PTR,
                "dual.testns.example.org., svc1.testns.example.org.",
            ),
            (
                "load balancer v6",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
                PTR,
                "dual.testns.example.org.",
            ),
            ("cluster address", "1.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
            ("no reverse name", "svc1.testns", PTR, "NODATA"),
        ],
    );
}

#[test]
fn the_apex_is_that_of_a_zone() {
    let (world, mut zone) = (world(), zone(false));
    let soa = "ns1.dns.example.org. hostmaster.dns.example.org. 1700000000 7200 1800 86400 5";
    check(
        &world,
        &zone,
        &[
            ("111 SOA", "example.org.", SOA, soa),
            ("111 NS", "example.org.", NS, "ns1.dns.example.org. + 10.9.0.1, fd09::1"),
            ("apex A", "example.org.", A, "NODATA"),
            ("111 ns1", "ns1.dns", A, "10.9.0.1"),
            ("ns1 AAAA", "ns1.dns", AAAA, "fd09::1"),
            ("ns1 TXT", "ns1.dns", TXT, "NODATA"),
            ("dns", "dns", A, "NODATA"),
            ("another", "ns2.dns", A, "NXDOMAIN"),
        ],
    );
    // The Service that leads to this server is reached at its external address.
    let world = world
        .add(exposed(cluster_ip("me", "10.0.0.53", "dns:udp:53"), "1.2.3.53", &[]))
        .add(slice("me-1", "me", "10.9.0.1", "dns:udp:53"));
    zone.apex = "own".into();
    check(
        &world,
        &zone,
        &[
            ("NS", "example.org.", NS, "ns1.own.example.org. + 1.2.3.53"),
            ("ns1", "ns1.own", A, "1.2.3.53"),
            ("the default label", "ns1.dns", A, "NXDOMAIN"),
        ],
    );
}

#[test]
fn before_services_are_listed_a_miss_is_not_known() {
    let world = World::unsynced().add(exposed(
        cluster_ip("svc1", "10.0.0.1", "http:tcp:80"),
        "1.2.3.4",
        &[],
    ));
    check(
        &world,
        &zone(false),
        &[
            ("known", "svc1.testns", A, "1.2.3.4"),
            ("not known", "svc2.testns", A, "SERVFAIL"),
            ("apex", "example.org.", A, "NODATA"),
        ],
    );
}
