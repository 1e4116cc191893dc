//! Services of manifests get addresses, as an API server would give them, and DNS answers with them.

use std::net::IpAddr;

use portolan_tests::dig::dig;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::until;

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: shop}
spec: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: chosen, namespace: shop}
spec: {clusterIP: 192.0.2.7, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, ports: [{port: 80}]}
";

fn corefile(manifests: &std::path::Path, option: &str) -> String {
    format!(
        ".:0 {{\nkubernetes cluster.local in-addr.arpa {{\nmanifests {}\n{option}\n}}\n}}\n",
        manifests.display()
    )
}

/// The data of the records of a type at a Service.
fn addresses(server: &Server, service: &str, kind: &str) -> Vec<String> {
    let answer = dig(server.address(), &format!("{service}.shop.svc.cluster.local {kind}"));
    assert_eq!(answer.status, "NOERROR", "{service} {kind}");
    answer.answer_data().into_iter().map(str::to_owned).collect()
}

fn only(mut list: Vec<String>) -> String {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

#[test]
fn services_of_manifests_get_addresses_that_stay() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    write(&manifests, SERVICES);
    let server = Server::start(&corefile(&manifests, ""));
    let web = only(addresses(&server, "web", "A"));
    let in_range = |ip: &str| {
        let ip: IpAddr = ip.parse().unwrap();
        matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10 && ip.octets()[1] & 0xf0 == 96)
    };
    assert!(in_range(&web), "{web}");
    assert_eq!(addresses(&server, "web", "AAAA"), [""; 0]);
    assert!(in_range(&only(addresses(&server, "both", "A"))));
    assert!(only(addresses(&server, "both", "AAAA")).starts_with("fd00:10:96::"));
    assert_eq!(addresses(&server, "chosen", "A"), ["192.0.2.7"]);
    let headless = dig(server.address(), "headless.shop.svc.cluster.local");
    assert_eq!(headless.answer, [""; 0], "it has no address, and no endpoint");
    let reversed: Vec<&str> = web.rsplit('.').collect();
    let name = dig(server.address(), &format!("{}.in-addr.arpa PTR", reversed.join(".")));
    assert_eq!(name.answer_data(), ["web.shop.svc.cluster.local."]);

    // Somebody else writes the address down: the Service gets another, and what it had is the other's.
    let taker = format!(
        "{SERVICES}---\napiVersion: v1\nkind: Service\nmetadata: {{name: taker, namespace: shop}}\n\
         spec: {{clusterIP: {web}, ports: [{{port: 80}}]}}\n"
    );
    write(&manifests, &taker);
    let ask = || dig(server.address(), "taker.shop.svc.cluster.local").status;
    until("the address is another's", ask, |status| status == "NOERROR");
    assert_eq!(addresses(&server, "taker", "A"), std::slice::from_ref(&web));
    let moved = only(addresses(&server, "web", "A"));
    assert!(moved != web && in_range(&moved), "{moved}");

    // A restart leads to the same addresses.
    drop(server);
    write(&manifests, SERVICES);
    let server = Server::start(&corefile(&manifests, ""));
    assert_eq!(addresses(&server, "web", "A"), [web]);
}

#[test]
fn the_ranges_are_those_of_the_option() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    write(&manifests, SERVICES);
    let server = Server::start(&corefile(&manifests, "service_cidrs 198.51.100.0/24"));
    assert!(only(addresses(&server, "web", "A")).starts_with("198.51.100."));
    // It requires both families, and there is a range of one: it gets none.
    assert_eq!(addresses(&server, "both", "A"), [""; 0]);
    let server = Server::start(&corefile(&manifests, "service_cidrs none"));
    assert_eq!(addresses(&server, "web", "A"), [""; 0]);
    assert_eq!(addresses(&server, "chosen", "A"), ["192.0.2.7"]);
}
