//! `zonal`: the endpoints of a headless Service in one topology zone (case 106).

use hickory_proto::rr::RecordType::{A, AAAA, SRV, TXT};

use super::fixture::{World, cluster_ip, external, headless, slice};

fn world() -> World {
    let endpoints = "172.0.0.1%us-west-2a 172.0.0.2%us-west-2b 172.0.0.3%us-west-2b 172.0.0.4%corp.example.com \
                     !172.0.0.5%us-west-2c fd00::1%us-west-2b 172.0.0.6";
    World::empty()
        .add(headless("hdls", "http:tcp:80"))
        .add(slice("hdls-1", "hdls", endpoints, "http:tcp:80"))
        .add(cluster_ip("clstr", "10.0.0.10", "http:tcp:80"))
        .add(slice("clstr-1", "clstr", "172.0.1.1%us-west-2a", "http:tcp:80"))
        .add(external("ext", "example.org"))
        .add(headless("empty", "http:tcp:80"))
        .with(|options| options.zonal = true)
}

#[test]
fn a_zone_is_pinned_or_preferred() {
    let all = "172.0.0.1, 172.0.0.2, 172.0.0.3, 172.0.0.4, 172.0.0.6";
    world().check(&[
        ("106 pin", "us-west-2a.pin._zone.hdls.testns.svc", A, "172.0.0.1"),
        ("106 pin, several", "us-west-2b.pin._zone.hdls.testns.svc", A, "172.0.0.2, 172.0.0.3"),
        ("pin, AAAA", "us-west-2b.pin._zone.hdls.testns.svc", AAAA, "fd00::1"),
        ("pin, other family", "us-west-2a.pin._zone.hdls.testns.svc", AAAA, "NODATA"),
        ("case", "US-west-2a.Pin._ZONE.hdls.testns.svc", A, "172.0.0.1"),
        ("106 pin, nothing ready", "us-west-2c.pin._zone.hdls.testns.svc", A, "NODATA"),
        ("106 pin, a typo", "nowhere.pin._zone.hdls.testns.svc", A, "NODATA"),
        ("106 pin, TXT", "us-west-2c.pin._zone.hdls.testns.svc", TXT, "NODATA"),
        ("pin, no endpoint at all", "us-west-2a.pin._zone.empty.testns.svc", A, "NODATA"),
        ("dots", "corp.example.com.pin._zone.hdls.testns.svc", A, "172.0.0.4"),
        ("a part of the dots", "example.com.pin._zone.hdls.testns.svc", A, "NODATA"),
        ("106 prefer", "us-west-2a.prefer._zone.hdls.testns.svc", A, "172.0.0.1"),
        ("106 prefer, empty", "us-west-2c.prefer._zone.hdls.testns.svc", A, all),
        ("106 prefer, TXT", "us-west-2c.prefer._zone.hdls.testns.svc", TXT, "NODATA"),
        ("prefer, no endpoint at all", "us-west-2a.prefer._zone.empty.testns.svc", A, "NXDOMAIN"),
        (
            "106 SRV",
            "us-west-2a.prefer._zone.hdls.testns.svc",
            SRV,
            "0 100 80 172-0-0-1.hdls.testns.svc + 172-0-0-1.hdls.testns.svc A 172.0.0.1",
        ),
        ("106 unknown Service", "us-west-2a.pin._zone.ghost.testns.svc", A, "NXDOMAIN"),
        ("106 unknown directive", "us-west-2a.florp._zone.hdls.testns.svc", A, "NXDOMAIN"),
        ("106 ClusterIP", "us-west-2a.pin._zone.clstr.testns.svc", A, "NXDOMAIN"),
        ("ExternalName", "us-west-2a.pin._zone.ext.testns.svc", A, "NXDOMAIN"),
        ("pods have no zones", "us-west-2a.pin._zone.10-0-0-1.testns.pod", A, "NXDOMAIN"),
        ("still a port", "us-west-2a._zone.hdls.testns.svc", A, "NXDOMAIN"),
        ("no zone", "pin._zone.hdls.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn without_the_option_there_are_no_zones() {
    world().with(|options| options.zonal = false).check(&[
        ("106 off", "us-west-2a.pin._zone.hdls.testns.svc", A, "NXDOMAIN"),
        ("106 off, prefer", "us-west-2a.prefer._zone.hdls.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn names_above_zones_exist_by_the_rfc() {
    world().strict().check(&[
        ("pin", "pin._zone.hdls.testns.svc", A, "NODATA"),
        ("prefer", "prefer._zone.hdls.testns.svc", A, "NODATA"),
        ("_zone", "_zone.hdls.testns.svc", A, "NODATA"),
        ("above pinned zones", "_zone.empty.testns.svc", A, "NODATA"),
        ("the Service itself", "empty.testns.svc", A, "NODATA"),
        ("no endpoint to prefer", "prefer._zone.empty.testns.svc", A, "NXDOMAIN"),
        ("_zone of a ClusterIP", "_zone.clstr.testns.svc", A, "NXDOMAIN"),
    ]);
}

#[test]
fn before_the_endpoints_are_listed_an_empty_zone_is_not_known() {
    let world = World::unsynced()
        .add(headless("hdls", "http:tcp:80"))
        .add(slice("hdls-1", "hdls", "172.0.0.1%a", "http:tcp:80"))
        .with(|options| options.zonal = true);
    world.check(&[
        ("known", "a.pin._zone.hdls.testns.svc", A, "172.0.0.1"),
        ("not known", "b.pin._zone.hdls.testns.svc", A, "SERVFAIL"),
        ("other family", "a.pin._zone.hdls.testns.svc", AAAA, "SERVFAIL"),
    ]);
}
