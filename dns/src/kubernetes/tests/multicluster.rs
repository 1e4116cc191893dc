//! `multicluster`: the Services of a set of clusters (cases 102 to 105; KEP-1645 "DNS").

use cluster::Kind;
use hickory_proto::rr::RecordType::{A, AAAA, SRV, TXT};

use super::fixture::{World, cluster_ip, import, imported, slice};

fn fill(world: World) -> World {
    let world = world
        .add(import("svc1", "10.110.0.1 fd00:110::1", "http:tcp:80"))
        .add(import("pending", "", "http:tcp:80"))
        .add(import("hdls1", "", "http:tcp:80"))
        .add(imported("hdls1-a", ("hdls1", "cluster1"), "172.0.0.2 host=172.0.0.3", "http:tcp:80"))
        .add(imported("hdls1-b", ("hdls1", "cluster2"), "172.0.0.2 !172.0.0.9", "http:tcp:80"))
        .add(cluster_ip("local", "10.0.0.1", "http:tcp:80"))
        .add(cluster_ip("svc1", "10.0.0.2", "http:tcp:80"))
        .add(slice("svc1-1", "svc1", "172.0.1.1", "http:tcp:80"));
    let mut world = world.serving(&["cluster.local.", "clusterset.local.", "in-addr.arpa."]);
    world.zone.options.multicluster = vec!["clusterset.local.".parse().unwrap()];
    world
}

#[test]
fn imports_are_the_services_of_their_zone() {
    fill(World::empty()).check(&[
        ("102 ClusterSetIP", "svc1.testns.svc.clusterset.local.", A, "10.110.0.1"),
        ("102 AAAA", "svc1.testns.svc.clusterset.local.", AAAA, "fd00:110::1"),
        (
            "102 SRV",
            "_http._tcp.svc1.testns.svc.clusterset.local.",
            SRV,
            "0 50 80 svc1.testns.svc.clusterset.local. + svc1.testns.svc.clusterset.local. A 10.110.0.1, \
             svc1.testns.svc.clusterset.local. AAAA fd00:110::1",
        ),
        ("no TXT", "svc1.testns.svc.clusterset.local.", TXT, "NODATA"),
        ("headless", "hdls1.testns.svc.clusterset.local.", A, "172.0.0.2, 172.0.0.3"),
        ("103 endpoint", "172-0-0-2.cluster1.hdls1.testns.svc.clusterset.local.", A, "172.0.0.2"),
        ("103 of the other", "172-0-0-2.cluster2.hdls1.testns.svc.clusterset.local.", A, "172.0.0.2"),
        ("hostname", "host.cluster1.hdls1.testns.svc.clusterset.local.", A, "172.0.0.3"),
        ("only there", "host.cluster2.hdls1.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("103 no cluster", "172-0-0-2.hdls1.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("not ready", "172-0-0-9.cluster2.hdls1.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("unknown cluster", "172-0-0-2.cluster3.hdls1.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("not imported", "local.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("other namespace", "svc1.other.svc.clusterset.local.", A, "NXDOMAIN"),
        ("the zone", "clusterset.local.", A, "NODATA"),
        ("namespace", "testns.svc.clusterset.local.", A, "NODATA"),
        (
            "104 SRV targets",
            "_http._tcp.hdls1.testns.svc.clusterset.local.",
            SRV,
            "0 33 80 172-0-0-2.cluster1.hdls1.testns.svc.clusterset.local., \
             0 33 80 172-0-0-2.cluster2.hdls1.testns.svc.clusterset.local., \
             0 33 80 host.cluster1.hdls1.testns.svc.clusterset.local. \
             + 172-0-0-2.cluster1.hdls1.testns.svc.clusterset.local. A 172.0.0.2, \
             172-0-0-2.cluster2.hdls1.testns.svc.clusterset.local. A 172.0.0.2, \
             host.cluster1.hdls1.testns.svc.clusterset.local. A 172.0.0.3",
        ),
    ]);
}

#[test]
fn the_other_zones_are_not_touched() {
    fill(World::empty()).check(&[
        ("the Service", "svc1.testns.svc", A, "10.0.0.2"),
        ("its endpoint", "172-0-1-1.svc1.testns.svc", A, "172.0.1.1"),
        ("an import is none", "hdls1.testns.svc", A, "NXDOMAIN"),
        ("two labels", "172-0-0-2.cluster1.hdls1.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn names_of_clusters_exist_by_the_rfc() {
    fill(World::empty()).strict().check(&[
        ("cluster", "cluster1.hdls1.testns.svc.clusterset.local.", A, "NODATA"),
        ("no cluster", "cluster3.hdls1.testns.svc.clusterset.local.", A, "NXDOMAIN"),
        ("protocol", "_tcp.hdls1.testns.svc.clusterset.local.", A, "NODATA"),
    ]);
}

/// A cluster without the CustomResourceDefinition never lists them.
#[test]
fn imports_that_are_not_listed_hold_up_their_own_zone_alone() {
    let mut world = fill(World::unsynced());
    world.remove(Kind::ServiceImport, &super::fixture::key("svc1"));
    for kind in [Kind::Namespace, Kind::Service, Kind::EndpointSlice] {
        world.sync(kind);
    }
    world.check(&[
        ("its zone", "svc1.testns.svc.clusterset.local.", A, "SERVFAIL"),
        ("what is known", "hdls1.testns.svc.clusterset.local.", A, "172.0.0.2, 172.0.0.3"),
        ("other zones", "nobody.testns.svc", A, "NXDOMAIN"),
        ("other zones, found", "svc1.testns.svc", A, "10.0.0.2"),
    ]);
}
