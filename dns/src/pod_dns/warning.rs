//! Warnings in kubelet's own words, so that they are found where its events are.

use std::fmt;

use super::PodDns;

/// Something that an operator should know. kubelet writes an event of the type `Warning` with this reason and
/// message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The object of the event.
    pub subject: Subject,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

/// What a warning is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The node.
    Node,
    /// The Pod.
    Pod,
}

/// The reason of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The host's file has more search domains than leave room for the cluster's.
    CheckLimitsForResolvConf,
    /// A limit made kubelet leave something out.
    DnsConfigForming,
    /// The policy is none; kubelet only logs it.
    InvalidDnsPolicy,
    /// The policy asks for the cluster's DNS, and kubelet does not know where that is.
    MissingClusterDns,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckLimitsForResolvConf => "CheckLimitsForResolvConf",
            Self::DnsConfigForming => "DNSConfigForming",
            Self::InvalidDnsPolicy => "InvalidDNSPolicy",
            Self::MissingClusterDns => "MissingClusterDNS",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Pod => "pod",
        })
    }
}

pub(super) fn missing_cluster_dns(pod: &PodDns) -> [Warning; 2] {
    let problem = "kubelet does not have ClusterDNS IP configured and cannot create Pod using \
                   \"ClusterFirst\" policy. Falling back to \"Default\" policy.";
    let pod = format!("{}_{}({})", pod.name, pod.namespace, pod.uid);
    let warning =
        |subject, message| Warning { subject, reason: Reason::MissingClusterDns, message };
    [
        warning(Subject::Node, problem.to_owned()),
        warning(Subject::Pod, format!("pod: {pod:?}. {problem}")),
    ]
}

pub(super) fn invalid_policy(word: &str) -> Warning {
    let message = format!(
        "invalid DNSPolicy={word}: Failed to get DNS type for pod. Falling back to DNSClusterFirst policy."
    );
    Warning { subject: Subject::Pod, reason: Reason::InvalidDnsPolicy, message }
}

pub(super) fn nameservers_cut(applied: &[String]) -> Warning {
    forming(format!(
        "Nameserver limits were exceeded, some nameservers have been omitted, \
         the applied nameserver line is: {}",
        applied.join(" ")
    ))
}

pub(super) fn searches_cut(applied: &[String]) -> Warning {
    forming(format!(
        "Search Line limits were exceeded, some search paths have been omitted, \
         the applied search line is: {}",
        applied.join(" ")
    ))
}

fn forming(message: String) -> Warning {
    Warning { subject: Subject::Pod, reason: Reason::DnsConfigForming, message }
}

pub(super) fn host_limit(problem: &str) -> Warning {
    let message = format!("Resolv.conf file {problem}");
    Warning { subject: Subject::Node, reason: Reason::CheckLimitsForResolvConf, message }
}
