//! The meaning of `dnsPolicy` once more, stated as a table of policies and as what a resolver would find, and held
//! equal to [`resolv_conf`].

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::*;

/// Few words, so that they meet; some that are too long, so that limits are met.
fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b.c", "svc.k", "k", "n.svc.k", "."]).prop_map(str::to_owned),
        2 => "[a-z]{1,3}",
        1 => (100_usize..255).prop_map(|length| "x".repeat(length)),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "::ffff:192.0.2.1"];
    prop::sample::select(addresses.map(|text| text.parse().unwrap()).to_vec())
}

fn option_word() -> impl Strategy<Value = (String, Option<String>)> {
    let name = prop::sample::select(vec!["ndots", "edns0", "rotate", "timeout"]);
    (name.prop_map(str::to_owned), option::of("[0-9]{0,1}"))
}

fn host() -> impl Strategy<Value = HostResolver> {
    let parts = (vec(address(), 0..5), vec(domain(), 0..36), vec(option_word(), 0..5));
    parts.prop_map(|(nameservers, searches, options)| HostResolver {
        nameservers: nameservers.iter().map(ToString::to_string).collect(),
        searches,
        options: options
            .into_iter()
            .map(|(name, value)| written(&name, value.as_deref()))
            .collect(),
    })
}

fn config() -> impl Strategy<Value = PodDnsConfig> {
    let parts = (vec(address(), 0..5), vec(domain(), 0..36), vec(option_word(), 0..5));
    parts.prop_map(|(nameservers, searches, options)| PodDnsConfig {
        nameservers: nameservers.iter().map(ToString::to_string).collect(),
        searches,
        options: options.into_iter().map(|(name, value)| DnsOption { name, value }).collect(),
    })
}

fn pod() -> impl Strategy<Value = PodDns> {
    let words = vec!["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None", "other"];
    let parts = (prop::sample::select(words), any::<bool>(), option::of(config()));
    parts.prop_map(|(word, host_network, config)| PodDns {
        namespace: "n".to_owned(),
        policy: DnsPolicy::of_word(word),
        host_network,
        config,
        ..PodDns::default()
    })
}

fn node() -> impl Strategy<Value = NodeDns> {
    let domain = prop::sample::select(vec!["", "k"]);
    let parts = (vec(address(), 0..3), domain, option::of(host()), vec(address(), 0..3));
    parts.prop_map(|(cluster_dns, domain, host, node_ips)| NodeDns {
        cluster_dns,
        cluster_domain: domain.to_owned(),
        host,
        node_ips,
    })
}

fn written(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{name}:{value}"),
        None => name.to_owned(),
    }
}

/// Says whether a Pod asks the cluster's DNS, and whether it has any base: one row for each policy.
fn asks_cluster_and_has_base(pod: &PodDns, node: &NodeDns) -> (bool, bool) {
    let knows = !node.cluster_dns.is_empty();
    match (pod.policy.to_string().as_str(), pod.host_network) {
        ("None", _) => (false, false),
        ("Default", _) | ("ClusterFirst", true) => (false, true),
        _ => (knows, true),
    }
}

/// Returns the nameservers, searches and options before any limit, duplicates included.
fn listed(pod: &PodDns, node: &NodeDns) -> [Vec<String>; 3] {
    let mut lists: [Vec<String>; 3] = Default::default();
    let (asks_cluster, has_base) = asks_cluster_and_has_base(pod, node);
    let host_searches = || node.host.iter().flat_map(|host| host.searches.clone());
    if asks_cluster {
        let address = |ip: &IpAddr| match ip {
            IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(ip.to_string(), |ip| ip.to_string()),
            IpAddr::V4(ip) => ip.to_string(),
        };
        lists[0].extend(node.cluster_dns.iter().map(address));
        if !node.cluster_domain.is_empty() {
            lists[1].extend(["n.svc.k", "svc.k", "k"].map(str::to_owned));
        }
        lists[1].extend(host_searches());
        lists[2].push("ndots:5".to_owned());
    } else if let (true, Some(host)) = (has_base, &node.host) {
        lists = [host.nameservers.clone(), host.searches.clone(), host.options.clone()];
    } else if has_base {
        let is_v4 = |text: &str| text.contains('.');
        let local =
            |ip: &IpAddr| if is_v4(&ip.to_string()) { "127.0.0.1" } else { "::1" }.to_owned();
        lists[0].extend(node.node_ips.iter().map(local));
        if lists[0].is_empty() {
            lists[0].push("127.0.0.1".to_owned());
        }
        lists[1].push(".".to_owned());
    }
    if let Some(config) = &pod.config {
        lists[0].extend(config.nameservers.clone());
        lists[1].extend(config.searches.clone());
        let more = config.options.iter().map(|o| written(&o.name, o.value.as_deref()));
        lists[2].extend(more);
    }
    lists
}

