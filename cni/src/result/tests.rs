//! Results as each version writes them, and back.

use proptest::prelude::*;

use super::*;
use crate::{Code, Config, Field, Json, Version};

/// A result with every member.
fn full() -> AddResult {
    let parse = |text: &str| text.parse().unwrap();
    AddResult {
        interfaces: vec![Interface {
            name: "eth0".into(),
            mac: "00:11:22:33:44:55".into(),
            mtu: Some(1500),
            sandbox: "/var/run/netns/a".into(),
            socket_path: "/run/s".into(),
            pci_id: "8086:9a01".into(),
        }],
        ips: vec![
            IpConfig {
                interface: Some(0),
                address: parse("10.1.0.5/16"),
                gateway: Some([10, 1, 0, 1].into()),
            },
            IpConfig { interface: None, address: parse("10.1.0.6/16"), gateway: None },
            IpConfig { interface: Some(0), address: parse("2001:db8:1::2/64"), gateway: None },
        ],
        routes: vec![
            Route {
                mtu: Some(1400),
                advmss: Some(1360),
                priority: Some(0),
                table: Some(0),
                scope: Some(253),
                ..Route::new(parse("15.5.6.0/24"), Some([15, 5, 6, 8].into()))
            },
            Route::new(parse("1111:dddd::/80"), None),
        ],
        dns: Dns { nameservers: vec!["1.2.3.4".into()], domain: "local".into(), ..Dns::default() },
    }
}

/// Without white space between the tokens.
fn dense(text: &str) -> String {
    serde_json::to_string(&Json::parse(text.as_bytes()).unwrap()).unwrap()
}

#[test]
fn each_version_has_its_shape() {
    let old = r#"{"cniVersion":"VERSION","ip4":{"ip":"10.1.0.5/16","gateway":"10.1.0.1","routes":[{"dst":"15.5.6.0/24","gw":"15.5.6.8"}]},"ip6":{"ip":"2001:db8:1::2/64","routes":[{"dst":"1111:dddd::/80"}]},"dns":{"nameservers":["1.2.3.4"],"domain":"local"}}"#;
    let middle = r#"{"cniVersion":"VERSION","interfaces":[{"name":"eth0","mac":"00:11:22:33:44:55","sandbox":"/var/run/netns/a"}],"ips":[{"version":"4","interface":0,"address":"10.1.0.5/16","gateway":"10.1.0.1"},{"version":"4","address":"10.1.0.6/16"},{"version":"6","interface":0,"address":"2001:db8:1::2/64"}],"routes":[{"dst":"15.5.6.0/24","gw":"15.5.6.8"},{"dst":"1111:dddd::/80"}],"dns":{"nameservers":["1.2.3.4"],"domain":"local"}}"#;
    let one = r#"{"cniVersion":"VERSION","interfaces":[{"name":"eth0","mac":"00:11:22:33:44:55","sandbox":"/var/run/netns/a"}],"ips":[{"interface":0,"address":"10.1.0.5/16","gateway":"10.1.0.1"},{"address":"10.1.0.6/16"},{"interface":0,"address":"2001:db8:1::2/64"}],"routes":[{"dst":"15.5.6.0/24","gw":"15.5.6.8"},{"dst":"1111:dddd::/80"}],"dns":{"nameservers":["1.2.3.4"],"domain":"local"}}"#;
    let newest = r#"{"cniVersion":"VERSION","interfaces":[{"name":"eth0","mac":"00:11:22:33:44:55","mtu":1500,"sandbox":"/var/run/netns/a","socketPath":"/run/s","pciID":"8086:9a01"}],"ips":[{"interface":0,"address":"10.1.0.5/16","gateway":"10.1.0.1"},{"address":"10.1.0.6/16"},{"interface":0,"address":"2001:db8:1::2/64"}],"routes":[{"dst":"15.5.6.0/24","gw":"15.5.6.8","mtu":1400,"advmss":1360,"priority":0,"table":0,"scope":253},{"dst":"1111:dddd::/80"}],"dns":{"nameservers":["1.2.3.4"],"domain":"local"}}"#;
    for (version, expected) in [
        ("0.1.0", old),
        ("0.2.0", old),
        ("0.3.0", middle),
        ("0.3.1", middle),
        ("0.4.0", middle),
        ("1.0.0", one),
        ("1.1.0", newest),
    ] {
        let written = full().encode(version.parse().unwrap()).unwrap();
        assert_eq!(dense(&written), expected.replace("VERSION", version));
    }
}

