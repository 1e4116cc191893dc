//! Headless Services and names of endpoints.

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, PTR, SRV, TXT};

use super::fixture::{World, fixture_f, headless, slice};

#[test]
fn a_headless_service_has_its_ready_endpoints() {
    fixture_f().check(&[
        ("21 A", "hdls1.testns.svc", A, "172.0.0.2, 172.0.0.3, 172.0.0.4, 172.0.0.5"),
        ("22 AAAA", "hdls1.testns.svc", AAAA, "5678:abcd::1, 5678:abcd::2"),
        ("24 endpoint A", "172-0-0-2.hdls1.testns.svc", A, "172.0.0.2"),
        ("24 endpoint, other family", "172-0-0-2.hdls1.testns.svc", AAAA, "NODATA"),
        ("25 endpoint AAAA", "5678-abcd--1.hdls1.testns.svc", AAAA, "5678:abcd::1"),
        ("26 one hostname for two", "dup-name.hdls1.testns.svc", A, "172.0.0.4, 172.0.0.5"),
        ("27 without ports", "hdlsprtls.testns.svc", A, "172.0.0.20"),
        ("27 endpoint without ports", "172-0-0-20.hdlsprtls.testns.svc", A, "172.0.0.20"),
        ("27 SRV without ports", "hdlsprtls.testns.svc", SRV, "NODATA"),
        ("27 SRV of an endpoint without ports", "172-0-0-20.hdlsprtls.testns.svc", SRV, "NODATA"),
        ("27 no port of that name", "_http._tcp.hdlsprtls.testns.svc", SRV, "NXDOMAIN"),
        ("27 every port", "_._.hdlsprtls.testns.svc", A, "172.0.0.20"),
        ("28 no such endpoint", "bogusendpoint.hdls1.testns.svc", A, "NXDOMAIN"),
        ("28 an address nobody has", "172-0-0-9.hdls1.testns.svc", A, "NXDOMAIN"),
        ("29 no such Service", "bogusendpoint.svc0.testns.svc", A, "NXDOMAIN"),
        ("only IPv4", "hdlsprtls.testns.svc", AAAA, "NODATA"),
        ("no alias", "hdls1.testns.svc", CNAME, "NODATA"),
        ("no TXT", "hdls1.testns.svc", TXT, "NODATA"),
        ("port A", "_http._tcp.hdls1.testns.svc", AAAA, "5678:abcd::1, 5678:abcd::2"),
        ("unknown port", "_ftp._tcp.hdls1.testns.svc", A, "NXDOMAIN"),
        ("an asterisk", "*.hdls1.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn srv_records_of_a_headless_service_name_the_endpoints() {
    let expected = "0 16 80 172-0-0-2.hdls1.testns.svc, 0 16 80 172-0-0-3.hdls1.testns.svc, \
                    0 16 80 5678-abcd--1.hdls1.testns.svc, 0 16 80 5678-abcd--2.hdls1.testns.svc, \
                    0 16 80 dup-name.hdls1.testns.svc \
                    + 172-0-0-2.hdls1.testns.svc A 172.0.0.2, 172-0-0-3.hdls1.testns.svc A 172.0.0.3, \
                    5678-abcd--1.hdls1.testns.svc AAAA 5678:abcd::1, \
                    5678-abcd--2.hdls1.testns.svc AAAA 5678:abcd::2, \
                    dup-name.hdls1.testns.svc A 172.0.0.4, dup-name.hdls1.testns.svc A 172.0.0.5";
    fixture_f().check(&[
        ("23 by port", "_http._tcp.hdls1.testns.svc", SRV, expected),
        ("23 bare", "hdls1.testns.svc", SRV, expected),
        (
            "of one hostname",
            "dup-name.hdls1.testns.svc",
            SRV,
            "0 50 80 dup-name.hdls1.testns.svc \
             + dup-name.hdls1.testns.svc A 172.0.0.4, dup-name.hdls1.testns.svc A 172.0.0.5",
        ),
    ]);
}

#[test]
fn only_ready_endpoints_count() {
    let world = World::empty()
        .add(headless("unready", "http:tcp:80"))
        .add(slice("unready-a", "unready", "!10.1.0.1 !host=10.1.0.2", "http:tcp:80"))
        .add(headless("none", "http:tcp:80"))
        .add(headless("hollow", "http:tcp:80"))
        .add(slice("hollow-a", "hollow", "", "http:tcp:80"))
        .add(headless("some", "http:tcp:80"))
        .add(slice("some-a", "some", "10.1.0.3 !10.1.0.4 !10.1.0.3", "http:tcp:80"));
    for qtype in [A, AAAA, SRV, TXT, CNAME] {
        world.check(&[
            ("31 none ready", "unready.testns.svc", qtype, "NXDOMAIN"),
            ("31 no slices", "none.testns.svc", qtype, "NXDOMAIN"),
            ("31 empty slice", "hollow.testns.svc", qtype, "NXDOMAIN"),
        ]);
    }
    world.check(&[
        ("34 endpoint that is not ready", "host.unready.testns.svc", A, "NXDOMAIN"),
        ("31 its port", "_http._tcp.unready.testns.svc", SRV, "NXDOMAIN"),
        ("34 the ready ones", "some.testns.svc", A, "10.1.0.3"),
        ("34 by name", "10-1-0-4.some.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn slices_add_up_and_repeat_nothing() {
    let world = World::empty()
        .add(headless("db", "sql:tcp:5432"))
        .add(slice("db-a", "db", "10.1.0.1 10.1.0.2", "sql:tcp:5432"))
        .add(slice("db-b", "db", "10.1.0.2 10.1.0.3", "sql:tcp:5432 admin:tcp:8000"))
        .add(slice("stray", "", "10.1.0.4", "sql:tcp:5432"))
        .add(slice("other/db-c", "db", "10.1.0.5", "sql:tcp:5432"));
    world.check(&[
        ("35 union, once each", "db.testns.svc", A, "10.1.0.1, 10.1.0.2, 10.1.0.3"),
        ("35 by name, once", "10-1-0-2.db.testns.svc", A, "10.1.0.2"),
        (
            "35 the weight counts each",
            "_sql._tcp.db.testns.svc",
            SRV,
            "0 25 5432 10-1-0-1.db.testns.svc, 0 25 5432 10-1-0-2.db.testns.svc, \
             0 25 5432 10-1-0-3.db.testns.svc + 10-1-0-1.db.testns.svc A 10.1.0.1, \
             10-1-0-2.db.testns.svc A 10.1.0.2, 10-1-0-3.db.testns.svc A 10.1.0.3",
        ),
        ("a port of one slice", "_admin._tcp.db.testns.svc", A, "10.1.0.2, 10.1.0.3"),
        ("a slice of no Service", "10-1-0-4.db.testns.svc", A, "NXDOMAIN"),
        ("a slice of another namespace", "10-1-0-5.db.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn several_addresses_of_an_endpoint_and_ports_without_number() {
    let world = World::empty()
        .add(headless("multi", "http:tcp:80"))
        .add(slice("multi-a", "multi", "both=10.1.0.1,10.1.0.2 10.1.0.3,10.1.0.4", "http:tcp:80"))
        .add(headless("open", ""))
        .add(slice("open-a", "open", "10.1.0.9", "any:tcp: http:tcp:80"));
    world.check(&[
        ("all addresses", "multi.testns.svc", A, "10.1.0.1, 10.1.0.2, 10.1.0.3, 10.1.0.4"),
        ("one hostname", "both.multi.testns.svc", A, "10.1.0.1, 10.1.0.2"),
        ("each address its name", "10-1-0-4.multi.testns.svc", A, "10.1.0.4"),
        (
            "a port without number has no SRV record and its weight",
            "open.testns.svc",
            SRV,
            "0 50 80 10-1-0-9.open.testns.svc + 10-1-0-9.open.testns.svc A 10.1.0.9",
        ),
        ("a port without number, SRV", "_any._tcp.open.testns.svc", SRV, "NODATA"),
        ("a port without number, A", "_any._tcp.open.testns.svc", A, "10.1.0.9"),
    ]);
}

#[test]
fn endpoints_are_named_after_hostname_pod_or_address() {
    let long = format!("p{}", "o".repeat(63));
    let fits = "q".repeat(63);
    let endpoints =
        format!("host=10.1.0.1@web-0 10.1.0.2@web-1 10.1.0.3@{long} 10.1.0.4@{fits} 10.1.0.5");
    let world = || {
        World::empty().add(headless("web", "http:tcp:80")).add(slice(
            "web-a",
            "web",
            &endpoints,
            "http:tcp:80",
        ))
    };
    world().check(&[
        ("hostname", "host.web.testns.svc", A, "10.1.0.1"),
        ("pod name, off", "web-1.web.testns.svc", A, "NXDOMAIN"),
        ("address", "10-1-0-2.web.testns.svc", A, "10.1.0.2"),
    ]);
    let world = world().with(|options| options.endpoint_pod_names = true);
    world.check(&[
        ("88 the hostname wins", "host.web.testns.svc", A, "10.1.0.1"),
        ("88 the hostname wins", "web-0.web.testns.svc", A, "NXDOMAIN"),
        ("88 pod name", "web-1.web.testns.svc", A, "10.1.0.2"),
        ("88 pod name, not the address", "10-1-0-2.web.testns.svc", A, "NXDOMAIN"),
        ("88 too long for a label", "10-1-0-3.web.testns.svc", A, "10.1.0.3"),
        ("88 without a pod", "10-1-0-5.web.testns.svc", A, "10.1.0.5"),
        (
            "88 SRV target",
            "web-1.web.testns.svc",
            SRV,
            "0 100 80 web-1.web.testns.svc + web-1.web.testns.svc A 10.1.0.2",
        ),
        ("88 reverse", "2.0.1.10.in-addr.arpa.", PTR, "web-1.web.testns.svc"),
    ]);
    assert_eq!(world.ask(&format!("{fits}.web.testns.svc"), A), "10.1.0.4", "88 just fits");
}

#[test]
fn addresses_are_spelled_with_dashes() {
    let cases = [
        ("10.11.12.13", "10-11-12-13", A),
        (
            "1111:2222:3333:4444:5555:6666:7777:8888",
            "1111-2222-3333-4444-5555-6666-7777-8888",
            AAAA,
        ),
        ("1111:2222:3333:4444:5555:6666::", "1111-2222-3333-4444-5555-6666--0", AAAA),
        ("1111:2222:3333::5555:6666", "1111-2222-3333--5555-6666", AAAA),
        ("fd00::1", "fd00--1", AAAA),
    ];
    for (ip, label, qtype) in cases {
        let world = World::empty().add(headless("h", "")).add(slice("h-a", "h", ip, ""));
        assert_eq!(world.ask(&format!("{label}.h.testns.svc"), qtype), ip, "89 {ip}");
    }
}

#[test]
fn weights_are_at_least_one() {
    for (count, weight) in [(1, 100), (3, 33), (7, 14), (50, 2), (51, 1), (100, 1), (250, 1)] {
        let ips: Vec<String> =
            (0..count).map(|n| format!("10.2.{}.{}", n / 200, n % 200)).collect();
        let world = World::empty().add(headless("big", "http:tcp:80")).add(slice(
            "big-a",
            "big",
            &ips.join(" "),
            "http:tcp:80",
        ));
        let answer = world.ask_name(&super::fixture::absolute("big.testns.svc"), SRV);
        assert_eq!(answer.answers.len(), count, "{count} endpoints");
        for record in answer.answers {
            let hickory_proto::rr::RData::SRV(srv) = record.data else {
                panic!("{count}: not SRV")
            };
            assert_eq!(srv.weight, weight, "{count} endpoints");
        }
    }
}
