//! Names of addresses.

use hickory_proto::rr::RecordType::{A, AAAA, NS, PTR, SOA, SRV, TXT};

use super::fixture::{World, cluster_ip, fixture_f, headless, namespace, slice};

/// The reverse name of fd00::1.
const FD00_1: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.";

/// The reverse name of 1234:abcd::5678:0:1.
const MIDDLE_ZEROS: &str =
    "1.0.0.0.0.0.0.0.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa.";

fn world() -> World {
    World::empty()
        .add(cluster_ip("svc1", "192.168.1.100 fd00::1", "http:tcp:80"))
        .add(slice("svc1-a", "svc1", "ep1a=10.0.0.100", "http:tcp:80"))
        .add(slice("svc1-b", "svc1", "ep1a=10.0.0.100 ep1b=10.0.0.99 !10.0.0.98", "http:tcp:80"))
        .add(headless("hdls", "http:tcp:80"))
        .add(slice("hdls-a", "hdls", "10.0.0.99 192.168.1.100 1234:abcd::5678:0:1", "http:tcp:80"))
        .add(slice("stray", "", "10.0.0.97", "http:tcp:80"))
        .add(slice("orphan", "gone", "10.0.0.96", "http:tcp:80"))
}

#[test]
fn addresses_have_the_names_of_services_or_endpoints() {
    world().check(&[
        ("73 a Service, not the endpoint", "100.1.168.192.in-addr.arpa.", PTR, "svc1.testns.svc"),
        (
            "74, 75 an endpoint, in two slices",
            "100.0.0.10.in-addr.arpa.",
            PTR,
            "ep1a.svc1.testns.svc",
        ),
        (
            "76 in two Services",
            "99.0.0.10.in-addr.arpa.",
            PTR,
            "10-0-0-99.hdls.testns.svc, ep1b.svc1.testns.svc",
        ),
        ("77 v6 Service", FD00_1, PTR, "svc1.testns.svc"),
        ("77 v6 endpoint", MIDDLE_ZEROS, PTR, "1234-abcd--5678-0-1.hdls.testns.svc"),
        ("78 unknown", "101.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("78 unknown v6", &FD00_1.replacen('1', "2", 1), PTR, "NXDOMAIN"),
        ("not ready", "98.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("of no Service", "97.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("of a Service that is gone", "96.0.0.10.in-addr.arpa.", PTR, "10-0-0-96.gone.testns.svc"),
    ]);
    fixture_f().check(&[(
        "two Services with one address",
        "1.0.0.10.in-addr.arpa.",
        PTR,
        "svc1.testns.svc",
    )]);
}

#[test]
fn only_whole_addresses_have_names() {
    world().check(&[
        ("part", "0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("too long", "1.100.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("zeros in front", "0100.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("not an octet", "256.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("an asterisk", "*.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("an asterisk", "*.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("part of v6", &FD00_1[2..], PTR, "NXDOMAIN"),
        ("80 a Service", "svc1.testns.svc", PTR, "NODATA"),
        ("80 no name", "example.org", PTR, "NXDOMAIN"),
        ("80 an address below the zone", "100.0.0.10", PTR, "NXDOMAIN"),
    ]);
}

#[test]
fn addresses_have_no_other_records() {
    world().check(&[
        ("A", "100.0.0.10.in-addr.arpa.", A, "NXDOMAIN"),
        ("SRV", "100.0.0.10.in-addr.arpa.", SRV, "NXDOMAIN"),
        ("TXT", "100.0.0.10.in-addr.arpa.", TXT, "NXDOMAIN"),
        ("SOA", "100.0.0.10.in-addr.arpa.", SOA, "NODATA"),
        ("apex", "in-addr.arpa.", PTR, "NODATA"),
        ("apex A", "ip6.arpa.", AAAA, "NODATA"),
        (
            "apex NS",
            "in-addr.arpa.",
            NS,
            "ns.dns.in-addr.arpa. + ns.dns.in-addr.arpa. A 10.9.0.1, \
             ns.dns.in-addr.arpa. AAAA fd09::1",
        ),
        (
            "the version",
            "dns-version.in-addr.arpa.",
            TXT,
            "dns-version.in-addr.arpa. 28800 TXT 1.1.0",
        ),
    ]);
}

#[test]
fn reverse_zones_hold_no_services() {
    let world = world().serving(&["cluster.local.", "0.10.in-addr.arpa."]);
    for qtype in [A, AAAA, SRV, PTR, TXT] {
        world.check(&[
            ("81 Service", "svc1.testns.svc.0.10.in-addr.arpa.", qtype, "NXDOMAIN"),
            ("81 namespace", "testns.svc.0.10.in-addr.arpa.", qtype, "NXDOMAIN"),
        ]);
    }
    world.check(&[
        ("81 the branches exist", "svc.0.10.in-addr.arpa.", A, "NODATA"),
        ("addresses do", "100.0.0.10.in-addr.arpa.", PTR, "ep1a.svc1.testns.svc"),
    ]);
}

#[test]
fn names_end_with_the_first_zone_that_is_not_reverse() {
    let name = "100.1.168.192.in-addr.arpa.";
    let cases: [(&[&str], &str); 4] = [
        (&["in-addr.arpa.", "a.test.", "b.test."], "svc1.testns.svc.a.test."),
        (&["b.test.", "a.test.", "in-addr.arpa."], "svc1.testns.svc.b.test."),
        (&["in-addr.arpa."], "svc1.testns.svc.in-addr.arpa."),
        (&["168.192.in-addr.arpa.", "ip6.arpa."], "svc1.testns.svc.168.192.in-addr.arpa."),
    ];
    for (zones, expected) in cases {
        assert_eq!(world().serving(zones).ask(name, PTR), expected, "{zones:?}");
    }
}

#[test]
fn namespaces_hide_their_names() {
    let served = ["testns".to_owned()];
    let two = || {
        World::empty()
            .add(namespace("another"))
            .add(cluster_ip("another/svc", "10.5.0.1", "http:tcp:80"))
            .add(cluster_ip("svc", "10.5.0.1", "http:tcp:80"))
            .add(headless("another/hdls", ""))
            .add(slice("another/hdls-a", "hdls", "10.5.0.2", ""))
            .add(cluster_ip("nowhere/svc", "10.5.0.3", "http:tcp:80"))
    };
    two().check(&[
        ("every namespace, the first", "1.0.5.10.in-addr.arpa.", PTR, "svc.another.svc"),
        ("every namespace", "2.0.5.10.in-addr.arpa.", PTR, "10-5-0-2.hdls.another.svc"),
        ("even one that does not exist", "3.0.5.10.in-addr.arpa.", PTR, "svc.nowhere.svc"),
    ]);
    two().with(|options| options.namespaces = Some(served.into())).check(&[
        ("79 the first that is served", "1.0.5.10.in-addr.arpa.", PTR, "svc.testns.svc"),
        ("79 an endpoint that is not", "2.0.5.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("79 a namespace that does not exist", "3.0.5.10.in-addr.arpa.", PTR, "NXDOMAIN"),
    ]);
}
