//! What is behind a cluster name: addresses with ports, or an alias.

use std::borrow::Cow;
use std::net::IpAddr;

use cluster::{Cluster, Endpoint, Kind, Pod, Protocol, Service, ServiceAddress, Text};

use super::endpoints::{address_of_label, endpoint_label};
use super::name::{Below, Branch, Choice, Of, Parsed};
use super::zone::{PodMode, Zone};
use super::{Rule, Ruling};

/// What is behind a name that exists.
#[derive(Debug)]
pub(super) struct Found<'c> {
    /// Why.
    pub(super) ruling: Ruling,
    /// What; may be empty.
    pub(super) targets: Targets<'c>,
}

/// A Service or a ServiceImport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'c> {
    pub(super) of: Of,
    pub(super) service: &'c Service,
}

impl Entry<'_> {
    fn ruled(self, rule: Rule) -> Ruling {
        let kind = match self.of {
            Of::Service => Kind::Service,
            Of::Import => Kind::ServiceImport,
        };
        rule.on(kind, &self.service.key)
    }
}

/// Where a name leads.
#[derive(Debug)]
pub(super) enum Targets<'c> {
    /// To addresses.
    Addresses(Vec<Target<'c>>),
    /// To another name, as the ExternalName Service spells it.
    Alias(&'c Text),
}

/// An address, and the port to use there.
#[derive(Debug)]
pub(super) struct Target<'c> {
    pub(super) ip: IpAddr,
    /// None when no port is declared: the address is served, an SRV record cannot be.
    pub(super) port: Option<u16>,
    /// The name that SRV records point at.
    pub(super) owner: Owner<'c>,
}

/// The name of an address: `[<endpoint>.[<cluster>.]]<service>.<namespace>.svc.<zone>` or
/// `<a-b-c-d>.<namespace>.pod.<zone>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner<'c> {
    /// The label of the endpoint or of the pod.
    pub(super) first: Option<Cow<'c, str>>,
    /// The cluster of the set that the endpoint is in.
    pub(super) cluster: Option<&'c str>,
    /// None for a pod.
    pub(super) service: Option<&'c str>,
    pub(super) namespace: &'c str,
}

impl Owner<'_> {
    /// Iterates over the labels below the zone.
    pub(super) fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        let branch = if self.service.is_some() { "svc" } else { "pod" };
        let names = self.first.as_deref().into_iter().chain(self.cluster).chain(self.service);
        names.chain([self.namespace, branch])
    }
}

/// Looks a name up.
///
/// # Errors
/// The ruling by which the name does not exist.
pub(super) fn find<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    parsed: &Parsed<'_>,
) -> Result<Found<'c>, Ruling> {
    match *parsed {
        Parsed::ZoneNode => Ok(Found::empty(Rule::ZoneNode.alone())),
        Parsed::NamespaceNode { branch, namespace } => {
            namespace_node(cluster, zone, branch, namespace)
        }
        Parsed::Pod { namespace, address, extra } => pod(cluster, zone, namespace, address, extra),
        Parsed::Service { of, namespace, service, below } => {
            check_namespace(cluster, zone, namespace)?;
            let (found, missing) = match of {
                Of::Service => (cluster.service(namespace, service), Rule::NoSuchService),
                Of::Import => (cluster.import(namespace, service), Rule::NoSuchImport),
            };
            let service = found.ok_or_else(|| missing.alone())?;
            of_service(cluster, zone, Entry { of, service }, below)
        }
    }
}

fn namespace_node<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    branch: Branch,
    namespace: &str,
) -> Result<Found<'c>, Ruling> {
    // With pods disabled CoreDNS has no pod branch at all below its first label.
    if branch == Branch::Pod && zone.options.pods == PodMode::Disabled && !zone.options.strict {
        return Err(Rule::PodsDisabled.alone());
    }
    check_namespace(cluster, zone, namespace)?;
    Ok(Found::empty(Rule::NamespaceNode.alone()))
}

fn check_namespace(cluster: &Cluster, zone: &Zone, namespace: &str) -> Result<(), Ruling> {
    if !zone.serves_namespace(namespace) {
        return Err(Rule::NamespaceNotServed.alone());
    }
    if cluster.namespace(namespace).is_none() {
        return Err(Rule::NoSuchNamespace.alone());
    }
    Ok(())
}

fn pod<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    namespace: &str,
    address: &str,
    extra: usize,
) -> Result<Found<'c>, Ruling> {
    if zone.options.pods == PodMode::Disabled {
        return Err(Rule::PodsDisabled.alone());
    }
    check_namespace(cluster, zone, namespace)?;
    if zone.options.strict && extra > 0 {
        return Err(Rule::TooManyLabels.alone());
    }
    let ip = address_of_label(address).ok_or_else(|| Rule::NotAPodAddress.alone())?;
    let ruling = match zone.options.pods {
        PodMode::Insecure => Rule::PodInsecure.alone(),
        PodMode::Verified | PodMode::Disabled => {
            pod_with_address(cluster, zone, namespace, address, ip)?
        }
    };
    let namespace = cluster.namespace(namespace).map_or("", |namespace| &*namespace.name);
    let owner =
        Owner { first: Some(address.to_owned().into()), cluster: None, service: None, namespace };
    // A pod name says nothing of ports; CoreDNS has SRV records with port 0 all the same.
    let port = if zone.options.strict { None } else { Some(0) };
    Ok(Found { ruling, targets: Targets::Addresses(vec![Target { ip, port, owner }]) })
}

