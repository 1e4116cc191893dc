//! kubelet's own cases as a table, and a second statement of the same meaning.

mod plain;

use std::net::IpAddr;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    files: Vec<File>,
    search_limits: Vec<SearchLimit>,
    nameserver_limits: Vec<NameserverLimit>,
    options: Vec<Options>,
    pods: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    text: String,
    nameservers: String,
    searches: String,
    options: String,
    fails: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchLimit {
    searches: String,
    applied: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameserverLimit {
    nameservers: String,
    applied: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    base: String,
    more: String,
    merged: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Case {
    name: String,
    policy: String,
    host_network: bool,
    host: Option<String>,
    cluster_dns: String,
    cluster_domain: Option<String>,
    node_ips: String,
    config: Option<Config>,
    nameservers: String,
    searches: String,
    options: String,
    warnings: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    nameservers: String,
    searches: String,
    options: String,
}

fn table() -> Table {
    serde_saphyr::from_str(include_str!("tests/kubelet.yaml")).unwrap()
}

/// Returns the words of a text; `A*3` is `AAA`.
fn words(text: &str) -> Vec<String> {
    let word = |word: &str| match word.split_once('*') {
        Some((letter, count)) => letter.repeat(count.parse().unwrap()),
        None => word.to_owned(),
    };
    text.split(' ').filter(|text| !text.is_empty()).map(word).collect()
}

fn ips(text: &str) -> Vec<IpAddr> {
    words(text).iter().map(|word| word.parse().unwrap()).collect()
}

fn options(text: &str) -> Vec<DnsOption> {
    let option = |word: String| match word.split_once('=') {
        Some((name, value)) => DnsOption { name: name.into(), value: Some(value.into()) },
        None => DnsOption { name: word, value: None },
    };
    words(text).into_iter().map(option).collect()
}

/// Returns a node of the given host file.
fn node(host: Option<HostResolver>) -> NodeDns {
    let cluster_domain = "kubernetes.io".to_owned();
    NodeDns { cluster_dns: Vec::new(), cluster_domain, host, node_ips: Vec::new() }
}

fn pod(policy: &str) -> PodDns {
    PodDns {
        namespace: "testNS".to_owned(),
        name: "test_pod".to_owned(),
        uid: "10000".to_owned(),
        policy: DnsPolicy::of_word(policy),
        ..PodDns::default()
    }
}

fn lines(warnings: &[Warning]) -> Vec<String> {
    let line =
        |warning: &Warning| format!("{} {} {}", warning.subject, warning.reason, warning.message);
    warnings.iter().map(line).collect()
}

#[test]
fn host_files_are_read_as_by_kubelet() {
    for case in table().files {
        let expected = HostResolver {
            nameservers: words(&case.nameservers),
            searches: words(&case.searches),
            options: words(&case.options),
        };
        let read = HostResolver::parse(case.text.as_bytes());
        assert_eq!(read.ok(), (!case.fails).then_some(expected), "{:?}", case.text);
    }
}

#[test]
fn search_lists_fit_the_limits() {
    let before = "Search Line limits were exceeded, some search paths have been omitted, \
                  the applied search line is: ";
    for SearchLimit { searches, applied } in table().search_limits {
        let given = words(&searches);
        let host = HostResolver { searches: given.clone(), ..HostResolver::default() };
        let (settings, warnings) = resolv_conf(&pod("Default"), &node(Some(host)));
        let expected = applied.as_deref().map(words);
        let message = expected
            .as_ref()
            .map(|applied| format!("pod DNSConfigForming {before}{}", applied.join(" ")));
        assert_eq!(settings.searches, expected.unwrap_or(given), "{searches}");
        assert_eq!(lines(&warnings), message.into_iter().collect::<Vec<_>>(), "{searches}");
    }
}

#[test]
fn nameservers_fit_the_limits() {
    for NameserverLimit { nameservers, applied } in table().nameserver_limits {
        let given = words(&nameservers);
        let host = HostResolver { nameservers: given.clone(), ..HostResolver::default() };
        let (settings, warnings) = resolv_conf(&pod("Default"), &node(Some(host)));
        let expected = applied.as_deref().map(words);
        assert_eq!(warnings.len(), usize::from(expected.is_some()), "{nameservers}");
        assert_eq!(settings.nameservers, expected.unwrap_or(given), "{nameservers}");
    }
}

#[test]
fn options_are_merged_by_name() {
    for Options { base, more, merged } in table().options {
        let host = HostResolver { options: words(&base), ..HostResolver::default() };
        let config = PodDnsConfig { options: options(&more), ..PodDnsConfig::default() };
        let pod = PodDns { config: Some(config), ..pod("Default") };
        let (settings, _) = resolv_conf(&pod, &node(Some(host)));
        assert_eq!(settings.options, words(&merged), "{base} + {more}");
    }
}

#[test]
fn pods_get_what_kubelet_gives_them() {
    for case in table().pods {
        let config = case.config.map(|config| PodDnsConfig {
            nameservers: words(&config.nameservers),
            searches: words(&config.searches),
            options: options(&config.options),
        });
        let pod = PodDns { host_network: case.host_network, config, ..pod(&case.policy) };
        let host = case.host.map(|text| HostResolver::parse(text.as_bytes()).unwrap());
        let node = NodeDns {
            cluster_dns: ips(&case.cluster_dns),
            node_ips: ips(&case.node_ips),
            cluster_domain: case.cluster_domain.unwrap_or_else(|| "kubernetes.io".to_owned()),
            host,
        };
        let (settings, warnings) = resolv_conf(&pod, &node);
        let expected = ResolvConf {
            nameservers: words(&case.nameservers),
            searches: words(&case.searches),
            options: words(&case.options),
        };
        assert_eq!(settings, expected, "{}", case.name);
        assert_eq!(lines(&warnings), case.warnings, "{}", case.name);
    }
}
