//! The pod that asks, by its address.

use std::hash::{BuildHasher, Hash, Hasher};
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
    let pods: Vec<&Pod> = pods_with(cluster, client).collect();
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
/// <namespace>.svc.<zone>  svc.<zone>  <zone>  <domains of the node>
/// ```
///
/// `apex` is the zone of the block that `name`, the name that was asked for, is in; `host` the domains of the node, as
/// [`host_domains`] has them.
pub fn search_path(
    cluster: &Cluster,
    zone: &Zone,
    apex: &LowerName,
    name: &LowerName,
    client: IpAddr,
    host: &[Name],
) -> Option<Vec<Name>> {
    let pod = pod(cluster, zone, name, client)?;
    let own = domain_of(&pod.key.namespace, apex)?;
    let cluster = [own, records::below(apex, ["svc"].into_iter())?, Name::from(apex.clone())];
    Some(cluster.into_iter().chain(host.iter().cloned()).collect())
}

/// Returns those search domains of this server's host that its pods have, too: not those inside the cluster, which a
/// server that runs as a pod with `dnsPolicy: ClusterFirst` has by its own namespace.
pub fn host_domains(zone: &Zone, mut domains: Vec<Name>) -> Vec<Name> {
    let is_outside = |domain: &Name| {
        // In the root zone is every domain.
        zone.matching(&LowerName::new(domain)).is_none_or(|apex| apex.is_root())
    };
    domains.retain(is_outside);
    domains
}

/// Returns a number for the namespaces of the pods with the client's address: all clients with the same number have the
/// same search path for the same name. 0 without `pods verified`, which alone knows pods.
pub fn search_class(
    cluster: &Cluster,
    zone: &Zone,
    client: IpAddr,
    hasher: &impl BuildHasher,
) -> u64 {
    if zone.options.pods != PodMode::Verified {
        return 0;
    }
    let mut hasher = hasher.build_hasher();
    pods_with(cluster, client).for_each(|pod| pod.key.namespace.hash(&mut hasher));
    hasher.finish()
}

/// Iterates over the pods with an address, by namespace and name.
fn pods_with(cluster: &Cluster, ip: IpAddr) -> impl Iterator<Item = &Pod> {
    let pods = cluster.pods_by_ip(ip.to_canonical()).iter().map(|pod| &**pod);
    pods.filter(|pod| pod.holds_its_addresses())
}

fn domain_of(namespace: &str, apex: &LowerName) -> Option<Name> {
    records::below(apex, [namespace, "svc"].into_iter())
}
