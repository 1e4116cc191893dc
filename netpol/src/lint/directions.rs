//! Egress that forgets DNS.

use cluster::{PolicyRule, Protocol};

use super::{Finding, Subject};
use crate::{Direction, policies_of};

/// The ports of DNS: that of clients, and that of CoreDNS's pods in some distributions.
const DNS: [u16; 2] = [53, 5353];

/// Looks for pods that may send to somebody, but to no DNS server.
pub(super) fn check(subject: &Subject<'_>, to: &mut Vec<Finding>) {
    let rules = subject.policy.egress.as_ref().map_or(&[][..], |direction| &direction.rules);
    // Without any rule, nothing is meant to go out, names included.
    if rules.is_empty() {
        return;
    }
    let asks_nobody = subject.pods.iter().find(|pod| {
        let policies = policies_of(subject.cluster, pod, Direction::Egress);
        let mut rules = policies.iter().flat_map(|it| it.egress.iter().flat_map(|it| &it.rules));
        !rules.any(allows_dns)
    });
    if let Some(pod) = asks_nobody {
        let text = format!(
            "no policy lets pod {} ask DNS: allow 53/udp and 53/tcp to the pods of the cluster's DNS",
            pod.key
        );
        to.push(subject.finding("spec.egress".to_owned(), text));
    }
}

/// Says whether a rule allows DNS over UDP to somebody. A name may be that of its port.
fn allows_dns(rule: &PolicyRule) -> bool {
    use cluster::PortMatch::{Any, Named, Nothing, Range};
    rule.ports.is_empty()
        || rule.ports.iter().any(|port| {
            port.protocol == Protocol::Udp
                && match &port.ports {
                    Any | Named(_) => true,
                    Range(first, last) => DNS.iter().any(|dns| (first..=last).contains(&dns)),
                    Nothing => false,
                }
        })
}
