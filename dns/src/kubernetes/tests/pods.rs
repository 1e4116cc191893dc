//! Pod names.

use hickory_proto::rr::RecordType::{A, AAAA, HINFO, PTR, SRV, TXT};

use super::fixture::{World, namespace, pod};
use crate::kubernetes::PodMode;
use cluster::Phase::{Failed, Pending, Running, Succeeded, Unknown};

fn pods(mode: PodMode) -> World {
    World::empty()
        .add(namespace("podns"))
        .add(pod("podns/run", "10.240.0.1 fd00::a", Running, false))
        .add(pod("podns/six", "2001:db8::", Running, false))
        .add(pod("podns/new", "10.240.0.2", Pending, false))
        .add(pod("podns/done", "10.240.0.3", Succeeded, false))
        .add(pod("podns/failed", "10.240.0.4", Failed, false))
        .add(pod("podns/lost", "10.240.0.5", Unknown, false))
        .add(pod("podns/ending", "10.240.0.6", Running, true))
        .add(pod("podns/before", "10.240.0.7", Succeeded, false))
        .add(pod("podns/after", "10.240.0.7", Running, false))
        .add(pod("other/there", "10.240.0.8", Running, false))
        .with(|options| options.pods = mode)
}

#[test]
fn disabled_there_are_no_pod_names() {
    pods(PodMode::Disabled).check(&[
        ("62", "10-240-0-1.podns.pod", A, "NXDOMAIN"),
        ("62 the namespace", "podns.pod", A, "NXDOMAIN"),
        ("62 the branch exists", "pod", A, "NODATA"),
        ("62 the other branch", "podns.svc", A, "NODATA"),
    ]);
}

#[test]
fn insecure_every_address_has_a_name() {
    let world = pods(PodMode::Insecure);
    world.check(&[
        ("63", "172-0-0-2.podns.pod", A, "172.0.0.2"),
        ("63 v6", "fd00--1.podns.pod", AAAA, "fd00::1"),
        ("63 v6, long", "fd00-0-0-0-0-0-0-1.podns.pod", AAAA, "fd00::1"),
        ("63 v6, end", "2001-db8--0.podns.pod", AAAA, "2001:db8::"),
        ("63 v6, end", "2001-db8--.podns.pod", AAAA, "2001:db8::"),
        ("63 v6, all zero", "--.podns.pod", AAAA, "::"),
        ("63 IPv4 inside IPv6 is IPv4", "--ffff-102-304.podns.pod", A, "1.2.3.4"),
        ("65 unknown namespace", "10-20-0-101.pod-nons.pod", A, "NXDOMAIN"),
        ("66 other family", "172-0-0-2.podns.pod", AAAA, "NODATA"),
        ("66 other family", "fd00--1.podns.pod", A, "NODATA"),
        ("67 namespace", "podns.pod", A, "NODATA"),
        ("67 unknown namespace", "pod-nons.pod", A, "NXDOMAIN"),
        ("TXT", "172-0-0-2.podns.pod", TXT, "NODATA"),
        ("PTR", "172-0-0-2.podns.pod", PTR, "NODATA"),
        (
            "SRV has port 0",
            "172-0-0-2.podns.pod",
            SRV,
            "0 100 0 172-0-0-2.podns.pod + 172-0-0-2.podns.pod A 172.0.0.2",
        ),
        ("71 a label more", "x.172-0-0-2.podns.pod", A, "172.0.0.2"),
        ("71 two labels more", "_a._b.172-0-0-2.podns.pod", A, "172.0.0.2"),
        ("71 an asterisk more", "*.172-0-0-2.podns.pod", A, "172.0.0.2"),
        ("71 three labels more", "a.b.c.172-0-0-2.podns.pod", A, "NXDOMAIN"),
        (
            "71 SRV leads to the pod's name",
            "x.172-0-0-2.podns.pod",
            SRV,
            "0 100 0 172-0-0-2.podns.pod + 172-0-0-2.podns.pod A 172.0.0.2",
        ),
    ]);
    for label in
        ["blah", "1-2-3", "1-2-3-4-5", "256-0-0-1", "01-2-3-4", "-", "1-2-3-x", "fd00--1--2"]
    {
        for qtype in [A, AAAA, HINFO, SRV, TXT] {
            let name = format!("{label}.podns.pod");
            assert_eq!(world.ask(&name, qtype), "NXDOMAIN", "64 {label} {qtype}");
        }
    }
}

#[test]
fn verified_a_pod_of_the_namespace_holds_the_address() {
    pods(PodMode::Verified).check(&[
        ("68 running", "10-240-0-1.podns.pod", A, "10.240.0.1"),
        ("68 not started yet", "10-240-0-2.podns.pod", A, "10.240.0.2"),
        ("68 other family", "10-240-0-1.podns.pod", AAAA, "NODATA"),
        (
            "68 SRV",
            "10-240-0-1.podns.pod",
            SRV,
            "0 100 0 10-240-0-1.podns.pod + 10-240-0-1.podns.pod A 10.240.0.1",
        ),
        ("69 nobody", "10-240-0-99.podns.pod", A, "NXDOMAIN"),
        ("69 another namespace", "10-240-0-1.testns.pod", A, "NXDOMAIN"),
        ("69 in an unknown namespace", "10-240-0-8.other.pod", A, "NXDOMAIN"),
        ("69 malformed", "blah.podns.pod", A, "NXDOMAIN"),
        ("70 second family", "fd00--a.podns.pod", AAAA, "NXDOMAIN"),
        ("72 succeeded", "10-240-0-3.podns.pod", A, "NXDOMAIN"),
        ("72 failed", "10-240-0-4.podns.pod", A, "NXDOMAIN"),
        ("72 unknown", "10-240-0-5.podns.pod", A, "NXDOMAIN"),
        ("72 terminating", "10-240-0-6.podns.pod", A, "NXDOMAIN"),
        ("72 the address has passed on", "10-240-0-7.podns.pod", A, "10.240.0.7"),
        ("v6 as the API spells it", "2001-db8--.podns.pod", AAAA, "2001:db8::"),
        ("v6 spelled otherwise", "2001-db8--0.podns.pod", AAAA, "NXDOMAIN"),
        ("71 a label more", "x.10-240-0-1.podns.pod", A, "10.240.0.1"),
    ]);
}
