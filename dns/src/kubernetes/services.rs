//! What is behind a cluster name: addresses with ports, or an alias.

use std::borrow::Cow;
use std::net::IpAddr;

use cluster::{Cluster, Kind, Pod, Protocol, Service, ServiceAddress, Text};

use super::endpoints::{address_of_label, endpoint_label};
use super::name::{Below, Branch, Parsed};
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

/// The name of an address: `[<endpoint>.]<service>.<namespace>.svc.<zone>` or
/// `<a-b-c-d>.<namespace>.pod.<zone>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner<'c> {
    /// The label of the endpoint or of the pod.
    pub(super) first: Option<Cow<'c, str>>,
    /// None for a pod.
    pub(super) service: Option<&'c str>,
    pub(super) namespace: &'c str,
}

impl Owner<'_> {
    /// Iterates over the labels below the zone.
    pub(super) fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        let branch = if self.service.is_some() { "svc" } else { "pod" };
        let names = self.first.as_deref().into_iter().chain(self.service);
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
        Parsed::Service { namespace, service, below } => {
            check_namespace(cluster, zone, namespace)?;
            match cluster.service(namespace, service) {
                Some(service) => of_service(cluster, zone, service, below),
                None => Err(Rule::NoSuchService.alone()),
            }
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
    let owner = Owner { first: Some(address.to_owned().into()), service: None, namespace };
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
    service: &'c Service,
    below: Below<'_>,
) -> Result<Found<'c>, Ruling> {
    let on = |rule: Rule| rule.on(Kind::Service, &service.key);
    if let ServiceAddress::ExternalName(target) = &service.address {
        return match below {
            Below::Nothing | Below::Port { port: "", protocol: "" } => alias(target, on),
            Below::Endpoint(_) | Below::Port { .. } => Err(on(Rule::BelowExternalName)),
        };
    }
    let ignored = zone.options.ignore_empty_service && !service.is_headless();
    if ignored && !has_ready_endpoints(cluster, zone, service) {
        return Err(on(Rule::EmptyServiceIgnored));
    }
    if service.is_headless() || matches!(below, Below::Endpoint(_)) {
        return endpoints(cluster, zone, service, below);
    }
    cluster_ips(service, below)
}

fn alias<'c>(target: &'c Text, on: impl Fn(Rule) -> Ruling) -> Result<Found<'c>, Ruling> {
    if target.parse::<IpAddr>().is_ok() {
        return Err(on(Rule::ExternalNameIsAddress));
    }
    Ok(Found { ruling: on(Rule::ExternalName), targets: Targets::Alias(target) })
}

fn cluster_ips<'c>(service: &'c Service, below: Below<'_>) -> Result<Found<'c>, Ruling> {
    let on = |rule: Rule| rule.on(Kind::Service, &service.key);
    let owner =
        Owner { first: None, service: Some(&service.key.name), namespace: &service.key.namespace };
    let declared = service.ports.iter().map(|p| (&*p.name, p.protocol, Some(p.port)));
    let ports = ports_of(declared, below);
    if ports.is_empty() {
        return Err(on(Rule::NoSuchPort));
    }
    if service.cluster_ips().is_empty() {
        return Ok(Found::empty(on(Rule::NoClusterIpYet)));
    }
    let targets: Vec<Target<'c>> = ports
        .into_iter()
        .flat_map(|port| service.cluster_ips().iter().map(move |ip| (port, *ip)))
        .map(|(port, ip)| Target { ip, port, owner: owner.clone() })
        .collect();
    Ok(Found { ruling: on(Rule::ClusterIp), targets: Targets::Addresses(targets) })
}

fn endpoints<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    service: &'c Service,
    below: Below<'_>,
) -> Result<Found<'c>, Ruling> {
    let on = |rule: Rule| rule.on(Kind::Service, &service.key);
    let targets = endpoint_targets(cluster, zone, service, below);
    let (found, missing) = match below {
        Below::Nothing => (Rule::Headless, Rule::NoReadyEndpoints),
        Below::Endpoint(_) => (Rule::Endpoint, Rule::NoSuchEndpoint),
        Below::Port { .. } => (Rule::Headless, Rule::NoSuchPort),
    };
    if targets.is_empty() {
        return Err(on(missing));
    }
    Ok(Found { ruling: on(found), targets: Targets::Addresses(targets) })
}

fn endpoint_targets<'c>(
    cluster: &'c Cluster,
    zone: &Zone,
    service: &'c Service,
    below: Below<'_>,
) -> Vec<Target<'c>> {
    let mut targets = Vec::new();
    for slice in slices_of(cluster, zone, service) {
        let declared = slice.ports.iter().map(|p| (&*p.name, p.protocol, p.port));
        let ports = ports_of(declared, below);
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            for ip in endpoint.addresses.iter().copied() {
                let label = endpoint_label(endpoint, ip, &zone.options);
                if matches!(below, Below::Endpoint(wanted) if !label.eq_ignore_ascii_case(wanted)) {
                    continue;
                }
                let owner = Owner {
                    first: Some(label),
                    service: Some(&service.key.name),
                    namespace: &service.key.namespace,
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
fn ports_of<'a>(
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
    service: &Service,
) -> &'c [std::sync::Arc<cluster::EndpointSlice>] {
    if zone.options.no_endpoints {
        return &[];
    }
    cluster.slices_of(&service.key.namespace, &service.key.name)
}

fn has_ready_endpoints(cluster: &Cluster, zone: &Zone, service: &Service) -> bool {
    let mut endpoints = slices_of(cluster, zone, service).iter().flat_map(|slice| &slice.endpoints);
    endpoints.any(|endpoint| endpoint.ready && !endpoint.addresses.is_empty())
}

impl Below<'_> {
    /// Says whether the name asks for this port: every one unless it names a port or a protocol.
    fn has_port(self, name: &str, protocol: &str) -> bool {
        let Self::Port { port: wanted, protocol: wanted_protocol } = self else { return true };
        (wanted.is_empty() || wanted.eq_ignore_ascii_case(name))
            && (wanted_protocol.is_empty() || wanted_protocol.eq_ignore_ascii_case(protocol))
    }
}

impl Found<'_> {
    fn empty(ruling: Ruling) -> Self {
        Self { ruling, targets: Targets::Addresses(Vec::new()) }
    }
}
