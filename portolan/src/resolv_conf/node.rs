//! The node's settings: flags, a kubelet configuration, and the node's own `resolv.conf`.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use cluster_source::Written;
use dns::pod_dns::{HostResolver, MAX_HOST_FILE, NodeDns, Warning, check_host_limits};
use serde::Deserialize;

use super::pod::text_of;
use crate::cli::ResolvConfArguments;

/// The kind of a kubelet's configuration.
const KUBELET: (&str, &str) = ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration");

/// What kubelet reads when `resolvConf` is not set.
const DEFAULT_FILE: &str = "/etc/resolv.conf";

/// The domain when neither a flag nor a kubelet's configuration is there to name it: that of kubeadm.
const DEFAULT_DOMAIN: &str = "cluster.local";

/// A node, and what kubelet says about its file.
#[derive(Debug)]
pub(super) struct Node {
    /// The settings.
    pub settings: NodeDns,
    /// What is wrong with the node's file and does not keep Pods from starting.
    pub warnings: Vec<Warning>,
}

/// What of a kubelet's configuration counts.
#[derive(Deserialize, Default, Debug)]
struct Kubelet {
    #[serde(rename = "clusterDNS")]
    cluster_dns: Option<Vec<String>>,
    #[serde(rename = "clusterDomain")]
    cluster_domain: Option<String>,
    #[serde(rename = "resolvConf")]
    resolv_conf: Option<PathBuf>,
}

/// Returns the settings: a flag, else the kubelet's configuration, else kubelet's default.
///
/// # Errors
/// The configuration or the node's file cannot be read. The file is read whatever the policy is: kubelet starts no Pod
/// on a node whose file it cannot read.
pub(super) fn settings(arguments: &ResolvConfArguments) -> Result<Node> {
    let kubelet = match &arguments.kubelet_config {
        Some(file) => kubelet(file)?,
        None => Kubelet { cluster_domain: Some(DEFAULT_DOMAIN.to_owned()), ..Kubelet::default() },
    };
    let domain = arguments.cluster_domain.clone().or(kubelet.cluster_domain).unwrap_or_default();
    let cluster_dns = match &arguments.cluster_dns {
        Some(addresses) => addresses.clone(),
        None => addresses(kubelet.cluster_dns.unwrap_or_default(), arguments)?,
    };
    let file = arguments.resolv_conf.clone().or(kubelet.resolv_conf);
    let file = file.unwrap_or_else(|| DEFAULT_FILE.into());
    let is_none = file.as_os_str().is_empty();
    let host = if is_none { None } else { Some(host(&file)?) };
    let path = file.display().to_string();
    let limit = host.as_ref().and_then(|host| check_host_limits(host, &path, &domain));
    Ok(Node {
        settings: NodeDns {
            cluster_dns,
            cluster_domain: domain,
            host,
            node_ips: arguments.node_ip.clone(),
        },
        warnings: limit.into_iter().collect(),
    })
}

fn kubelet(file: &Path) -> Result<Kubelet> {
    let (text, name) = text_of(file)?;
    let mut written = Written::read(&text, &name, KUBELET);
    let object = written.objects.pop().ok_or_else(|| match written.problems.first() {
        Some(problem) => anyhow!("{problem}"),
        None => anyhow!(
            "{name} has no KubeletConfiguration; it begins with `apiVersion: {}` and `kind: {}`",
            KUBELET.0,
            KUBELET.1
        ),
    })?;
    object.decode().map_err(|problem| anyhow!("{}: {problem}", object.place))
}

fn addresses(words: Vec<String>, arguments: &ResolvConfArguments) -> Result<Vec<IpAddr>> {
    let file = arguments.kubelet_config.as_deref().unwrap_or(Path::new("")).display();
    let address = |(at, word): (usize, &String)| {
        word.parse().map_err(|_| {
            anyhow!(
                "{file}: clusterDNS[{at}]: {word:?} is no IP address; write for example 10.96.0.10"
            )
        })
    };
    words.iter().enumerate().map(address).collect()
}

fn host(file: &Path) -> Result<HostResolver> {
    let name = file.display();
    let mut octets = Vec::new();
    let read =
        File::open(file).and_then(|file| file.take(MAX_HOST_FILE as u64).read_to_end(&mut octets));
    read.with_context(|| {
        format!("cannot read {name}; name the node's file with --resolv-conf, or '' for none")
    })?;
    HostResolver::parse(&octets).with_context(|| format!("{name}"))
}
