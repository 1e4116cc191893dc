//! The `resolv.conf` of a Pod: what its `dnsPolicy` and `dnsConfig` make of a node's settings, as kubelet does it
//! (`pkg/kubelet/network/dns` of Kubernetes 1.36).
//!
//! [`resolv_conf`] is a function of the Pod and the node. [`HostResolver::parse`] reads the node's own file as kubelet
//! does, and [`validate`] says what an API server refuses about a Pod.
//!
//! ```text
//!  dnsPolicy, hostNetwork ─► base: cluster, host or nothing ─► + dnsConfig ─► limits ─► resolv.conf, warnings
//! ```

mod host;
mod limits;
mod merge;
mod render;
mod validate;
mod warning;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

pub use host::{HostFileError, HostResolver, MAX_HOST_FILE};
pub use limits::{MAX_NAMESERVERS, MAX_SEARCH, MAX_SEARCH_LIST, MAX_SEARCHES, check_host_limits};
pub use validate::{Mistake, validate};
pub use warning::{Reason, Subject, Warning};

/// The options of a Pod that asks the cluster's DNS; those of the host are not taken over.
const CLUSTER_OPTIONS: &str = "ndots:5";

/// Which resolver a Pod asks for (`spec.dnsPolicy`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DnsPolicy {
    /// The cluster's DNS; the node's resolver for Pods on the node's network.
    #[default]
    ClusterFirst,
    /// The cluster's DNS, on the node's network, too.
    ClusterFirstWithHostNet,
    /// The node's resolver.
    Default,
    /// What `dnsConfig` says and nothing else.
    None,
    /// A word that is no policy. API servers refuse it; kubelet would take it for the cluster's DNS.
    Invalid(String),
}

impl DnsPolicy {
    /// The words of the policies.
    pub const WORDS: [&str; 4] = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

    /// Reads the word of a manifest. Without one, or with an empty one, API servers write `ClusterFirst`.
    pub fn of_word(word: &str) -> Self {
        match word {
            "" | "ClusterFirst" => Self::ClusterFirst,
            "ClusterFirstWithHostNet" => Self::ClusterFirstWithHostNet,
            "Default" => Self::Default,
            "None" => Self::None,
            other => Self::Invalid(other.to_owned()),
        }
    }
}

/// What of a Pod decides about its `resolv.conf`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PodDns {
    /// `metadata.namespace`: the first search domain of the cluster's names.
    pub namespace: String,
    /// `metadata.name`, for messages.
    pub name: String,
    /// `metadata.uid`, for messages; may be empty.
    pub uid: String,
    /// `spec.dnsPolicy`.
    pub policy: DnsPolicy,
    /// `spec.hostNetwork`: the Pod shares the node's network.
    pub host_network: bool,
    /// `spec.dnsConfig`.
    pub config: Option<PodDnsConfig>,
}

/// `spec.dnsConfig` of a Pod: what is added to the base that the policy chooses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PodDnsConfig {
    /// Addresses, added behind those of the base.
    pub nameservers: Vec<String>,
    /// Search domains, added behind those of the base.
    pub searches: Vec<String>,
    /// Options, which replace those of the same name.
    pub options: Vec<DnsOption>,
}

/// An option of the resolver (`resolv.conf(5)`), such as `ndots:2` or `edns0`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsOption {
    /// The word before the colon.
    pub name: String,
    /// What is behind it; none for options that are only a word.
    pub value: Option<String>,
}

/// The settings of a node, as kubelet's configuration has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDns {
    /// `clusterDNS`: where the cluster's DNS is, in this order.
    pub cluster_dns: Vec<IpAddr>,
    /// `clusterDomain`; empty for a cluster without one, whose Pods get no search domains for it.
    pub cluster_domain: String,
    /// What `resolvConf` names; none when it is the empty string.
    pub host: Option<HostResolver>,
    /// The node's addresses, one of each family. They only count without a `host`.
    pub node_ips: Vec<IpAddr>,
}

