//! What Services get: no address twice, what is written stays, what was given stays.

use cluster::Protocol;
use proptest::prelude::*;

use super::super::family_policy::FamilyPolicy;
use super::super::wish::PortWish;
use super::*;
use crate::services::Written;

fn ranges(networks: &[&str]) -> Ranges {
    let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
    Ranges::new(&networks).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("shop", name)
}

fn written_ips(ips: &[&str]) -> Wish {
    let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    Wish { cluster_ips: Written::Addresses(ips), ..Wish::default() }
}

fn port(port: u16, protocol: Protocol, node_port: Option<u16>) -> PortWish {
    PortWish { port, protocol, node_port }
}

fn wishes(rows: &[(&str, Wish)]) -> BTreeMap<ObjectKey, Wish> {
    rows.iter().map(|(name, wish)| (key(name), wish.clone())).collect()
}

#[test]
fn a_name_leads_to_its_address_again() {
    let all = wishes(&[("web", Wish::default()), ("db", Wish::default())]);
    let first = assign(ranges(&["10.96.0.0/12"]), &all, &BTreeMap::new());
    assert_eq!(first, assign(ranges(&["10.96.0.0/12"]), &all, &BTreeMap::new()));
    // Others come and go, and it is restarted: the address is that of the name.
    let alone = assign(
        ranges(&["10.96.0.0/12"]),
        &wishes(&all.iter().map(|(k, w)| (&*k.name, w.clone())).take(1).collect::<Vec<_>>()),
        &BTreeMap::new(),
    );
    assert_eq!(alone.given[&key("db")], first.given[&key("db")]);
    // What a release gave, the next one gives: these are in people's files.
    assert_eq!(first.given[&key("web")].addresses, ["10.108.166.97".parse::<IpAddr>().unwrap()]);
}

#[test]
fn what_is_written_goes_first_and_stays() {
    let free =
        assign(ranges(&["10.0.0.0/24"]), &wishes(&[("web", Wish::default())]), &BTreeMap::new());
    let wanted = free.given[&key("web")].addresses[0].to_string();
    let all = wishes(&[("web", Wish::default()), ("zz", written_ips(&[&wanted]))]);
    let moved = assign(ranges(&["10.0.0.0/24"]), &all, &free.given);
    assert_ne!(moved.given[&key("web")].addresses[0].to_string(), wanted);
    assert!(!moved.given.contains_key(&key("zz")) && moved.problems.is_empty());
    let twice = wishes(&[("a", written_ips(&["10.0.0.9"])), ("b", written_ips(&["10.0.0.9"]))]);
    let twice = assign(ranges(&["10.0.0.0/24"]), &twice, &BTreeMap::new());
    assert_eq!(twice.problems.len(), 1);
    assert_eq!(
        twice.problems[0].text,
        "spec.clusterIP 10.0.0.9 is that of Service shop/a, too; take it out of one of them, which is given another then"
    );
}

#[test]
fn both_families_or_none() {
    let dual = Wish { policy: Some(FamilyPolicy::RequireDualStack), ..Wish::default() };
    let all =
        wishes(&[("a", dual.clone()), ("b", dual.clone()), ("c", dual), ("d", Wish::default())]);
    // Two addresses of IPv6 for three.
    let given = assign(ranges(&["10.0.0.0/28", "fd00::/126"]), &all, &BTreeMap::new());
    assert_eq!(given.given.len(), 4, "{given:?}");
    let small = assign(ranges(&["10.0.0.0/30", "fd00::/120"]), &all, &BTreeMap::new());
    assert_eq!(small.given.len(), 2);
    assert!(small.given.values().all(|given| given.addresses.len() == 2));
    let told: Vec<String> = small.problems.iter().map(|it| it.service.name.to_string()).collect();
    assert_eq!(told, ["c", "d"]);
    assert!(small.problems[0].text.starts_with("no address of IPv4 is free"));
    // A second family beside the one that is written.
    let grown = Wish { policy: Some(FamilyPolicy::PreferDualStack), ..written_ips(&["10.0.0.3"]) };
    let grown =
        assign(ranges(&["10.0.0.0/28", "fd00::/120"]), &wishes(&[("a", grown)]), &BTreeMap::new());
    let addresses = &grown.given[&key("a")].addresses;
    assert_eq!((addresses[0].to_string().as_str(), addresses.len()), ("10.0.0.3", 2));
}

#[test]
fn node_ports_are_given_from_their_upper_band() {
    let node_port = |ports: &[PortWish]| Wish {
        service_type: ServiceType::NodePort,
        ports: ports.to_vec(),
        ..Wish::default()
    };
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    let balanced = Wish {
        service_type: ServiceType::LoadBalancer,
        ports: vec![port(80, tcp, None)],
        ..Wish::default()
    };
    let all = wishes(&[
        ("dns", node_port(&[port(53, tcp, None), port(53, udp, None), port(9153, tcp, None)])),
        ("chosen", node_port(&[port(53, tcp, Some(30_001)), port(53, udp, None)])),
        ("balanced", Wish { allocates_node_ports: true, ..balanced.clone() }),
        ("direct", balanced),
        ("inside", Wish { ports: vec![port(80, tcp, None)], ..Wish::default() }),
    ]);
    let given = assign(ranges(&["10.0.0.0/24"]), &all, &BTreeMap::new());
    let ports = |name: &str| given.given[&key(name)].node_ports.clone();
    let dns = ports("dns");
    assert_eq!(dns[0], dns[1], "one port of two protocols has one node port");
    assert_ne!(dns[0], dns[2]);
    assert!(dns.iter().flatten().all(|port| (30_086..=32_767).contains(port)), "{dns:?}");
    assert_eq!(ports("chosen"), [None, Some(30_001)]);
    assert_eq!((ports("balanced").len(), ports("direct").len(), ports("inside").len()), (1, 0, 0));
    let again = assign(ranges(&["10.0.0.0/24"]), &all, &given.given);
    assert_eq!(again, given);
}

