//! Policies that hardly mean what they say.
//!
//! Each check is about a mistake that people make again and again; what it finds is told with the field and a remedy,
//! and changes nothing.

mod directions;
mod oddities;
mod peers;
mod ports;

use std::fmt;
use std::sync::Arc;

use cluster::{Cluster, NetworkPolicy, ObjectKey, Pod};

use crate::{Direction, pod_at};

/// Something about a policy that its author should look at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// The policy.
    pub policy: ObjectKey,
    /// The field: `spec.ingress[0].from[1]`.
    pub field: String,
    /// What is odd about it, and what to write instead.
    pub text: String,
}

/// Looks at every policy of a cluster. Sorted by policy and field.
pub fn lint(cluster: &Cluster) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        cluster.policies().flat_map(|policy| of_policy(cluster, policy)).collect();
    findings.sort();
    findings
}

/// A policy, and the pods that it selects.
struct Subject<'a> {
    cluster: &'a Cluster,
    policy: &'a NetworkPolicy,
    pods: Vec<&'a Arc<Pod>>,
}

fn of_policy(cluster: &Cluster, policy: &NetworkPolicy) -> Vec<Finding> {
    let pods = cluster
        .pods()
        .filter(|pod| pod.key.namespace == policy.key.namespace)
        .filter(|pod| policy.pod_selector.matches(&pod.labels) && is_in_use(cluster, pod))
        .collect();
    let subject = Subject { cluster, policy, pods };
    let mut findings = Vec::new();
    if subject.pods.is_empty() {
        let text = match policy.pod_selector.is_everything() {
            true => "selects no pod: its namespace has none".to_owned(),
            false => format!(
                "`{}` selects no pod of the namespace; compare the labels",
                policy.pod_selector
            ),
        };
        findings.push(subject.finding("spec.podSelector".to_owned(), text));
    }
    for direction in Direction::ALL {
        let rules = direction.of(policy).map_or(&[][..], |direction| &direction.rules);
        for (at, rule) in rules.iter().enumerate() {
            let place = format!("spec.{}[{at}]", direction.name());
            peers::check(&subject, rule, &format!("{place}.{}", direction.peers()), &mut findings);
            ports::check(&subject, rule, direction, &place, &mut findings);
        }
    }
    directions::check(&subject, &mut findings);
    oddities::check(&subject, &mut findings);
    findings
}

/// Says whether policies look at a pod: it has an address of its own.
fn is_in_use(cluster: &Cluster, pod: &Pod) -> bool {
    pod.ips.iter().any(|ip| pod_at(cluster, *ip).is_some_and(|holder| holder.key == pod.key))
}

impl Subject<'_> {
    fn finding(&self, field: String, text: String) -> Finding {
        Finding { policy: self.policy.key.clone(), field, text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkPolicy {}: {}: {}", self.policy, self.field, self.text)
    }
}

#[cfg(test)]
mod tests;
