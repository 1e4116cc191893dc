//! Names without records of their own, and types.

use hickory_proto::rr::RecordType::{
    self, A, AAAA, ANY, AXFR, CNAME, HINFO, HTTPS, IXFR, MX, NS, PTR, SOA, SRV, TXT,
};

use super::fixture::{CHANGED_AT, World, absolute, fixture_f};
use crate::kubernetes::{Rule, Status};

/// Every type that has no rule of its own.
const OTHERS: [RecordType; 6] =
    [HINFO, MX, HTTPS, ANY, RecordType::Unknown(65_280), RecordType::DS];

#[test]
fn names_above_services_exist() {
    for qtype in [A, AAAA, SRV, CNAME, PTR].into_iter().chain(OTHERS) {
        for name in ["@", "svc", "pod", "testns.svc"] {
            assert_eq!(fixture_f().ask(name, qtype), "NODATA", "49, 50, 51 {name} {qtype}");
        }
        for name in ["foo", "foo.svc", "testns", "x.testns", "*", "*.svc"] {
            assert_eq!(fixture_f().ask(name, qtype), "NXDOMAIN", "52 {name} {qtype}");
        }
    }
    for name in ["svc", "pod", "testns.svc", "svc1.testns.svc"] {
        assert_eq!(fixture_f().ask(name, NS), "NODATA", "50, 51 {name} NS");
    }
    for name in ["@", "svc", "pod", "testns.svc"] {
        assert_eq!(fixture_f().ask(name, TXT), "NXDOMAIN", "{name} TXT");
    }
    fixture_f().check(&[
        ("52", "foo", NS, "NXDOMAIN"),
        ("52", "foo.svc", NS, "NXDOMAIN"),
        ("54 not svc", "webs.testns.pood", A, "NXDOMAIN"),
        ("55 six labels", "a.b.c.svc1.testns.svc", A, "NXDOMAIN"),
        ("55 seven labels", "a.b.c.d.svc1.testns.svc", A, "NXDOMAIN"),
        ("svc twice", "svc.svc", A, "NXDOMAIN"),
        ("a Service without svc", "svc1.testns", A, "NXDOMAIN"),
    ]);
}

#[test]
fn types_without_records_find_out_whether_the_name_exists() {
    for qtype in OTHERS {
        for name in
            ["svc1.testns.svc", "hdls1.testns.svc", "external.testns.svc", "ep1a.svc1.testns.svc"]
        {
            assert_eq!(fixture_f().ask(name, qtype), "NODATA", "{name} {qtype}");
        }
        for name in
            ["svc0.testns.svc", "x.hdls1.testns.svc", "x.external.testns.svc", "dns-version"]
        {
            assert_eq!(fixture_f().ask(name, qtype), "NXDOMAIN", "{name} {qtype}");
        }
    }
}

#[test]
fn the_schema_version_is_a_text() {
    fixture_f().check(&[
        ("18", "dns-version", TXT, "dns-version 28800 TXT 1.1.0"),
        ("18 A", "dns-version", A, "NXDOMAIN"),
        ("18 below", "a.dns-version", TXT, "NXDOMAIN"),
        ("18 elsewhere", "dns-version.testns.svc", TXT, "NXDOMAIN"),
    ]);
}

#[test]
fn the_apex_has_an_soa_record() {
    let serial = CHANGED_AT;
    fixture_f().check(&[
        (
            "47",
            "@",
            SOA,
            &format!("ns.dns.cluster.local. hostmaster.cluster.local. {serial} 7200 1800 86400 5"),
        ),
        ("53 below the apex", "svc1.testns.svc", SOA, "NODATA"),
        ("53 even where nothing is", "nothing.at.all", SOA, "NODATA"),
        ("53 ns.dns", "ns.dns", SOA, "NODATA"),
    ]);
}

