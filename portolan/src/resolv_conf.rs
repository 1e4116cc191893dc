//! `portolan resolv-conf`: the `resolv.conf` of a Pod.

mod node;
pub(crate) mod pod;

use anyhow::{Result, bail};
use dns::pod_dns::{
    DnsPolicy, PodDns, Reason, ResolvConf, Subject, Warning, resolv_conf, validate,
};

use crate::cli::ResolvConfArguments;
use crate::print;

/// Prints the `resolv.conf` that a Pod gets, and warnings beside it.
///
/// # Errors
/// The Pod or the node's settings cannot be read, or an API server would refuse the Pod.
pub(crate) fn run(arguments: &ResolvConfArguments) -> Result<()> {
    let node = node::settings(arguments)?;
    let (pod, written) = pod::read(arguments)?;
    let place = &written.place;
    for ignored in &written.ignored {
        print::remark(&format!("portolan: warning: {place}: {}: {ignored}\n", name(&pod)));
    }
    let mistakes = validate(&pod);
    if !mistakes.is_empty() && !arguments.no_validation {
        let lines = mistakes.iter().map(|mistake| format!("{place}: {}: {mistake}", name(&pod)));
        bail!("{}", lines.collect::<Vec<_>>().join("\n"));
    }
    let (settings, of_pod) = resolv_conf(&pod, &node.settings);
    for warning in node.warnings.iter().chain(&of_pod) {
        print::remark(&format!("portolan: {}\n", in_words(&pod, warning)));
    }
    for note in notes(&pod, &settings) {
        print::remark(&format!("portolan: note: {}: {note}\n", name(&pod)));
    }
    print::answer(&settings.to_string())
}

fn name(pod: &PodDns) -> String {
    format!("Pod {}/{}", pod.namespace, pod.name)
}

fn in_words(pod: &PodDns, warning: &Warning) -> String {
    let subject = match warning.subject {
        Subject::Node => "node".to_owned(),
        Subject::Pod => name(pod),
    };
    match warning.reason {
        // No event: kubelet only logs it.
        Reason::InvalidDnsPolicy => format!("note: {subject}: {}", warning.message),
        reason => format!("warning: {subject}: {reason}: {}", warning.message),
    }
}

/// Says what kubelet does silently and is hardly meant.
fn notes(pod: &PodDns, settings: &ResolvConf) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if pod.host_network && pod.policy == DnsPolicy::ClusterFirst {
        notes.push(
            "with `hostNetwork: true`, the policy ClusterFirst means the node's resolver; \
             for cluster names write `dnsPolicy: ClusterFirstWithHostNet`",
        );
    }
    if settings.is_empty() {
        notes.push(
            "its resolv.conf is empty, and container runtimes then give it the node's /etc/resolv.conf; \
             add nameservers to `dnsConfig`",
        );
    }
    notes
}
