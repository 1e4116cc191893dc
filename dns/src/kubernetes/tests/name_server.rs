//! NS records of the apex, and `ns.dns`.

use hickory_proto::rr::RecordType::{A, AAAA, ANY, CNAME, MX, NS, PTR, SRV, TXT};

use super::fixture::{World, cluster_ip, external, headless, ips, slice};

#[test]
fn a_server_outside_the_cluster_names_itself() {
    World::empty().check(&[
        ("48 NS", "@", NS, "ns.dns + ns.dns A 10.9.0.1, ns.dns AAAA fd09::1"),
        ("56 A", "ns.dns", A, "10.9.0.1"),
        ("56 AAAA", "ns.dns", AAAA, "fd09::1"),
        ("56 CNAME", "ns.dns", CNAME, "NODATA"),
        ("56 SRV", "ns.dns", SRV, "NODATA"),
        ("56 NS", "ns.dns", NS, "NODATA"),
        ("56 MX", "ns.dns", MX, "NODATA"),
        ("56 ANY", "ns.dns", ANY, "NODATA"),
        ("56 TXT is denied", "ns.dns", TXT, "NXDOMAIN"),
        ("56 PTR is denied", "ns.dns", PTR, "NXDOMAIN"),
        ("its parent", "dns", A, "NXDOMAIN"),
        ("another name of it", "ns1.dns", A, "NXDOMAIN"),
        ("below it", "a.ns.dns", A, "NXDOMAIN"),
    ]);
    let mut world = World::empty();
    world.zone.own_addresses = ips("10.9.0.1");
    world.check(&[
        ("56 missing family", "ns.dns", AAAA, "NODATA"),
        ("48 missing family", "@", NS, "ns.dns + ns.dns A 10.9.0.1"),
    ]);
    world.zone.own_addresses.clear();
    world.check(&[
        ("no address at all", "ns.dns", A, "NODATA"),
        ("no address at all", "@", NS, "NODATA"),
    ]);
}

#[test]
fn services_that_lead_to_the_server_are_its_name() {
    let kube_dns = || {
        World::empty().add(cluster_ip("kube-dns", "10.0.0.10", "dns:udp:53")).add(slice(
            "kube-dns-a",
            "kube-dns",
            "10.9.0.1 10.9.0.2",
            "dns:udp:53",
        ))
    };
    kube_dns().check(&[
        ("48 NS", "@", NS, "kube-dns.testns.svc + kube-dns.testns.svc A 10.0.0.10"),
        ("48 A", "ns.dns", A, "10.0.0.10"),
        ("48 AAAA", "ns.dns", AAAA, "NODATA"),
    ]);
    let several = kube_dns()
        .add(cluster_ip("dns6", "1234:abcd::1", "dns:udp:53"))
        .add(slice("dns6-a", "dns6", "fd09::1", "dns:udp:53"))
        .add(headless("hdls-dns", "dns:udp:53"))
        .add(slice("hdls-dns-a", "hdls-dns", "10.9.0.1 10.9.0.2 !10.9.0.3", "dns:udp:53"))
        .add(slice("hdls-dns-b", "hdls-dns", "10.9.0.1", "dns:udp:53"))
        .add(headless("twin", ""))
        .add(slice("twin-a", "twin", "10.9.0.1", ""))
        .add(cluster_ip("elsewhere", "10.0.0.11", "dns:udp:53"))
        .add(slice("elsewhere-a", "elsewhere", "10.9.0.2", "dns:udp:53"))
        .add(cluster_ip("unready", "10.0.0.12", "dns:udp:53"))
        .add(slice("unready-a", "unready", "!10.9.0.1", "dns:udp:53"));
    several.check(&[
        (
            "57 NS",
            "@",
            NS,
            "10-9-0-1.hdls-dns.testns.svc, 10-9-0-1.twin.testns.svc, 10-9-0-2.hdls-dns.testns.svc, \
             dns6.testns.svc, kube-dns.testns.svc \
             + 10-9-0-1.hdls-dns.testns.svc A 10.9.0.1, 10-9-0-1.twin.testns.svc A 10.9.0.1, \
             10-9-0-2.hdls-dns.testns.svc A 10.9.0.2, dns6.testns.svc AAAA 1234:abcd::1, \
             kube-dns.testns.svc A 10.0.0.10",
        ),
        ("57 A, each address once", "ns.dns", A, "10.0.0.10, 10.9.0.1, 10.9.0.2"),
        ("57 AAAA", "ns.dns", AAAA, "1234:abcd::1"),
    ]);
}

#[test]
fn what_does_not_lead_to_the_server_is_left_out() {
    let own = "ns.dns + ns.dns A 10.9.0.1, ns.dns AAAA fd09::1";
    let world = || {
        World::empty()
            .add(slice("gone-a", "gone", "10.9.0.1", "dns:udp:53"))
            .add(slice("stray", "", "10.9.0.1", "dns:udp:53"))
            .add(external("ext", "dns.test"))
            .add(slice("ext-a", "ext", "10.9.0.1", "dns:udp:53"))
            .add(cluster_ip("wait", "", "dns:udp:53"))
            .add(slice("wait-a", "wait", "10.9.0.1", "dns:udp:53"))
    };
    world().check(&[("no Service with an address", "@", NS, own)]);
    let real = world().add(cluster_ip("dns", "10.0.0.10", "dns:udp:53")).add(slice(
        "dns-a",
        "dns",
        "10.9.0.1",
        "dns:udp:53",
    ));
    real.check(&[("a Service", "@", NS, "dns.testns.svc + dns.testns.svc A 10.0.0.10")]);
    let blind = real.with(|options| options.no_endpoints = true);
    blind.check(&[("87 noendpoints", "@", NS, own)]);
}
