//! Peers that stand for nobody, or for more than is meant.

use std::net::IpAddr;

use cluster::{IpBlock, Peer, PolicyRule, Selector};

use super::{Finding, Subject, is_in_use};
use crate::verdict::namespace_matches;

/// Looks at the peers of a rule.
pub(super) fn check(subject: &Subject<'_>, rule: &PolicyRule, place: &str, to: &mut Vec<Finding>) {
    for (at, peer) in rule.peers.iter().enumerate() {
        let field = || format!("{place}[{at}]");
        match peer {
            Peer::Nobody => {
                let text =
                    "cannot be read and matches nothing; see what was said when it was loaded";
                to.push(subject.finding(field(), text.to_owned()));
            }
            Peer::IpBlock(block) => to.extend(
                block_texts(subject, block).into_iter().map(|text| subject.finding(field(), text)),
            ),
            Peer::Pods { pods, namespaces } => {
                let text = pods_text(subject, pods.as_ref(), namespaces.as_ref());
                to.extend(text.map(|text| subject.finding(field(), text)));
            }
        }
    }
    to.extend(or_text(rule).map(|(at, text)| subject.finding(format!("{place}[{at}]"), text)));
}

fn block_texts(subject: &Subject<'_>, block: &IpBlock) -> Vec<String> {
    let mut texts = Vec::new();
    for except in &block.except {
        if !block.cidr.contains(except) {
            texts.push(format!(
                "`except` {except} is not inside of {} and leaves nothing out",
                block.cidr
            ));
        } else if *except == block.cidr {
            texts.push(format!("`except` {except} leaves nothing of {}", block.cidr));
        }
    }
    texts.extend(services_text(subject, block));
    let is_single = block.cidr.prefix_len() == block.cidr.max_prefix_len();
    let service = subject.cluster.services_by_cluster_ip(block.cidr.addr()).first();
    if let Some(service) = service.filter(|_| is_single) {
        texts.push(format!(
            "{} is the ClusterIP of Service {}, which policies never see; select its pods instead",
            block.cidr.addr(),
            service.key
        ));
    }
    texts
}

/// Finds a network of Services: of what is known, nothing but ClusterIPs is in it.
fn services_text(subject: &Subject<'_>, block: &IpBlock) -> Option<String> {
    let cluster = subject.cluster;
    let is_in = |ip: &IpAddr| block.cidr.contains(ip);
    let is_network = block.cidr.prefix_len() < block.cidr.max_prefix_len();
    let count = cluster.services().filter(|it| it.cluster_ips().iter().any(is_in)).count();
    let has_others = || {
        cluster.pods().any(|pod| pod.ips.iter().any(is_in))
            || cluster.nodes().any(|node| node.addresses.iter().any(is_in))
    };
    (is_network && count > 0 && !has_others()).then(|| {
        format!(
            "{} has the ClusterIPs of {count} of the Services and no pod or node: policies never see ClusterIPs; \
             select pods instead",
            block.cidr
        )
    })
}

/// Says which selector finds nothing.
fn pods_text(
    subject: &Subject<'_>,
    pods: Option<&Selector>,
    namespaces: Option<&Selector>,
) -> Option<String> {
    let cluster = subject.cluster;
    if let Some(selector) = namespaces
        && !cluster.namespaces().any(|namespace| selector.matches(&namespace.labels))
    {
        return Some(format!(
            "namespaceSelector `{selector}` selects no namespace; compare the labels"
        ));
    }
    let selector = pods?;
    let own = &*subject.policy.key.namespace;
    let finds_any = cluster.pods().any(|pod| {
        namespace_matches(cluster, own, namespaces, pod)
            && selector.matches(&pod.labels)
            && is_in_use(cluster, pod)
    });
    let place = match namespaces {
        None => format!("namespace {own}"),
        Some(_) => "the selected namespaces".to_owned(),
    };
    (!finds_any)
        .then(|| format!("podSelector `{selector}` selects no pod of {place}; compare the labels"))
}

/// Finds `- namespaceSelector` and `- podSelector` as two items, where one item with both is meant more often.
fn or_text(rule: &PolicyRule) -> Option<(usize, String)> {
    let is_whole_namespaces =
        |peer: &Peer| matches!(peer, Peer::Pods { pods: None, namespaces: Some(_) });
    let is_own_pods = |peer: &Peer| matches!(peer, Peer::Pods { pods: Some(_), namespaces: None });
    let at = rule
        .peers
        .windows(2)
        .position(|two| is_whole_namespaces(&two[0]) && is_own_pods(&two[1]))?;
    let text = "two items of a list are alternatives: every pod of those namespaces, or such pods of the own \
                namespace; for such pods of those namespaces write both selectors in one item, with one `-`";
    Some((at, text.to_owned()))
}
