//! Bridges, and links that lead to addresses.

use portolan_netfilter::Links;

use crate::namespace::{inside, run};

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

#[test]
fn bridges_and_routes_are_those_that_ip_made() {
    inside("links::bridges_and_routes_are_those_that_ip_made", || {
        ip("link add br0 type bridge");
        ip("link add br1 type bridge nf_call_iptables 1");
        ip("link add d0 type veth peer name d1");
        for link in ["br0", "d0", "d1"] {
            ip(&format!("link set {link} up"));
        }
        ip("addr add 10.1.0.1/24 dev br0");
        ip("-6 addr add fd00:1::1/64 dev d0 nodad");
        let mut links = Links::open().unwrap();
        let bridges = links.bridges().unwrap();
        let names: Vec<&str> = bridges.iter().map(|bridge| bridge.name.as_str()).collect();
        assert_eq!(names, ["br0", "br1"]);
        assert!(!bridges[0].calls_ip4 && bridges[1].calls_ip4 && !bridges[1].calls_ip6);
        let mut leads_to = |address: &str| links.leads_to(address.parse().unwrap()).unwrap();
        assert_eq!(leads_to("10.1.0.77"), Some(bridges[0].index));
        assert!(leads_to("fd00:1::7").is_some_and(|link| link != bridges[0].index));
        assert_eq!(leads_to("10.2.0.1"), None);
    });
}
