//! The pod that asks, by its address.

use std::net::IpAddr;

use cluster::{Cluster, Pod};
use hickory_proto::rr::{LowerName, Name};

use super::records;
use super::zone::{PodMode, Zone};

/// Returns the pod with the client's address; none without `pods verified`, which alone knows pods.
///
/// Pods on their node's network share its address: then the pod counts in whose namespace's search domain
/// the name is, else the first by namespace and name.
pub(super) fn pod<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    name: &LowerName,
    client: IpAddr,
) -> Option<&'c Pod> {
    if zone.options.pods != PodMode::Verified {
        return None;
    }
    let pods = cluster.pods_by_ip(client.to_canonical()).iter().map(|pod| &**pod);
    let pods: Vec<&Pod> = pods.filter(|pod| pod.holds_its_addresses()).collect();
    let searches = |pod: &&&Pod| {
        let domain = zone.matching(name).and_then(|apex| domain_of(&pod.key.namespace, apex));
        domain.is_some_and(|domain| LowerName::new(&domain).zone_of(name))
    };
    pods.iter().find(searches).or(pods.first()).copied()
}

/// Returns the search path that the kubelet gives a pod (`dnsPolicy: ClusterFirst`), most specific first,
/// for the pod with the client's address. None when no pod has it, or without `pods verified`.
///
/// ```text
/// <namespace>.svc.<zone>  svc.<zone>  <zone>
/// ```
///
/// `apex` is the zone of the block that `name`, the name that was asked for, is in.
pub fn search_path(
    cluster: &Cluster,
    zone: &Zone,
    apex: &LowerName,
    name: &LowerName,
    client: IpAddr,
) -> Option<[Name; 3]> {
    let pod = pod(cluster, zone, name, client)?;
    let own = domain_of(&pod.key.namespace, apex)?;
    Some([own, records::below(apex, ["svc"].into_iter())?, Name::from(apex.clone())])
}

fn domain_of(namespace: &str, apex: &LowerName) -> Option<Name> {
    records::below(apex, [namespace, "svc"].into_iter())
}
