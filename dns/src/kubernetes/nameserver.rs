//! The zone's own name servers: NS records of the apex and `ns.dns.<zone>`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cluster::{Cluster, Service};
use hickory_proto::rr::Name;

use super::Rule;
use super::answer::{Partial, View};
use super::endpoints::endpoint_label;
use super::name::count_labels;
use super::records;
use super::services::{Found, Owner, Target, Targets};
use super::zone::Zone;

/// A name server: the Service that leads to this server, or the server itself.
struct NameServer<'c> {
    /// None for `ns.dns.<zone>`.
    owner: Option<Owner<'c>>,
    ip: IpAddr,
}

/// Says whether the question is about `ns.dns.<zone>`.
pub(super) fn is_name_server(view: &View<'_>) -> bool {
    let (name, apex) = (view.question.lower, view.apex);
    let mut labels = name.iter();
    count_labels(name) == count_labels(apex) + 2
        && labels.next() == Some(b"ns")
        && labels.next() == Some(b"dns")
}

/// Answers A and AAAA of `ns.dns.<zone>`.
pub(super) fn addresses(view: &View<'_>) -> Partial {
    let servers = name_servers_of(view.cluster, view.zone);
    // Several Services can lead to the same address.
    let ips: BTreeSet<IpAddr> = servers.iter().map(|server| server.ip).collect();
    let answers = ips
        .into_iter()
        .filter(|ip| records::is_of_type(*ip, view.question.qtype))
        .map(|ip| records::address(view.question.name.clone(), view.records.ttl, ip))
        .collect();
    Partial::of(Rule::NameServer.alone(), answers)
}

/// Returns `ns.dns.<zone>` as the target of an alias.
pub(super) fn found<'c>(cluster: &'c Cluster, zone: &Zone) -> Found<'c> {
    let owner = Owner { first: None, cluster: None, service: None, namespace: "" };
    let target =
        |server: NameServer<'c>| Target { ip: server.ip, port: None, owner: owner.clone() };
    let targets = name_servers_of(cluster, zone).into_iter().map(target).collect();
    Found { ruling: Rule::NameServer.alone(), targets: Targets::Addresses(targets) }
}

/// Answers NS of the apex, with the servers' addresses as additional records.
pub(super) fn name_servers(view: &View<'_>) -> Partial {
    let mut partial = Partial::nothing(Rule::NameServer.alone());
    let ttl = view.records.ttl;
    let mut seen: Vec<Name> = Vec::new();
    for NameServer { owner, ip } in name_servers_of(view.cluster, view.zone) {
        let name = match &owner {
            Some(owner) => view.records.child(owner.labels()),
            None => view.records.name_server(),
        };
        let Some(name) = name else { continue };
        partial.additionals.push(records::address(name.clone(), ttl, ip));
        if !seen.contains(&name) {
            partial.answers.push(records::name_server(
                view.question.name.clone(),
                ttl,
                name.clone(),
            ));
            seen.push(name);
        }
    }
    partial
}

/// Returns the Services with an endpoint that is this server; without any, the server's own addresses.
fn name_servers_of<'c>(cluster: &'c Cluster, zone: &Zone) -> Vec<NameServer<'c>> {
    let mut servers: Vec<NameServer<'c>> = Vec::new();
    for own in zone.own_addresses.iter().copied() {
        for slice in cluster.slices_by_address(own) {
            let ready = slice.endpoints.iter().any(|e| e.ready && e.addresses.contains(&own));
            let service = slice.service_name.as_deref();
            let service = service.and_then(|name| cluster.service(&slice.key.namespace, name));
            if let Some(service) = service.filter(|_| ready && !zone.options.no_endpoints) {
                add_service(&mut servers, cluster, zone, service);
            }
        }
    }
    if servers.is_empty() {
        let own = zone.own_addresses.iter();
        return own.map(|ip| NameServer { owner: None, ip: *ip }).collect();
    }
    servers
}

/// Returns the addresses that this server is reached at from outside the cluster: those of the Services with
/// an endpoint that is this server; without any, the server's own.
pub(super) fn external_addresses(cluster: &Cluster, zone: &Zone) -> Vec<IpAddr> {
    let mut ips = BTreeSet::new();
    for own in zone.own_addresses.iter().copied() {
        for slice in cluster.slices_by_address(own) {
            let ready = slice.endpoints.iter().any(|e| e.ready && e.addresses.contains(&own));
            let service = slice.service_name.as_deref().filter(|_| ready);
            let service = service.and_then(|name| cluster.service(&slice.key.namespace, name));
            ips.extend(service.iter().flat_map(|service| service.external_addresses()));
        }
    }
    if ips.is_empty() { zone.own_addresses.clone() } else { ips.into_iter().collect() }
}

fn add_service<'c>(
    servers: &mut Vec<NameServer<'c>>,
    cluster: &'c Cluster,
    zone: &Zone,
    service: &'c Service,
) {
    let (name, namespace) = (&*service.key.name, &*service.key.namespace);
    let mut add = |first, ip| {
        let owner = Some(Owner { first, ..Owner::of(service) });
        if !servers.iter().any(|server| server.owner == owner && server.ip == ip) {
            servers.push(NameServer { owner, ip });
        }
    };
    if !service.is_headless() {
        for ip in service.cluster_ips() {
            add(None, *ip);
        }
        return;
    }
    for slice in cluster.slices_of(namespace, name) {
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            for ip in endpoint.addresses.iter().copied() {
                add(Some(endpoint_label(endpoint, ip, &zone.options)), ip);
            }
        }
    }
}