/// Keeps a word only where no equal one is before it.
fn first_of_each(list: &[String]) -> Vec<String> {
    let at = |at: usize| list[..at].contains(&list[at]);
    (0..list.len()).filter(|index| !at(*index)).map(|index| list[index].clone()).collect()
}

/// Returns what may be left of a search list: the longest beginning of its good words that a line can hold.
fn that_fit(list: &[String]) -> Vec<String> {
    let good: Vec<String> = list.iter().take(32).filter(|word| word.len() < 254).cloned().collect();
    let fits = |count: &usize| good[..*count].join(" ").len() <= 2048;
    let count = (0..=good.len()).rev().find(fits).unwrap();
    good[..count].to_vec()
}

/// Returns the value that a resolver finds for an option: of all with its name the last.
fn value_of<'a>(list: &'a [String], name: &str) -> Option<&'a str> {
    let found = list.iter().rev().find(|word| word.split(':').next() == Some(name))?;
    Some(found[name.len()..].trim_start_matches(':'))
}

proptest! {
    #[test]
    fn both_statements_are_equal(pod in pod(), node in node()) {
        let (settings, warnings) = resolv_conf(&pod, &node);
        let [nameservers, mut searches, options] = listed(&pod, &node);
        let (asks_cluster, has_base) = asks_cluster_and_has_base(&pod, &node);

        // Lists that two sides put together have no duplicates; those of the host alone stay as they are.
        let is_joined = pod.config.is_some();
        if is_joined || asks_cluster && !node.cluster_domain.is_empty() {
            searches = first_of_each(&searches);
        }
        let nameservers = if is_joined { first_of_each(&nameservers) } else { nameservers };
        prop_assert_eq!(&settings.nameservers, &nameservers[..nameservers.len().min(3)]);
        prop_assert_eq!(&settings.searches, &that_fit(&searches));

        if is_joined {
            let names: Vec<String> =
                options.iter().map(|word| word.split(':').next().unwrap().to_owned()).collect();
            let expected: Vec<String> = first_of_each(&names).iter().map(|name| {
                match value_of(&options, name) {
                    None | Some("") => name.clone(),
                    Some(value) => format!("{name}:{value}"),
                }
            }).collect();
            prop_assert_eq!(&settings.options, &expected);
        } else {
            prop_assert_eq!(&settings.options, &options);
        }

        // Whatever is left out is said, and nothing else.
        let said = |reason: Reason| warnings.iter().filter(|w| w.reason == reason).count();
        let cuts = usize::from(settings.nameservers.len() < nameservers.len())
            + usize::from(settings.searches.len() < searches.len());
        prop_assert_eq!(said(Reason::DnsConfigForming), cuts);
        let wants_cluster = has_base && pod.policy != DnsPolicy::Default
            && !(pod.policy == DnsPolicy::ClusterFirst && pod.host_network);
        let is_missing = wants_cluster && node.cluster_dns.is_empty();
        prop_assert_eq!(said(Reason::MissingClusterDns), if is_missing { 2 } else { 0 });
    }

    #[test]
    fn what_is_written_is_read_again(pod in pod(), node in node()) {
        let (settings, _) = resolv_conf(&pod, &node);
        let read = HostResolver::parse(settings.to_string().as_bytes()).unwrap();
        prop_assert_eq!(read.nameservers, settings.nameservers);
        let searches: Vec<String> = settings.searches.into_iter().filter(|d| d != ".").collect();
        prop_assert_eq!(read.searches, searches);
    }

    #[test]
    fn any_octets_are_a_file_or_an_error(file in vec(any::<u8>(), 0..400)) {
        let _ = HostResolver::parse(&file);
    }
}
