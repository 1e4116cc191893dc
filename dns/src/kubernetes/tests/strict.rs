//! What `strict` improves, each beside the answer without it.

use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType::{self, A, AAAA, MX, PTR, SOA, SRV, TXT};

use super::fixture::{World, cluster_ip, external, fixture_f, headless, pod, slice};
use crate::kubernetes::{PodMode, Status};
use cluster::Phase::Running;

/// What it shows, qname, qtype, and the answers without and with `strict`.
type Pair<'a> = (&'a str, &'a str, RecordType, &'a str, &'a str);

fn compare(world: impl Fn() -> World, pairs: &[Pair<'_>]) {
    let (default, strict) = (world(), world().strict());
    for (case, name, qtype, without, with) in pairs {
        assert_eq!(default.ask(name, *qtype), *without, "{case}: {name} {qtype}");
        assert_eq!(strict.ask(name, *qtype), *with, "{case}, strict: {name} {qtype}");
    }
}

#[test]
fn names_above_others_exist() {
    let world = || fixture_f().add(cluster_ip("wait", "", "http:tcp:80"));
    compare(
        world,
        &[
            ("the parent of ns.dns", "dns", A, "NXDOMAIN", "NODATA"),
            ("a protocol", "_tcp.svc1.testns.svc", SRV, "NXDOMAIN", "NODATA"),
            ("a protocol without underscore", "tcp.svc1.testns.svc", A, "NXDOMAIN", "NODATA"),
            ("every protocol", "_.svc1.testns.svc", A, "NXDOMAIN", "NODATA"),
            ("a protocol of a headless Service", "_tcp.hdls1.testns.svc", A, "NXDOMAIN", "NODATA"),
            ("a protocol of a Service that waits", "_tcp.wait.testns.svc", A, "NXDOMAIN", "NODATA"),
            ("a protocol nobody speaks", "_udp.svc1.testns.svc", SRV, "NXDOMAIN", "NXDOMAIN"),
            ("of no Service", "_tcp.svc0.testns.svc", SRV, "NXDOMAIN", "NXDOMAIN"),
            ("of an alias", "_tcp.external.testns.svc", SRV, "NXDOMAIN", "NXDOMAIN"),
            ("part of an address", "0.0.10.in-addr.arpa.", PTR, "NXDOMAIN", "NODATA"),
            ("no part of an address", "x.0.10.in-addr.arpa.", PTR, "NXDOMAIN", "NXDOMAIN"),
            ("another label", "foo", A, "NXDOMAIN", "NXDOMAIN"),
            ("pods disabled: the namespace", "testns.pod", A, "NXDOMAIN", "NODATA"),
            ("pods disabled: no namespace", "gone.pod", A, "NXDOMAIN", "NXDOMAIN"),
        ],
    );
}

#[test]
fn names_exist_for_every_type() {
    compare(
        || fixture_f().add(cluster_ip("wait", "", "http:tcp:80")),
        &[
            ("the version", "dns-version", A, "NXDOMAIN", "NODATA"),
            ("the version", "dns-version", MX, "NXDOMAIN", "NODATA"),
            ("the name server", "ns.dns", TXT, "NXDOMAIN", "NODATA"),
            ("the name server", "ns.dns", PTR, "NXDOMAIN", "NODATA"),
            ("the apex", "@", TXT, "NXDOMAIN", "NODATA"),
            ("a branch", "svc", TXT, "NXDOMAIN", "NODATA"),
            ("a namespace", "testns.svc", TXT, "NXDOMAIN", "NODATA"),
            ("a Service that waits", "wait.testns.svc", TXT, "NXDOMAIN", "NODATA"),
            ("an address", "2.0.0.172.in-addr.arpa.", A, "NXDOMAIN", "NODATA"),
            ("an address nobody has", "9.0.0.172.in-addr.arpa.", A, "NXDOMAIN", "NXDOMAIN"),
            ("SOA of nothing", "svc0.testns.svc", SOA, "NODATA", "NXDOMAIN"),
            ("SOA of a Service", "svc1.testns.svc", SOA, "NODATA", "NODATA"),
            ("SOA of the name server", "ns.dns", SOA, "NODATA", "NODATA"),
            ("no endpoint is ready", "none.testns.svc", A, "NXDOMAIN", "NXDOMAIN"),
        ],
    );
}

#[test]
fn aliases_are_told_wherever_they_lead() {
    let world = || {
        World::empty()
            .add(cluster_ip("four", "10.0.0.1", "http:tcp:80"))
            .add(external("missing", "gone.testns.svc.cluster.local"))
            .add(external("two", "missing.testns.svc.cluster.local"))
            .add(external("family", "four.testns.svc.cluster.local"))
            .add(external("node", "_tcp.four.testns.svc.cluster.local"))
            .add(external("self", "self.testns.svc.cluster.local"))
            .add(external("a", "b.testns.svc.cluster.local"))
            .add(external("b", "a.testns.svc.cluster.local"))
    };
    compare(
        world,
        &[
            (
                "a target that does not exist: its rcode (RFC 6604 §3)",
                "missing.testns.svc",
                A,
                "NODATA",
                "NXDOMAIN missing.testns.svc CNAME gone.testns.svc",
            ),
            (
                "at the end of two",
                "two.testns.svc",
                A,
                "NODATA",
                "NXDOMAIN two.testns.svc CNAME missing.testns.svc, \
                 missing.testns.svc CNAME gone.testns.svc",
            ),
            (
                "a target of the other family",
                "family.testns.svc",
                AAAA,
                "NODATA",
                "family.testns.svc CNAME four.testns.svc",
            ),
            (
                "a target without records",
                "node.testns.svc",
                A,
                "NODATA",
                "node.testns.svc CNAME _tcp.four.testns.svc",
            ),
            ("itself", "self.testns.svc", A, "NODATA", "NODATA"),
            (
                "a loop, up to where it begins",
                "a.testns.svc",
                A,
                "NODATA",
                "a.testns.svc CNAME b.testns.svc",
            ),
        ],
    );
}

#[test]
fn pods_have_all_their_addresses_and_no_names_below() {
    let world = || {
        World::empty()
            .add(pod("dual", "10.240.0.1 2001:db8::", Running, false))
            .with(|options| options.pods = PodMode::Verified)
    };
    compare(
        world,
        &[
            ("70 second family", "2001-db8--.testns.pod", AAAA, "NXDOMAIN", "2001:db8::"),
            ("70 another spelling", "2001-db8--0.testns.pod", AAAA, "NXDOMAIN", "2001:db8::"),
            ("71 a label more", "x.10-240-0-1.testns.pod", A, "10.240.0.1", "NXDOMAIN"),
            ("71 two labels more", "a.b.10-240-0-1.testns.pod", A, "10.240.0.1", "NXDOMAIN"),
            (
                "no port 0",
                "10-240-0-1.testns.pod",
                SRV,
                "0 100 0 10-240-0-1.testns.pod + 10-240-0-1.testns.pod A 10.240.0.1",
                "NODATA",
            ),
        ],
    );
}

#[test]
fn reverse_names_lead_to_what_is_served() {
    compare(
        || World::empty().add(cluster_ip("nowhere/svc", "10.0.0.1", "http:tcp:80")),
        &[(
            "a namespace that does not exist",
            "1.0.0.10.in-addr.arpa.",
            PTR,
            "svc.nowhere.svc",
            "NXDOMAIN",
        )],
    );
}

#[test]
fn endpoints_are_named_by_one_label() {
    let world = || {
        World::empty()
            .add(headless("etcd", "peer:tcp:2380"))
            .add(slice("etcd-a", "etcd", "10.1.0.1@etcd-node1.example", "peer:tcp:2380"))
            .with(|options| options.endpoint_pod_names = true)
    };
    compare(
        world,
        &[
            (
                "a pod name of several labels",
                "etcd.testns.svc",
                SRV,
                "0 100 2380 etcd-node1.example.etcd.testns.svc \
                 + etcd-node1.example.etcd.testns.svc A 10.1.0.1",
                "0 100 2380 10-1-0-1.etcd.testns.svc + 10-1-0-1.etcd.testns.svc A 10.1.0.1",
            ),
            (
                "its reverse",
                "1.0.1.10.in-addr.arpa.",
                PTR,
                "etcd-node1.example.etcd.testns.svc",
                "10-1-0-1.etcd.testns.svc",
            ),
            ("its target", "etcd-node1.example.etcd.testns.svc", A, "NXDOMAIN", "NXDOMAIN"),
            ("by address", "10-1-0-1.etcd.testns.svc", A, "NXDOMAIN", "10.1.0.1"),
        ],
    );
    let labels = ["etcd-node1.example", "etcd", "testns", "svc", "cluster", "local"];
    let name = Name::from_labels(labels.map(str::as_bytes)).unwrap();
    assert_eq!(world().ask_name(&name, A).status, Status::NameError, "a dot inside a label");
}
