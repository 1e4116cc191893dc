//! Every line of a `kubernetes` block, good and bad.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::corefile::{self, Files};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn parse(block: &str) -> Result<KubernetesConfig, String> {
    let text = format!(". {{\n{block}\n}}\n");
    let corefile =
        corefile::parse(Path::new("Corefile"), text.as_bytes(), &NoFiles, &|_| None).unwrap();
    let directives: Vec<&Directive> = corefile.blocks[0].directives.iter().collect();
    let root = LowerName::new(&hickory_proto::rr::Name::root());
    KubernetesConfig::parse(&directives, &[root]).map_err(|error| error.to_string())
}

fn options(lines: &str) -> KubernetesConfig {
    parse(&format!("kubernetes cluster.local {{\n{lines}\n}}")).unwrap()
}

#[test]
fn each_option_is_read() {
    let names = |zones: &[LowerName]| zones.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&parse("kubernetes").unwrap().zones), ["."]);
    let zones = parse("kubernetes Cluster.Local 10.0.0.0/16").unwrap().zones;
    assert_eq!(names(&zones), ["cluster.local.", "0.10.in-addr.arpa."]);
    assert_eq!(options("").options, crate::kubernetes::ZoneOptions::default());
    assert_eq!(options("pods insecure").options.pods, PodMode::Insecure);
    assert_eq!(options("pods verified").options.pods, PodMode::Verified);
    assert_eq!(options("ttl 0").options.ttl, 0);
    assert_eq!(options("ttl 3600").options.ttl, 3600);
    assert!(options("endpoint_pod_names").options.endpoint_pod_names);
    assert!(options("noendpoints").options.no_endpoints);
    assert!(options("ignore empty_service").options.ignore_empty_service);
    assert!(options("strict").options.strict);
    assert!(options("zonal").options.zonal);
    assert_eq!(
        names(&options("multicluster Cluster.local").options.multicluster),
        ["cluster.local."]
    );
    assert_eq!(options("namespaces a b\nnamespaces c").namespaces().unwrap().len(), 3);
    assert_eq!(options("namespace_labels team=a").namespace_labels.to_string(), "team in (a)");
    assert_eq!(options("labels app in (web, hl)").labels.to_string(), "app in (hl,web)");
    assert_eq!(options("startup_timeout 30s").startup_timeout, Duration::from_secs(30));
    assert_eq!(options("apiserver_qps 7\napiserver_burst 9").client_limits.burst, Some(9));
    assert_eq!(options("apiserver_max_inflight 3").client_limits.max_inflight, Some(3));
}

#[test]
fn each_origin_is_read() {
    let in_cluster = options("").origin;
    assert_eq!(in_cluster, ClusterOrigin::InCluster);
    assert_eq!(options("manifests /m").origin, ClusterOrigin::Manifests("/m".into()));
    let kubeconfig = ClusterOrigin::Kubeconfig { file: "/k".into(), context: Some("c".into()) };
    assert_eq!(options("kubeconfig /k c").origin, kubeconfig);
    let tls = Some(TlsFiles { cert: "c".into(), key: "k".into(), ca: "a".into() });
    let endpoint = ClusterOrigin::Endpoint { url: "https://1.2.3.4:6443".into(), tls };
    assert_eq!(options("tls c k a\nendpoint https://1.2.3.4:6443").origin, endpoint);
    let plain = ClusterOrigin::Endpoint { url: "http://1.2.3.4:8080".into(), tls: None };
    assert_eq!(options("endpoint 1.2.3.4:8080").origin, plain);
    assert_eq!(options("endpoint 1.2.3.4:8080 5.6.7.8:8080").origin, plain, "the first of several");
}

