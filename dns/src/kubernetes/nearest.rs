//! What a missed name would have matched: for people who mistype.

use cluster::Cluster;
use hickory_proto::rr::LowerName;

use super::name::{self, Below, Of, Parsed};
use super::zone::Zone;

/// How many candidates are named.
const MAX_CANDIDATES: usize = 3;

/// The most changes of a letter between what was meant and what was typed.
const MAX_DISTANCE: usize = 3;

/// Returns names that exist and are near to one that does not, the nearest first: the same Service in another
/// namespace, a Service or namespace spelled nearly so, an endpoint or port of the Service.
pub fn nearest(cluster: &Cluster, zone: &Zone, apex: &LowerName, name: &LowerName) -> Vec<String> {
    let labels = name::count_labels(apex);
    match name::parse(name, labels, zone.naming(apex)) {
        Ok(Parsed::Service { of: Of::Import, .. }) => Vec::new(),
        Ok(Parsed::Service { of: Of::Service, namespace, service, below }) => {
            near_service(cluster, zone, apex, (namespace, service), below)
        }
        Ok(Parsed::NamespaceNode { namespace, .. } | Parsed::Pod { namespace, .. }) => {
            near_namespaces(cluster, zone, namespace)
        }
        Ok(Parsed::ZoneNode) | Err(_) => guess_missing_branch(cluster, apex, name),
    }
}

fn near_service(
    cluster: &Cluster,
    zone: &Zone,
    apex: &LowerName,
    (namespace, service): (&str, &str),
    below: Below<'_>,
) -> Vec<String> {
    if let Some(found) = cluster.service(namespace, service) {
        let ports = found.ports.iter().filter(|port| !port.name.is_empty());
        return match below {
            Below::Port { .. } => ports
                .map(|port| {
                    format!("_{}._{}.{service}.{namespace}.svc.{apex}", port.name, port.protocol)
                })
                .take(MAX_CANDIDATES)
                .collect(),
            Below::Nothing | Below::Endpoint(_) | Below::EndpointOf { .. } | Below::Within(_) => {
                Vec::new()
            }
        };
    }
    let candidates = cluster
        .services()
        .filter(|candidate| zone.exposes_namespace(cluster, &candidate.key.namespace));
    let ranked = candidates.filter_map(|candidate| {
        let (near_namespace, near_name) = (&*candidate.key.namespace, &*candidate.key.name);
        let changes =
            distance(near_name, service)? + distance(near_namespace, namespace).unwrap_or(2);
        Some((changes, format!("{near_name}.{near_namespace}.svc.{apex}")))
    });
    let mut names = first(ranked);
    if cluster.namespace(namespace).is_none() {
        names.extend(near_namespaces(cluster, zone, namespace));
    }
    names
}

fn near_namespaces(cluster: &Cluster, zone: &Zone, namespace: &str) -> Vec<String> {
    let names = cluster.namespaces().map(|candidate| &*candidate.name);
    let served = names.filter(|name| zone.serves_namespace(name) && *name != namespace);
    first(served.filter_map(|name| Some((distance(name, namespace)?, format!("namespace {name}")))))
}

/// `web.shop.cluster.local` instead of `web.shop.svc.cluster.local`.
fn guess_missing_branch(cluster: &Cluster, apex: &LowerName, name: &LowerName) -> Vec<String> {
    let below = name::count_labels(name) - name::count_labels(apex);
    let labels: Vec<_> = name.iter().take(below).map(String::from_utf8_lossy).collect();
    match labels.as_slice() {
        [.., service, namespace] if cluster.service(namespace, service).is_some() => {
            vec![format!("{service}.{namespace}.svc.{apex}")]
        }
        _ => Vec::new(),
    }
}

fn first(ranked: impl Iterator<Item = (usize, String)>) -> Vec<String> {
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort();
    ranked.into_iter().take(MAX_CANDIDATES).map(|(_, name)| name).collect()
}

/// Returns the number of letters to insert, delete, replace or swap with their neighbour (optimal string
/// alignment), up to [`MAX_DISTANCE`] and half the word.
fn distance(a: &str, b: &str) -> Option<usize> {
    let limit = MAX_DISTANCE.min(b.len().max(a.len()) / 2);
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for at in 0..a.len() {
        let mut next = vec![at + 1];
        for column in 0..b.len() {
            let replaced = row[column] + usize::from(a[at] != b[column]);
            let mut least = replaced.min(row[column + 1] + 1).min(next[column] + 1);
            if at > 0 && column > 0 && a[at] == b[column - 1] && a[at - 1] == b[column] {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|changes| *changes <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changed_letters_up_to_a_limit() {
        let cases = [
            ("web", "web", Some(0)),
            ("web", "wbe", Some(1)),
            ("web", "ewb", Some(1)),
            ("checkout", "chekout", Some(1)),
            ("checkout", "checkuot", Some(1)),
            ("checkout", "hceckuot", Some(2)),
            ("frontend", "backend", None),
            ("", "", Some(0)),
        ];
        for (a, b, expected) in cases {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
