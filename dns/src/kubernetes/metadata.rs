//! What is known of a query beside its answer, by label: the metadata of CoreDNS's `kubernetes` plugin.

use std::borrow::Cow;
use std::net::IpAddr;

use cluster::{Cluster, Pod};
use hickory_proto::rr::LowerName;

use super::client;
use super::name::{Naming, bare, count_labels};
use super::zone::Zone;

/// What stands in a cluster name; empty where it has nothing to say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Words<'a> {
    port: &'a str,
    protocol: &'a str,
    endpoint: &'a str,
    cluster: &'a str,
    topology_zone: String,
    service: &'a str,
    namespace: &'a str,
    kind: &'a str,
}

/// Returns the value of a label for a query for `name` by `client`; none when the label does not apply.
///
/// ```text
/// kubernetes/port-name, protocol, endpoint, service, namespace, kind   of a name in a zone of the block
/// kubernetes/cluster                                                   in a zone of `multicluster`
/// kubernetes/zone                                                      with `zonal`
/// kubernetes/parse-error                                               instead, of a name that is none
/// kubernetes/client-namespace, client-pod-name, client-label/<key>     of the pod that asks: `pods verified`
/// ```
///
/// Whether what the name speaks of exists does not matter. Only what the label needs is computed.
pub fn metadata(
    cluster: &Cluster,
    zone: &Zone,
    name: &LowerName,
    client: IpAddr,
    label: &str,
) -> Option<String> {
    let word = label.strip_prefix("kubernetes/")?;
    match word.strip_prefix("client-") {
        Some(word) => of_client(client::pod(cluster, zone, name, client)?, word),
        None => of_name(zone, name, word),
    }
}

fn of_client(pod: &Pod, word: &str) -> Option<String> {
    match word {
        "namespace" => Some(pod.key.namespace.to_string()),
        "pod-name" => Some(pod.key.name.to_string()),
        other => pod.labels.get(other.strip_prefix("label/")?).map(ToOwned::to_owned),
    }
}

fn of_name(zone: &Zone, name: &LowerName, word: &str) -> Option<String> {
    let apex = zone.matching(name)?;
    let naming = zone.naming(apex);
    let below = count_labels(name).saturating_sub(count_labels(apex));
    let labels: Vec<Cow<'_, str>> = name.iter().take(below).map(String::from_utf8_lossy).collect();
    let from_zone: Vec<&str> = labels.iter().rev().map(|label| &**label).collect();
    let Some(words) = words(&from_zone, naming) else {
        return (word == "parse-error").then(|| "invalid query name".to_owned());
    };
    let value = match word {
        "port-name" => words.port,
        "protocol" => words.protocol,
        "endpoint" => words.endpoint,
        "service" => words.service,
        "namespace" => words.namespace,
        "kind" => words.kind,
        "cluster" if naming == Naming::ClusterSet => words.cluster,
        "zone" if naming == Naming::Zonal => return Some(words.topology_zone),
        _ => return None,
    };
    Some(value.to_owned())
}

/// Takes the labels below a zone apart, the one next to the zone first; none when no name of the cluster
/// looks so.
fn words<'a>(labels: &[&'a str], naming: Naming) -> Option<Words<'a>> {
    let (kind, rest) = match labels {
        [] | ["svc" | "pod"] => return Some(Words::default()),
        [kind @ ("svc" | "pod"), rest @ ..] => (*kind, rest),
        _ => return None,
    };
    let names = |namespace, service| Words { kind, namespace, service, ..Words::default() };
    Some(match (rest, naming) {
        ([], _) => names("", ""),
        ([namespace], _) => names(namespace, ""),
        ([namespace, service], _) => names(namespace, service),
        ([namespace, service, endpoint], _) => Words { endpoint, ..names(namespace, service) },
        ([namespace, service, cluster, endpoint], Naming::ClusterSet)
            if !cluster.starts_with('_') && !endpoint.starts_with('_') =>
        {
            Words { cluster, endpoint, ..names(namespace, service) }
        }
        ([namespace, service, protocol, port], _) => {
            Words { port: bare(port), protocol: bare(protocol), ..names(namespace, service) }
        }
        ([namespace, service, "_zone", "pin" | "prefer", zone @ ..], Naming::Zonal)
            if kind == "svc" =>
        {
            let parts: Vec<&str> = zone.iter().rev().copied().collect();
            Words { topology_zone: parts.join("."), ..names(namespace, service) }
        }
        _ => return None,
    })
}
