//! Answers recorded from CoreDNS on a Kubernetes API server: every row agrees, over UDP and TCP, from
//! manifests and from an API server.

use std::fs;

use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::recorded::{Transport, check, corefile};
use portolan_tests::server::Server;
use portolan_tests::stage::Stage;
use portolan_tests::upstream::Upstream;
use test_apiserver::Flavour;

fn check_manifests(variant: &str, rows: usize) {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let origin = format!("manifests {}", fixture("dns-cases/cluster.yaml").display());
    let server = Server::start(&corefile(variant, upstream.address, &origin));
    check(server.address(), variant, rows, Transport::Both);
}

macro_rules! variants {
    ($($test:ident $variant:literal $rows:literal)*) => {$(
        #[test]
        fn $test() {
            inside(stringify!($test), || check_manifests($variant, $rows));
        }
    )*};
}

variants! {
    kubeadm "kubeadm" 5580
    empty_service "empty-service" 965
    labels "labels" 965
    namespaces "namespaces" 965
    noendpoints "noendpoints" 965
    other_zone "other-zone" 959
    pod_names "pod-names" 965
    pods_disabled "pods-disabled" 965
    nodelocal_style "nodelocal-style" 965
    pods_verified "pods-verified" 965
}

/// The objects of the recording, served by an API server: its answers are those from manifests.
#[test]
fn kubeadm_from_an_api_server() {
    inside("kubeadm_from_an_api_server", || {
        let reason = "the recorded objects have fixed namespaces and addresses";
        let Some(stage) = Stage::in_process(reason) else { return };
        let objects = fs::read_to_string(fixture("dns-cases/cluster.yaml")).unwrap();
        stage.server().apply_yaml(&objects).unwrap();
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let origin = stage.access(Flavour::Token);
        let server = Server::start(&corefile("kubeadm", upstream.address, &origin));
        check(server.address(), "kubeadm", 5580, Transport::Udp);
    });
}