fn pod_with_address(
    cluster: &Cluster,
    zone: &Zone,
    namespace: &str,
    label: &str,
    ip: IpAddr,
) -> Result<Ruling, Ruling> {
    // CoreDNS knows a pod by its primary address only, as the API spells it.
    let is_spelled = label == ip.to_string().replace(['.', ':'], "-");
    let is_known = |pod: &Pod| is_spelled && pod.ips.first() == Some(&ip);
    let pods = cluster.pods_by_ip(ip).iter();
    pods.filter(|pod| &*pod.key.namespace == namespace && pod.holds_its_addresses())
        .find(|pod| zone.options.strict || is_known(pod))
        .map(|pod| Rule::PodVerified.on(Kind::Pod, &pod.key))
        .ok_or_else(|| Rule::NoSuchPod.alone())
}

fn of_service<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    entry: Entry<'c>,
    below: Below<'_>,
) -> Result<Found<'c>, Ruling> {
    let service = entry.service;
    let on = |rule: Rule| entry.ruled(rule);
    if let ServiceAddress::ExternalName(target) = &service.address {
        return match below {
            Below::Nothing | Below::Port { port: "", protocol: "" } => alias(target, on),
            Below::Endpoint(_)
            | Below::EndpointOf { .. }
            | Below::Port { .. }
            | Below::Within(_) => Err(on(Rule::BelowExternalName)),
        };
    }
    let ignored = zone.options.ignore_empty_service && !service.is_headless();
    if ignored && !has_ready_endpoints(cluster, zone, entry) {
        return Err(on(Rule::EmptyServiceIgnored));
    }
    match below {
        Below::Within(_) if !service.is_headless() => Err(on(Rule::WithinNotHeadless)),
        Below::Within(within) => {
            let targets = endpoint_targets(cluster, zone, entry, below);
            match within.choice {
                _ if !targets.is_empty() => Ok(Found::of(on(Rule::Within), targets)),
                Choice::Pin => Ok(Found::empty(on(Rule::NoEndpointWithin))),
                Choice::Prefer => endpoints(cluster, zone, entry, Below::Nothing),
            }
        }
        Below::Endpoint(_) | Below::EndpointOf { .. } => endpoints(cluster, zone, entry, below),
        Below::Nothing | Below::Port { .. } if service.is_headless() => {
            endpoints(cluster, zone, entry, below)
        }
        Below::Nothing | Below::Port { .. } => cluster_ips(entry, below),
    }
}

fn alias<'c>(target: &'c Text, on: impl Fn(Rule) -> Ruling) -> Result<Found<'c>, Ruling> {
    if target.parse::<IpAddr>().is_ok() {
        return Err(on(Rule::ExternalNameIsAddress));
    }
    Ok(Found { ruling: on(Rule::ExternalName), targets: Targets::Alias(target) })
}

fn cluster_ips<'c>(entry: Entry<'c>, below: Below<'_>) -> Result<Found<'c>, Ruling> {
    let service = entry.service;
    let owner = Owner::of(service);
    let declared = service.ports.iter().map(|p| (&*p.name, p.protocol, Some(p.port)));
    let ports = ports_of(declared, below);
    if ports.is_empty() {
        return Err(entry.ruled(Rule::NoSuchPort));
    }
    if service.cluster_ips().is_empty() {
        return Ok(Found::empty(entry.ruled(Rule::NoClusterIpYet)));
    }
    let targets: Vec<Target<'c>> = ports
        .into_iter()
        .flat_map(|port| service.cluster_ips().iter().map(move |ip| (port, *ip)))
        .map(|(port, ip)| Target { ip, port, owner: owner.clone() })
        .collect();
    Ok(Found::of(entry.ruled(Rule::ClusterIp), targets))
}

fn endpoints<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    entry: Entry<'c>,
    below: Below<'_>,
) -> Result<Found<'c>, Ruling> {
    let targets = endpoint_targets(cluster, zone, entry, below);
    let (found, missing) = match below {
        Below::Nothing | Below::Within(_) => (Rule::Headless, Rule::NoReadyEndpoints),
        Below::Endpoint(_) | Below::EndpointOf { .. } => (Rule::Endpoint, Rule::NoSuchEndpoint),
        Below::Port { .. } => (Rule::Headless, Rule::NoSuchPort),
    };
    if targets.is_empty() {
        return Err(entry.ruled(missing));
    }
    Ok(Found::of(entry.ruled(found), targets))
}