#[test]
fn zones_are_not_transferred() {
    for name in ["@", "svc1.testns.svc", "nothing"] {
        for qtype in [AXFR, IXFR] {
            assert_eq!(fixture_f().ask(name, qtype), "REFUSED", "98 {name} {qtype}");
        }
    }
}

#[test]
fn answers_say_why() {
    let world = fixture_f().add(super::fixture::cluster_ip("wait", "", "http:tcp:80"));
    let cases = [
        ("svc1.testns.svc", A, Status::Exists, Rule::ClusterIp, Some("testns/svc1")),
        ("hdls1.testns.svc", A, Status::Exists, Rule::Headless, Some("testns/hdls1")),
        ("ep1a.svc1.testns.svc", A, Status::Exists, Rule::Endpoint, Some("testns/svc1")),
        ("external.testns.svc", A, Status::Exists, Rule::ExternalName, Some("testns/external")),
        ("wait.testns.svc", A, Status::Exists, Rule::NoClusterIpYet, Some("testns/wait")),
        ("svc1.testns.svc", MX, Status::Exists, Rule::NoSuchType, Some("testns/svc1")),
        ("dns-version", TXT, Status::Exists, Rule::SchemaVersion, None),
        ("@", SOA, Status::Exists, Rule::Soa, None),
        ("@", NS, Status::Exists, Rule::NameServer, None),
        ("@", A, Status::Exists, Rule::ZoneNode, None),
        ("testns.svc", A, Status::Exists, Rule::NamespaceNode, None),
        ("svc0.testns.svc", A, Status::NameError, Rule::NoSuchService, None),
        ("svc1.gone.svc", A, Status::NameError, Rule::NoSuchNamespace, None),
        ("_x._tcp.svc1.testns.svc", A, Status::NameError, Rule::NoSuchPort, Some("testns/svc1")),
        ("x.hdls1.testns.svc", A, Status::NameError, Rule::NoSuchEndpoint, Some("testns/hdls1")),
        (
            "x.external.testns.svc",
            A,
            Status::NameError,
            Rule::BelowExternalName,
            Some("testns/external"),
        ),
        ("1-2-3-4.testns.pod", A, Status::NameError, Rule::PodsDisabled, None),
        ("foo", A, Status::NameError, Rule::NotSvcOrPod, None),
        ("a.b.c.svc1.testns.svc", A, Status::NameError, Rule::TooManyLabels, None),
        ("testns.svc.in-addr.arpa.", A, Status::NameError, Rule::NotAReverseName, None),
        ("1.2.3.4.in-addr.arpa.", PTR, Status::NameError, Rule::NoSuchAddress, None),
        ("1.0.0.10.in-addr.arpa.", PTR, Status::Exists, Rule::ReverseService, Some("testns/svc1")),
        (
            "2.0.0.172.in-addr.arpa.",
            PTR,
            Status::Exists,
            Rule::ReverseEndpoint,
            Some("testns/hdls1-v4"),
        ),
        ("@", AXFR, Status::Refused, Rule::TransferRefused, None),
    ];
    for (name, qtype, status, rule, object) in cases {
        let answer = world.ask_name(&absolute(name), qtype);
        assert_eq!((answer.status, answer.ruling.rule), (status, rule), "{name} {qtype}");
        let key = answer.ruling.object.map(|(_, key)| key.to_string());
        assert_eq!(key.as_deref(), object, "{name} {qtype}");
        assert!(!rule.text().is_empty(), "{name} {qtype}");
    }
}

#[test]
fn an_empty_cluster_has_its_zone() {
    let world = World::empty().serving(&["."]);
    world.check(&[
        ("the root can be the zone", "svc.", A, "NODATA"),
        ("the root can be the zone", "testns.svc.", A, "NODATA"),
        ("the root can be the zone", "*.", A, "NXDOMAIN"),
        ("the root can be the zone", "web.testns.svc.", A, "NXDOMAIN"),
        ("the root can be the zone", "ns.dns.", A, "10.9.0.1"),
    ]);
}