fn wish() -> impl Strategy<Value = Wish> {
    let policy = prop_oneof![
        Just(None),
        Just(Some(FamilyPolicy::PreferDualStack)),
        Just(Some(FamilyPolicy::RequireDualStack)),
    ];
    let ips = prop_oneof![
        4 => Just(Written::Nothing),
        1 => Just(Written::Headless),
        2 => (1u8..14).prop_map(|n| Written::Addresses(vec![IpAddr::from([10, 0, 0, n])])),
    ];
    let kind = prop_oneof![
        Just(ServiceType::ClusterIp),
        Just(ServiceType::NodePort),
        Just(ServiceType::ExternalName)
    ];
    (policy, ips, kind, 0u16..3).prop_map(|(policy, cluster_ips, service_type, ports)| Wish {
        service_type,
        cluster_ips,
        policy,
        ports: (0..ports).map(|n| port(80 + n, Protocol::Tcp, None)).collect(),
        ..Wish::default()
    })
}

proptest! {
    #[test]
    fn no_address_is_given_twice_and_what_was_given_stays(
        first in prop::collection::btree_map(0u8..40, wish(), 0..20),
        second in prop::collection::btree_map(0u8..40, wish(), 0..20),
    ) {
        let named = |map: &BTreeMap<u8, Wish>| -> BTreeMap<ObjectKey, Wish> {
            map.iter().map(|(n, wish)| (key(&format!("s{n}")), wish.clone())).collect()
        };
        let networks = ["10.0.0.0/28", "fd00::/124"];
        let before = assign(ranges(&networks), &named(&first), &BTreeMap::new());
        let both: BTreeMap<ObjectKey, Wish> =
            named(&second).into_iter().chain(named(&first)).collect();
        for (all, assignment) in [
            (named(&first), before.clone()),
            (both.clone(), assign(ranges(&networks), &both, &before.given)),
        ] {
            let mut owners: BTreeMap<IpAddr, &ObjectKey> = BTreeMap::new();
            for (name, wish) in &all {
                let given = assignment.given.get(name).map(|it| it.addresses.clone());
                let given = given.unwrap_or_default();
                for ip in given.iter().filter(|ip| !wish.written().contains(ip)) {
                    prop_assert!(owners.insert(*ip, name).is_none(), "{} twice", ip);
                    let is_written = all.values().any(|other| {
                        other.service_type != ServiceType::ExternalName && other.written().contains(ip)
                    });
                    prop_assert!(!is_written, "{} is somebody's", ip);
                }
                let families = families_of(wish, &Family::ALL).unwrap();
                if !given.is_empty() {
                    prop_assert_eq!(given.iter().map(family_of).collect::<Vec<_>>(), families);
                } else if wish.written().len() < families.len() {
                    prop_assert!(assignment.problems.iter().any(|it| it.service == *name));
                }
            }
        }
        // What was given before stays, unless it is written for another now.
        let after = assign(ranges(&networks), &both, &before.given);
        for (name, given) in before.given.iter().filter(|(name, _)| both[*name] == named(&first)[*name]) {
            let is_written =
                |ip: &IpAddr| both.iter().any(|(of, wish)| of != name && wish.written().contains(ip));
            if !given.addresses.iter().any(is_written) {
                prop_assert_eq!(after.given.get(name), Some(given));
            }
        }
    }
}

/// 100,000 Services, among them some with addresses of the lower band, and a restart that knows what they had.
#[test]
fn a_hundred_thousand_services_are_adopted_again() {
    let mut all: BTreeMap<ObjectKey, Wish> =
        (0..100_000).map(|n| (key(&format!("s{n}")), Wish::default())).collect();
    all.extend(
        (1..=200u8).map(|n| (key(&format!("w{n}")), written_ips(&[&format!("10.96.0.{n}")]))),
    );
    let before = assign(ranges(&["10.96.0.0/12"]), &all, &BTreeMap::new());
    let lower: u32 = u32::from_be_bytes([10, 96, 1, 0]);
    let mut seen = BTreeSet::new();
    for given in before.given.values() {
        let [IpAddr::V4(ip)] = given.addresses[..] else { panic!("{given:?}") };
        assert!(u32::from(ip) > lower && seen.insert(ip), "{ip}");
    }
    assert_eq!((seen.len(), before.problems.len()), (100_000, 0));
    // One more comes: nobody moves.
    all.insert(key("a"), Wish::default());
    let after = assign(ranges(&["10.96.0.0/12"]), &all, &before.given);
    assert_eq!(after.given.len(), 100_001);
    assert!(before.given.iter().all(|(name, given)| after.given[name] == *given));
}