/// The content of a Pod's `/etc/resolv.conf`; `Display` writes the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResolvConf {
    /// Addresses of servers, asked in this order.
    pub nameservers: Vec<String>,
    /// Domains that are put behind short names, in this order.
    pub searches: Vec<String>,
    /// Options as the file has them (`ndots:5`).
    pub options: Vec<String>,
}

impl ResolvConf {
    /// Says whether there is nothing in it. Container runtimes then give the Pod the node's `/etc/resolv.conf`.
    pub fn is_empty(&self) -> bool {
        self.nameservers.is_empty() && self.searches.is_empty() && self.options.is_empty()
    }
}

/// Where the settings of a Pod begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Cluster,
    Host,
    Nothing,
}

/// Returns the `resolv.conf` of a Pod on a node, and the warnings that kubelet writes as events, in its order.
///
/// The Pod need not be [valid](validate). Options keep the order in which their names come first; kubelet's order
/// of them changes at random.
pub fn resolv_conf(pod: &PodDns, node: &NodeDns) -> (ResolvConf, Vec<Warning>) {
    let mut warnings = Vec::new();
    let mut settings = match base(pod, &mut warnings) {
        Base::Nothing => ResolvConf::default(),
        Base::Cluster if node.cluster_dns.is_empty() => {
            warnings.extend(warning::missing_cluster_dns(pod));
            of_host(node)
        }
        Base::Cluster => of_cluster(pod, node),
        Base::Host => of_host(node),
    };
    if let Some(config) = &pod.config {
        settings = merge::with_config(settings, config);
    }
    let settings = limits::fit(settings, &mut warnings);
    (settings, warnings)
}

fn base(pod: &PodDns, warnings: &mut Vec<Warning>) -> Base {
    match &pod.policy {
        DnsPolicy::None => Base::Nothing,
        DnsPolicy::ClusterFirstWithHostNet => Base::Cluster,
        DnsPolicy::ClusterFirst if !pod.host_network => Base::Cluster,
        DnsPolicy::ClusterFirst | DnsPolicy::Default => Base::Host,
        DnsPolicy::Invalid(word) => {
            warnings.push(warning::invalid_policy(word));
            Base::Cluster
        }
    }
}

fn of_cluster(pod: &PodDns, node: &NodeDns) -> ResolvConf {
    let host = node.host.as_ref().map(|host| host.searches.clone()).unwrap_or_default();
    let domain = &node.cluster_domain;
    let searches = if domain.is_empty() {
        host
    } else {
        let namespace = format!("{}.svc.{domain}", pod.namespace);
        let cluster = [namespace, format!("svc.{domain}"), domain.clone()];
        merge::without_duplicates(cluster.into_iter().chain(host))
    };
    ResolvConf {
        nameservers: node.cluster_dns.iter().map(|ip| ip.to_canonical().to_string()).collect(),
        searches,
        options: vec![CLUSTER_OPTIONS.to_owned()],
    }
}

/// Returns the host's settings. A kubelet without a file says what a resolver without one does: ask the machine
/// that it runs on, and no search domains.
fn of_host(node: &NodeDns) -> ResolvConf {
    if let Some(HostResolver { nameservers, searches, options }) = node.host.clone() {
        return ResolvConf { nameservers, searches, options };
    }
    let loopback = |ip: &IpAddr| if ip.to_canonical().is_ipv6() { "::1" } else { "127.0.0.1" };
    let mut nameservers: Vec<String> =
        node.node_ips.iter().map(|ip| loopback(ip).to_owned()).collect();
    if nameservers.is_empty() {
        nameservers.push("127.0.0.1".to_owned());
    }
    ResolvConf { nameservers, searches: vec![".".to_owned()], options: Vec::new() }
}

impl fmt::Display for DnsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterFirst => "ClusterFirst",
            Self::ClusterFirstWithHostNet => "ClusterFirstWithHostNet",
            Self::Default => "Default",
            Self::None => "None",
            Self::Invalid(word) => word,
        })
    }
}
