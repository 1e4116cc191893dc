//! host-local's `config_test.go` and `range_set_test.go`, and our own keys.

use std::ffi::OsString;

use cni::{Environment, Request};
use serde_json::{Value, json};

use super::*;

fn request(version: &str, keys: &Value, arguments: &str) -> AttachmentRequest {
    let mut config = json!({"cniVersion": version, "name": "net"});
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let variable = |name: &str| {
        let text = match name {
            "CNI_COMMAND" => "DEL",
            "CNI_CONTAINERID" => "a",
            "CNI_IFNAME" => "eth0",
            "CNI_PATH" => "/nowhere",
            "CNI_ARGS" => arguments,
            _ => return None,
        };
        Some(OsString::from(text))
    };
    let environment = Environment::read(variable).unwrap();
    let Request::Del(request) =
        Request::parse(&environment, config.to_string().as_bytes()).unwrap()
    else {
        unreachable!()
    };
    request
}

fn parse(version: &str, keys: &Value) -> Result<IpamConfig, Failure> {
    IpamConfig::parse(&request(version, keys, "").config)
}

/// Returns the sets of the section itself: ranges by comma, sets by space.
fn sets(config: &IpamConfig) -> String {
    let pool = config.pools.last().unwrap();
    pool.sets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ")
}

#[test]
fn ranges_come_from_all_places_of_host_local_in_its_order() {
    let runtime = json!({"ipRanges": [[{"subnet": "10.3.0.0/24"}], [{"subnet": "fd03::/120"}]]});
    for (keys, expected) in [
        (json!({"ipam": {"subnet": "10.1.0.0/24"}}), "10.1.0.1-10.1.0.254 of 10.1.0.0/24"),
        (
            json!({"ipam": {"Subnet": "10.1.0.0/24", "RANGESTART": "10.1.0.9", "rangeend": "10.1.0.11", "gateway": "10.1.0.5"}}),
            "10.1.0.9-10.1.0.11 of 10.1.0.0/24",
        ),
        (
            json!({"ipam": {"ranges": [[{"subnet": "10.2.0.0/30"}, {"subnet": "10.2.1.0/30"}]], "subnet": "10.1.0.0/30"},
                "runtimeConfig": runtime}),
            "10.3.0.1-10.3.0.254 of 10.3.0.0/24 + fd03::1-fd03::ff of fd03::/120 + 10.1.0.1-10.1.0.2 of 10.1.0.0/30 + \
             10.2.0.1-10.2.0.2 of 10.2.0.0/30, 10.2.1.1-10.2.1.2 of 10.2.1.0/30",
        ),
    ] {
        assert_eq!(sets(&parse("1.0.0", &keys).unwrap()), expected);
    }
    assert!(
        parse("1.0.0", &json!({"ipam": {"ranges": null, "routes": null}}))
            .unwrap()
            .names_no_range()
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let range = |subnet: &str| json!({"subnet": subnet});
    let many: Vec<Value> =
        (0..=MAX_RANGES).map(|at| json!([range(&format!("10.{at}.0.0/16"))])).collect();
    let two = json!([[range("10.1.0.0/24")], [range("10.2.0.0/24")]]);
    for (version, ipam, words) in [
        ("1.0.0", json!(null), "no key \"ipam\""),
        ("1.0.0", json!({"ranges": [[]]}), "ipam.ranges[0]: the range set is empty"),
        (
            "1.0.0",
            json!({"ranges": [[range("10.1.0.0/24"), range("fd00::/64")]]}),
            "different families",
        ),
        (
            "1.0.0",
            json!({"ranges": [[range("10.1.0.0/24"), range("10.1.0.128/25")]]}),
            "overlap; remove one",
        ),
        (
            "1.0.0",
            json!({"ranges": [[range("10.1.0.0/24")], [range("10.1.0.0/16")]]}),
            "range sets",
        ),
        ("0.2.0", json!({"ranges": two}), "one address of each family"),
        ("1.0.0", json!({"ranges": many}), "at most 48 ranges"),
        ("1.0.0", json!({"ranges": [[{}]]}), "ipam.ranges[0][0]: a range needs a key subnet"),
        ("1.0.0", json!({"subnet": "10.1.0.0/24", "exclude": ["x"]}), "ipam.exclude[0]"),
        (
            "1.0.0",
            json!({"subnet": "10.1.0.0/24", "exclude": ["10.1.0.9-10.1.0.8"]}),
            "ipam.exclude[0]",
        ),
        (
            "1.0.0",
            json!({"subnet": "10.1.0.0/24", "quarantine": 604_801}),
            "ipam.quarantine: want seconds from 0 to 604800",
        ),
        (
            "1.0.0",
            json!({"subnet": "10.1.0.0/24", "storeDir": "x"}),
            "ipam.storeDir: want an absolute path",
        ),
        ("1.0.0", json!({"pools": [{"ranges": two}]}), "ipam.pools[0]: a pool needs a key name"),
        ("1.0.0", json!({"pools": [{"name": "a"}]}), "ipam.pools[0]: a pool needs a key ranges"),
        (
            "1.0.0",
            json!({"pools": [{"name": "a", "ranges": two}, {"name": "a", "ranges": two}]}),
            "a pool \"a\" already",
        ),
    ] {
        let failure = parse(version, &json!({"ipam": ipam})).unwrap_err();
        let text = format!("{failure} {}", failure.remedy());
        assert!(failure.code().0 == 7 && text.contains(words), "{text}");
    }
    let v2 = json!({"ipam": {"ranges": [[range("10.1.0.0/24")], [range("fd00::/64")]]}});
    assert!(parse("0.2.0", &v2).is_ok());
}

#[test]
fn addresses_are_asked_for_in_three_places() {
    let keys = json!({
        "ipam": {"subnet": "10.1.0.0/24"},
        "args": {"cni": {"ips": ["10.1.0.3/24", "10.1.0.2"]}},
        "runtimeConfig": {"ips": ["::ffff:10.1.0.4", "fd00::5/64"]},
    });
    let asked = |arguments| requested(&request("1.0.0", &keys, arguments)).unwrap();
    let shown = |arguments| asked(arguments).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown("IP=10.1.0.2/24"), ["10.1.0.2", "10.1.0.3", "10.1.0.4", "fd00::5"]);
    assert_eq!(shown("IgnoreUnknown=true;X=y"), ["10.1.0.3", "10.1.0.2", "10.1.0.4", "fd00::5"]);
    assert!(requested(&request("1.0.0", &keys, "X=y")).is_err());
    for ips in [json!(["10.1.0.300"]), json!([7]), json!("10.1.0.2"), json!(["010.1.0.2"])] {
        let keys = json!({"runtimeConfig": {"ips": ips}});
        assert!(requested(&request("1.0.0", &keys, "")).is_err(), "{keys}");
    }
}

#[test]
fn del_reads_what_can_be_read() {
    let placement =
        |ipam: Value| Placement::of(&request("1.0.0", &json!({"ipam": ipam}), "").config);
    let read = placement(
        json!({"storeDir": "/s", "dataDir": 7, "durable": "x", "keepHostLocal": true, "ranges": 1}),
    );
    assert_eq!(read.store_dir, Some(PathBuf::from("/s")));
    assert_eq!(read.data_dir, PathBuf::from("/var/lib/cni/networks"));
    assert!(read.keeps_host_local && !read.is_durable);
    assert_eq!(placement(json!(7)), Placement::default());
    assert_eq!(placement(json!(null)), Placement::default());
}