#[test]
fn old_versions_need_an_address() {
    for version in Version::ALL {
        let encoded = AddResult::default().encode(version);
        if version >= Version::V0_3_0 {
            assert_eq!(dense(&encoded.unwrap()), format!(r#"{{"cniVersion":"{version}"}}"#));
        } else {
            assert_eq!(encoded.unwrap_err().code, Code::INCOMPATIBLE_VERSION);
        }
    }
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let mut expected = full();
    assert_eq!(again(&expected, Version::V1_1_0), expected);
    // Without what came with 1.1.0.
    expected.interfaces[0] = Interface {
        mtu: None,
        socket_path: String::new(),
        pci_id: String::new(),
        ..expected.interfaces[0].clone()
    };
    expected.routes[0] = Route::new(expected.routes[0].destination, expected.routes[0].gateway);
    for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0, Version::V1_0_0] {
        assert_eq!(again(&full(), version), expected, "{version}");
    }
    // One address of each family, without interfaces.
    expected.interfaces.clear();
    expected.ips.remove(1);
    expected.ips.iter_mut().for_each(|ip| ip.interface = None);
    for version in [Version::V0_1_0, Version::V0_2_0] {
        assert_eq!(again(&full(), version), expected, "{version}");
    }
}

fn again(result: &AddResult, version: Version) -> AddResult {
    let json = Json::parse(result.encode(version).unwrap().as_bytes()).unwrap();
    // The version that it says counts, not the one that is expected.
    AddResult::decode(&Field::root(&json), Version::V1_1_0).unwrap()
}

#[test]
fn prev_result_is_read_at_the_version_of_the_configuration() {
    for (version, result) in [
        ("0.4.0", r#"{"ips": [{"version": "4", "address": "10.1.0.5/16"}]}"#),
        ("1.0.0", r#"{"IPs": [{"Address": "10.1.0.5/16", "gateway": ""}], "dns": null}"#),
        ("0.2.0", r#"{"ip4": {"ip": "10.1.0.5/16"}}"#),
        ("1.0.0", r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/16"}}"#),
    ] {
        let text = format!(r#"{{"name": "n", "cniVersion": "{version}", "prevResult": {result}}}"#);
        let config = Config::parse(text.as_bytes()).unwrap();
        let read = config.prev_result().unwrap().unwrap();
        let address =
            IpConfig { interface: None, address: "10.1.0.5/16".parse().unwrap(), gateway: None };
        assert_eq!(read, AddResult { ips: vec![address], ..AddResult::default() }, "{text}");
    }
    for (result, words) in [
        (r#"{"ips": [{}]}"#, "prevResult.ips[0]: want a key address"),
        (
            r#"{"ips": [{"address": "10.1.0.5"}]}"#,
            "prevResult.ips[0].address: want an address with a prefix",
        ),
        (r#"{"ips": [{"address": "10.01.0.5/16"}]}"#, "prevResult.ips[0].address"),
        (r#"{"routes": [{"dst": "0.0.0.0/0", "mtu": 4294967296}]}"#, "prevResult.routes[0].mtu"),
        (r#"{"cniVersion": "7"}"#, "prevResult.cniVersion: want a version of CNI"),
        ("[]", "prevResult: want an object"),
    ] {
        let text = format!(r#"{{"name": "n", "cniVersion": "1.1.0", "prevResult": {result}}}"#);
        let error = Config::parse(text.as_bytes()).unwrap().prev_result().unwrap_err();
        assert_eq!(error.code, Code::DECODING);
        assert!(error.details.contains(words), "{text}: {error}");
    }
}

fn any_net() -> impl Strategy<Value = IpNet> {
    let v4 =
        (any::<[u8; 4]>(), 0..=32u8).prop_map(|(octets, length)| (IpAddr::from(octets), length));
    let v6 =
        (any::<[u8; 16]>(), 0..=128u8).prop_map(|(octets, length)| (IpAddr::from(octets), length));
    prop_oneof![v4, v6].prop_map(|(address, length)| IpNet::new(address, length).unwrap())
}

fn any_route() -> impl Strategy<Value = Route> {
    let number = || any::<Option<u32>>();
    (any_net(), any::<Option<IpAddr>>(), number(), number(), number(), number(), number()).prop_map(
        |(destination, gateway, mtu, advmss, priority, table, scope)| Route {
            destination,
            gateway,
            mtu,
            advmss,
            priority,
            table,
            scope,
        },
    )
}

proptest! {
    #[test]
    fn the_newest_version_keeps_everything(
        ips in prop::collection::vec((any::<Option<u8>>(), any_net(), any::<Option<IpAddr>>()), 0..4),
        routes in prop::collection::vec(any_route(), 0..4),
        texts in prop::collection::vec(".*", 6),
        mtu in any::<Option<u32>>(),
    ) {
        let ips = ips.into_iter().map(|(interface, address, gateway)| IpConfig {
            interface: interface.map(usize::from), address, gateway,
        });
        let interface = Interface {
            name: texts[0].clone(), mac: texts[1].clone(), mtu, sandbox: texts[2].clone(),
            socket_path: texts[3].clone(), pci_id: texts[4].clone(),
        };
        let dns = Dns { search: vec![texts[5].clone()], ..Dns::default() };
        let result = AddResult { interfaces: vec![interface], ips: ips.collect(), routes, dns };
        prop_assert_eq!(again(&result, Version::V1_1_0), result);
    }
}