/// Returns the ready endpoints that the name asks for, each with each of its ports.
pub(super) fn endpoint_targets<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    entry: Entry<'c>,
    below: Below<'_>,
) -> Vec<Target<'c>> {
    let mut targets = Vec::new();
    for slice in slices_of(cluster, zone, entry) {
        let declared = slice.ports.iter().map(|p| (&*p.name, p.protocol, p.port));
        let ports = ports_of(declared, below);
        let source = slice.import.as_ref().filter(|_| entry.of == Of::Import);
        let source = source.map(|import| &*import.cluster);
        for endpoint in slice.endpoints.iter().filter(|e| e.ready && below.is_around(e)) {
            for ip in endpoint.addresses.iter().copied() {
                let label = endpoint_label(endpoint, ip, &zone.options);
                if !below.asks_for(&label, source) {
                    continue;
                }
                let first = Some(label);
                let owner = Owner {
                    first,
                    cluster: source.filter(|c| !c.is_empty()),
                    ..Owner::of(entry.service)
                };
                targets.extend(ports.iter().map(|port| Target {
                    ip,
                    port: *port,
                    owner: owner.clone(),
                }));
            }
        }
    }
    targets
}

/// Returns the declared ports that the name asks for. Without any declared there is one that is none, so
/// that the addresses are found all the same.
pub(super) fn ports_of<'a>(
    declared: impl ExactSizeIterator<Item = (&'a str, Protocol, Option<u16>)>,
    below: Below<'_>,
) -> Vec<Option<u16>> {
    if declared.len() == 0 {
        return if below.has_port("", "") { vec![None] } else { Vec::new() };
    }
    declared
        .filter(|(name, protocol, _)| below.has_port(name, protocol.as_str()))
        .map(|(.., port)| port)
        .collect()
}

fn slices_of<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    Entry { of, service }: Entry<'_>,
) -> &'c [std::sync::Arc<cluster::EndpointSlice>] {
    if zone.options.no_endpoints {
        return &[];
    }
    match of {
        Of::Service => cluster.slices_of(&service.key.namespace, &service.key.name),
        Of::Import => cluster.slices_of_import(&service.key.namespace, &service.key.name),
    }
}

fn has_ready_endpoints(cluster: &Cluster, zone: &Zone, entry: Entry<'_>) -> bool {
    let mut endpoints = slices_of(cluster, zone, entry).iter().flat_map(|slice| &slice.endpoints);
    endpoints.any(|endpoint| endpoint.ready && !endpoint.addresses.is_empty())
}

/// Says whether one of the clusters that an import's ready endpoints are in has this name.
pub(super) fn has_cluster(cluster: &Cluster, zone: &Zone, entry: Entry<'_>, name: &str) -> bool {
    let is_meant = |slice: &&std::sync::Arc<cluster::EndpointSlice>| {
        slice.import.as_ref().is_some_and(|import| import.cluster.eq_ignore_ascii_case(name))
    };
    let mut endpoints =
        slices_of(cluster, zone, entry).iter().filter(is_meant).flat_map(|slice| &slice.endpoints);
    endpoints.any(|endpoint| endpoint.ready && !endpoint.addresses.is_empty())
}

impl Below<'_> {
    /// Says whether the name asks for the topology zone of this endpoint: for every one unless it names one.
    fn is_around(self, endpoint: &Endpoint) -> bool {
        let Self::Within(within) = self else { return true };
        endpoint.zone.as_deref().is_some_and(|zone| within.is(zone))
    }

    /// Says whether the name asks for the endpoint of this label, of a cluster of the set or of this one.
    fn asks_for(self, label: &str, source: Option<&str>) -> bool {
        match self {
            Self::Endpoint(wanted) => source.is_none() && label.eq_ignore_ascii_case(wanted),
            Self::EndpointOf { cluster, endpoint } => {
                source.is_some_and(|source| source.eq_ignore_ascii_case(cluster))
                    && label.eq_ignore_ascii_case(endpoint)
            }
            Self::Nothing | Self::Port { .. } | Self::Within(_) => true,
        }
    }

    /// Says whether the name asks for this port: every one unless it names a port or a protocol.
    fn has_port(self, name: &str, protocol: &str) -> bool {
        let Self::Port { port: wanted, protocol: wanted_protocol } = self else { return true };
        (wanted.is_empty() || wanted.eq_ignore_ascii_case(name))
            && (wanted_protocol.is_empty() || wanted_protocol.eq_ignore_ascii_case(protocol))
    }
}

impl<'c> Owner<'c> {
    /// Returns the name of a Service itself.
    pub(super) fn of(service: &'c Service) -> Self {
        let (name, namespace) = (&*service.key.name, &*service.key.namespace);
        Self { first: None, cluster: None, service: Some(name), namespace }
    }
}

impl<'c> Found<'c> {
    fn of(ruling: Ruling, targets: Vec<Target<'c>>) -> Self {
        Self { ruling, targets: Targets::Addresses(targets) }
    }

    fn empty(ruling: Ruling) -> Self {
        Self { ruling, targets: Targets::Addresses(Vec::new()) }
    }
}
