//! Services with cluster addresses.

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, MX, PTR, SRV, TXT};

use super::fixture::{World, cluster_ip, fixture_f, key, namespace, slice};
use cluster::Kind;

#[test]
fn a_service_has_its_cluster_addresses() {
    fixture_f().check(&[
        ("1 A", "svc1.testns.svc", A, "10.0.0.1"),
        ("2 without endpoints", "svcempty.testns.svc", A, "10.0.0.1"),
        ("v6 only", "svc6.testns.svc", AAAA, "1234:abcd::1"),
        ("v6 only, other family", "svc6.testns.svc", A, "NODATA"),
        ("9 dual stack A", "svc-dual-stack.testns.svc", A, "10.0.0.3"),
        ("10 dual stack AAAA", "svc-dual-stack.testns.svc", AAAA, "10::3"),
        ("12 missing family", "svc1.testns.svc", AAAA, "NODATA"),
        ("13 unknown Service", "svc0.testns.svc", A, "NXDOMAIN"),
        ("13 unknown Service", "svc0.testns.svc", AAAA, "NXDOMAIN"),
        ("14 unknown namespace", "svc0.svc-nons.svc", A, "NXDOMAIN"),
        ("16 unknown namespace", "svc1.nsnoexist.svc", A, "NXDOMAIN"),
        ("19 no TXT", "svc1.testns.svc", TXT, "NODATA"),
        ("20 no TXT of nothing", "svc0.svc-nons.svc", TXT, "NXDOMAIN"),
        ("no alias", "svc1.testns.svc", CNAME, "NODATA"),
        ("no MX", "svc1.testns.svc", MX, "NODATA"),
        ("no MX of nothing", "svc0.testns.svc", MX, "NXDOMAIN"),
        ("a literal asterisk", "*.testns.svc", A, "NXDOMAIN"),
        ("a literal asterisk before a Service", "*.svc1.testns.svc", A, "NXDOMAIN"),
        ("`any` is a name", "any.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn srv_records_name_the_ports_and_weigh_the_addresses() {
    fixture_f().check(&[
        ("3 bare", "svc1.testns.svc", SRV, "0 100 80 svc1.testns.svc + svc1.testns.svc A 10.0.0.1"),
        (
            "4 bare, v6",
            "svc6.testns.svc",
            SRV,
            "0 100 80 svc6.testns.svc + svc6.testns.svc AAAA 1234:abcd::1",
        ),
        (
            "5 two ports share the weight",
            "svc-1-a.testns.svc",
            SRV,
            "0 50 443 svc-1-a.testns.svc, 0 50 80 svc-1-a.testns.svc \
             + svc-1-a.testns.svc A 10.0.0.5",
        ),
        (
            "6 by port",
            "_http._tcp.svc1.testns.svc",
            SRV,
            "0 100 80 svc1.testns.svc + svc1.testns.svc A 10.0.0.1",
        ),
        (
            "6 by port, one of two",
            "_https._tcp.svc-1-a.testns.svc",
            SRV,
            "0 100 443 svc-1-a.testns.svc + svc-1-a.testns.svc A 10.0.0.5",
        ),
        (
            "7 by port, without endpoints",
            "_http._tcp.svcempty.testns.svc",
            SRV,
            "0 100 80 svcempty.testns.svc + svcempty.testns.svc A 10.0.0.1",
        ),
        (
            "8 by port, v6",
            "_http._tcp.svc6.testns.svc",
            SRV,
            "0 100 80 svc6.testns.svc + svc6.testns.svc AAAA 1234:abcd::1",
        ),
        (
            "11 dual stack: each family counts, one record",
            "svc-dual-stack.testns.svc",
            SRV,
            "0 50 80 svc-dual-stack.testns.svc + svc-dual-stack.testns.svc A 10.0.0.3, \
             svc-dual-stack.testns.svc AAAA 10::3",
        ),
        ("unknown port", "_ftp._tcp.svc1.testns.svc", SRV, "NXDOMAIN"),
        ("other protocol", "_http._udp.svc1.testns.svc", SRV, "NXDOMAIN"),
        ("addresses of a port", "_http._tcp.svc1.testns.svc", A, "10.0.0.1"),
        ("addresses of a port, other family", "_http._tcp.svc1.testns.svc", AAAA, "NODATA"),
        ("addresses of an unknown port", "_ftp._tcp.svc1.testns.svc", A, "NXDOMAIN"),
        ("the order is port, protocol", "_tcp._http.svc1.testns.svc", SRV, "NXDOMAIN"),
        ("a protocol alone", "_tcp.svc1.testns.svc", SRV, "NXDOMAIN"),
    ]);
}

#[test]
fn underscores_may_be_missing_and_an_empty_label_is_every_port() {
    let all = "0 50 443 svc-1-a.testns.svc, 0 50 80 svc-1-a.testns.svc \
             + svc-1-a.testns.svc A 10.0.0.5";
    let http = "0 100 80 svc-1-a.testns.svc + svc-1-a.testns.svc A 10.0.0.5";
    fixture_f().check(&[
        ("no underscores", "http.tcp.svc-1-a.testns.svc", SRV, http),
        ("one underscore", "_http.tcp.svc-1-a.testns.svc", SRV, http),
        ("107 every protocol", "_http._.svc-1-a.testns.svc", SRV, http),
        ("107 every port", "_._tcp.svc-1-a.testns.svc", SRV, all),
        ("107 every port and protocol", "_._.svc-1-a.testns.svc", SRV, all),
        ("every port of no protocol", "_._udp.svc-1-a.testns.svc", SRV, "NXDOMAIN"),
        ("only one underscore goes", "__http._tcp.svc-1-a.testns.svc", SRV, "NXDOMAIN"),
        ("dashes", "_http._tc-p.svc-1-a.testns.svc", SRV, "NXDOMAIN"),
    ]);
}

#[test]
fn ports_without_a_name_and_of_the_same_number() {
    let world = World::empty()
        .add(cluster_ip("one", "10.0.1.1", ":tcp:80"))
        .add(cluster_ip("dns", "10.0.1.2", "dns:udp:53 dns-tcp:tcp:53"))
        .add(cluster_ip("none", "10.0.1.3", ""));
    world.check(&[
        (
            "a port without a name",
            "one.testns.svc",
            SRV,
            "0 100 80 one.testns.svc + one.testns.svc A 10.0.1.1",
        ),
        (
            "a port without a name by its protocol",
            "_._tcp.one.testns.svc",
            SRV,
            "0 100 80 one.testns.svc + one.testns.svc A 10.0.1.1",
        ),
        ("a name that no port has", "_http._tcp.one.testns.svc", SRV, "NXDOMAIN"),
        (
            "equal records are one, the weight is of two",
            "dns.testns.svc",
            SRV,
            "0 50 53 dns.testns.svc + dns.testns.svc A 10.0.1.2",
        ),
        (
            "by protocol",
            "_._udp.dns.testns.svc",
            SRV,
            "0 100 53 dns.testns.svc + dns.testns.svc A 10.0.1.2",
        ),
        ("without any port: the address", "none.testns.svc", A, "10.0.1.3"),
        ("without any port: no SRV", "none.testns.svc", SRV, "NODATA"),
        ("without any port: none by name", "_http._tcp.none.testns.svc", SRV, "NXDOMAIN"),
    ]);
}

#[test]
fn a_service_that_waits_for_its_address_exists() {
    let world = World::empty().add(cluster_ip("wait", "", "http:tcp:80"));
    world.check(&[
        ("A", "wait.testns.svc", A, "NODATA"),
        ("AAAA", "wait.testns.svc", AAAA, "NODATA"),
        ("SRV", "wait.testns.svc", SRV, "NODATA"),
        ("its port", "_http._tcp.wait.testns.svc", SRV, "NODATA"),
        ("another port", "_ftp._tcp.wait.testns.svc", SRV, "NXDOMAIN"),
        ("an endpoint", "10-1-0-1.wait.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn endpoints_of_a_service_with_cluster_addresses_have_names() {
    fixture_f().check(&[
        ("30 by hostname", "ep1a.svc1.testns.svc", A, "172.0.0.1"),
        ("other family", "ep1a.svc1.testns.svc", AAAA, "NODATA"),
        (
            "SRV",
            "ep1a.svc1.testns.svc",
            SRV,
            "0 100 80 ep1a.svc1.testns.svc + ep1a.svc1.testns.svc A 172.0.0.1",
        ),
        ("the hostname hides the address", "172-0-0-1.svc1.testns.svc", A, "NXDOMAIN"),
        ("of a Service without endpoints", "ep1a.svcempty.testns.svc", A, "NXDOMAIN"),
        ("below an endpoint", "x.ep1a.svc1.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn the_option_namespaces_hides_the_others() {
    let two = || {
        World::empty()
            .add(namespace("other"))
            .add(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"))
            .add(cluster_ip("other/svc1", "10.0.0.2", "http:tcp:80"))
    };
    two().check(&[
        ("17 every namespace", "svc1.testns.svc", A, "10.0.0.1"),
        ("17 every namespace", "svc1.other.svc", A, "10.0.0.2"),
    ]);
    let served = ["testns", "missing"].map(str::to_owned);
    two().with(|options| options.namespaces = Some(served.into())).check(&[
        ("listed", "svc1.testns.svc", A, "10.0.0.1"),
        ("15 not listed", "svc1.other.svc", A, "NXDOMAIN"),
        ("15 not listed, the namespace itself", "other.svc", A, "NXDOMAIN"),
        ("listed, does not exist", "missing.svc", A, "NXDOMAIN"),
        ("79 reverse, listed", "1.0.0.10.in-addr.arpa.", PTR, "svc1.testns.svc"),
        ("79 reverse, not listed", "2.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
    ]);
}

#[test]
fn ignoring_empty_services() {
    let world = fixture_f()
        .add(cluster_ip("unready", "10.0.0.7", "http:tcp:80"))
        .add(slice("unready-a", "unready", "!172.0.0.9", "http:tcp:80"))
        .with(|options| options.ignore_empty_service = true);
    world.check(&[
        ("86 no slices", "svcempty.testns.svc", A, "NXDOMAIN"),
        ("86 no slices, by port", "_http._tcp.svcempty.testns.svc", SRV, "NXDOMAIN"),
        ("86 none ready", "unready.testns.svc", A, "NXDOMAIN"),
        ("with endpoints", "svc1.testns.svc", A, "10.0.0.1"),
        ("headless", "hdlsprtls.testns.svc", A, "172.0.0.20"),
        ("86 external", "external.testns.svc", CNAME, "ext.interwebs.test."),
    ]);
    let world = world.with(|options| options.no_endpoints = true);
    world.check(&[("with noendpoints every one is empty", "svc1.testns.svc", A, "NXDOMAIN")]);
}

#[test]
fn without_endpoints_only_cluster_addresses_are_left() {
    fixture_f().with(|options| options.no_endpoints = true).check(&[
        ("87 headless", "hdls1.testns.svc", A, "NXDOMAIN"),
        ("87 endpoint", "172-0-0-2.hdls1.testns.svc", A, "NXDOMAIN"),
        ("87 endpoint of a ClusterIP", "ep1a.svc1.testns.svc", A, "NXDOMAIN"),
        ("87 ClusterIP", "svc1.testns.svc", A, "10.0.0.1"),
        ("87 reverse of an endpoint", "2.0.0.172.in-addr.arpa.", PTR, "NXDOMAIN"),
    ]);
}

#[test]
fn the_ttl_is_that_of_every_record() {
    for ttl in [0, 30, 300, 3600] {
        let world = fixture_f().with(|options| options.ttl = ttl);
        let answer = world.ask_name(&super::fixture::absolute("svc1.testns.svc"), SRV);
        let ttls: Vec<u32> =
            answer.answers.iter().chain(&answer.additionals).map(|record| record.ttl).collect();
        assert_eq!(ttls, [ttl, ttl], "92 ttl {ttl}");
        let soa = world.ask_name(&super::fixture::absolute("svc0.testns.svc"), A).soa.unwrap();
        assert_eq!(soa.ttl, ttl.min(300), "92 ttl {ttl} of the SOA record");
        let hickory_proto::rr::RData::SOA(data) = soa.data else { panic!("92: not an SOA record") };
        assert_eq!(data.minimum, ttl, "92 ttl {ttl}: the SOA minimum");
    }
}

#[test]
fn changes_are_seen_at_once() {
    let mut world = World::empty().add(cluster_ip("web", "10.0.0.1", "http:tcp:80"));
    world.check(&[("before", "web.testns.svc", A, "10.0.0.1")]);
    world.put(super::fixture::external("web", "foo.test"));
    world.check(&[("45 an alias", "web.testns.svc", CNAME, "foo.test.")]);
    world.put(super::fixture::external("web", "bar.test"));
    world.check(&[("45 another alias", "web.testns.svc", CNAME, "bar.test.")]);
    world.put(cluster_ip("web", "10.0.0.2", "http:tcp:80"));
    world.check(&[("46 an address", "web.testns.svc", A, "10.0.0.2")]);
    world.remove(Kind::Service, &key("web"));
    world.check(&[("deleted", "web.testns.svc", A, "NXDOMAIN")]);
    world.put(cluster_ip("web", "10.0.0.3", "http:tcp:80"));
    world.remove(Kind::Namespace, &cluster::ObjectKey::cluster_scoped("testns"));
    world.check(&[("the namespace deleted", "web.testns.svc", A, "NXDOMAIN")]);
    world.put(namespace("testns"));
    world.check(&[("and back", "web.testns.svc", A, "10.0.0.3")]);
}