#[test]
fn fallthrough_is_for_all_names_or_some() {
    let through = |config: &KubernetesConfig, name: &str| {
        config.fallthrough.lets_through(&name.parse().unwrap())
    };
    assert!(!through(&options(""), "a.cluster.local."));
    assert!(through(&options("fallthrough"), "a.cluster.local."));
    let reverse = options("fallthrough in-addr.arpa ip6.arpa");
    assert!(through(&reverse, "1.in-addr.arpa.") && !through(&reverse, "a.cluster.local."));
}

#[test]
fn every_mistake_names_its_line() {
    let cases = [
        ("ttl 3601", "out of range"),
        ("ttl -1", "no whole number"),
        ("ttl", "needs an argument"),
        ("pods", "needs an argument"),
        ("pods sometimes", "disabled, insecure or verified"),
        ("ignore all", "only `empty_service`"),
        ("labels", "at least one argument"),
        ("labels a b", "invalid label selector"),
        ("namespaces", "at least one argument"),
        ("noendpoints yes", "takes no argument"),
        ("endpoint", "write `endpoint URL`"),
        ("endpoint ftp://x", "https://HOST:PORT"),
        ("kubeconfig", "kubeconfig FILE [CONTEXT]"),
        ("kubeconfig a\nmanifests b", "objects come from one place"),
        ("tls a b", "three files"),
        ("startup_timeout soon", "no duration"),
        ("fallthrough a..b", "Corefile:3"),
        ("apiserver_qps 0", "out of range"),
        ("upstream", "removed"),
        ("resyncperiod 1m", "removed"),
        ("transfer to *", "replaced by the plugin `transfer`"),
        ("federation x", "`multicluster ZONES` serves"),
        ("multicluster x", "'x.' is no zone of this block"),
        ("multicluster", "at least one argument"),
        ("zonal yes", "takes no argument"),
        ("zonal\nnoendpoints", "keep one of the two"),
        ("nonsense", "unknown property 'nonsense'"),
    ];
    for (line, expected) in cases {
        let error = parse(&format!("kubernetes cluster.local {{\n{line}\n}}")).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
        assert!(error.starts_with("Corefile:"), "{line}: {error}");
        assert!(error.contains(" - Error during parsing: "), "{line}: {error}");
    }
    let whole = [
        ("kubernetes a..b", "a..b"),
        ("kubernetes a\nkubernetes b", "only be used once"),
        ("kubernetes {\nnamespaces a\nnamespace_labels b=c\n}", "exclude each other"),
        ("kubernetes {\ntls a b c\n}", "needs `endpoint URL`"),
    ];
    for (block, expected) in whole {
        let error = parse(block).unwrap_err();
        assert!(error.contains(expected), "{block}: {error}");
    }
}

#[test]
fn ranges_of_services_are_for_manifests() {
    let ranges = |lines: &str| -> Vec<String> {
        options(lines).service_ranges.iter().map(ToString::to_string).collect()
    };
    assert_eq!(ranges("manifests x"), ["10.96.0.0/12", "fd00:10:96::/112"]);
    assert_eq!(
        ranges("service_cidrs fd00::/120 10.0.0.0/24\nmanifests x"),
        ["fd00::/120", "10.0.0.0/24"]
    );
    assert_eq!(ranges("manifests x\nservice_cidrs none"), [""; 0]);
    assert_eq!(ranges("kubeconfig x"), [""; 0]);
    for (lines, words) in [
        ("service_cidrs none", "needs `manifests PATH` beside it"),
        ("manifests x\nservice_cidrs none\nservice_cidrs none", "stands twice"),
        ("manifests x\nservice_cidrs 10.0.0.1/24", "10.0.0.1/24 has host bits; write 10.0.0.0/24"),
        ("manifests x\nservice_cidrs fd00::/48", "fd00::/48 is too large"),
        ("manifests x\nservice_cidrs ten", "\"ten\" is no network; write for example 10.96.0.0/12"),
    ] {
        let error = parse(&format!("kubernetes cluster.local {{\n{lines}\n}}")).unwrap_err();
        assert!(error.contains(words), "{lines}: {error}");
    }
}
