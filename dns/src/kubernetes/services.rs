//! What is behind a cluster name: addresses with ports, or an alias.

use std::borrow::Cow;
use std::net::IpAddr;

use cluster::{Cluster, Kind, Service, ServiceAddress, Text};

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

/// The name of an address below the zone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner<'c> {
    /// The endpoint of a Service.
    pub(super) endpoint: Option<Cow<'c, str>>,
    /// The Service, or the address of a pod with dashes.
    pub(super) name: Cow<'c, str>,
    pub(super) namespace: Cow<'c, str>,
    pub(super) branch: Branch,
}

impl<'c> Owner<'c> {
    pub(super) fn of_service(service: &'c Service) -> Self {
        Self {
            endpoint: None,
            name: Cow::Borrowed(&service.key.name),
            namespace: Cow::Borrowed(&service.key.namespace),
            branch: Branch::Svc,
        }
    }

    pub(super) fn of_endpoint(service: &'c Service, label: Cow<'c, str>) -> Self {
        Self { endpoint: Some(label), ..Self::of_service(service) }
    }

    fn of_pod(namespace: &str, address: &str) -> Self {
        let (name, namespace) = (address.to_owned().into(), namespace.to_owned().into());
        Self { endpoint: None, name, namespace, branch: Branch::Pod }
    }

    /// Iterates over the labels below the zone.
    pub(super) fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        let labels = [&*self.name, &*self.namespace, self.branch.label()];
        self.endpoint.as_deref().into_iter().chain(labels)
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
        PodMode::Verified | PodMode::Disabled => pod_with_address(cluster, zone, namespace, ip)?,
    };
    // CoreDNS has SRV records for pods, with the port 0.
    let port = if zone.options.strict { None } else { Some(0) };
    let owner = Owner::of_pod(namespace, address);
    Ok(Found { ruling, targets: Targets::Addresses(vec![Target { ip, port, owner }]) })
}

fn pod_with_address(
    cluster: &Cluster,
    zone: &Zone,
    namespace: &str,
    ip: IpAddr,
) -> Result<Ruling, Ruling> {
    let pods = cluster.pods_by_ip(ip).iter();
    pods.filter(|pod| &*pod.key.namespace == namespace && pod.holds_its_addresses())
        // CoreDNS knows a pod by its primary address only.
        .find(|pod| zone.options.strict || pod.ips.first() == Some(&ip))
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
    if service.address == ServiceAddress::Pending {
        return Ok(Found::empty(on(Rule::NoClusterIpYet)));
    }
    let owner = Owner::of_service(service);
    let ports = service.ports.iter().filter(|p| below.has_port(&p.name, p.protocol.as_str()));
    let targets: Vec<Target<'c>> = ports
        .flat_map(|port| service.cluster_ips().iter().map(move |ip| (port.port, *ip)))
        .map(|(port, ip)| Target { ip, port: Some(port), owner: owner.clone() })
        .collect();
    if targets.is_empty() {
        return Err(on(Rule::NoSuchPort));
    }
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
        let ports = slice_ports(slice, below);
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            for ip in endpoint.addresses.iter().copied() {
                let label = endpoint_label(endpoint, ip, &zone.options);
                if matches!(below, Below::Endpoint(wanted) if !label.eq_ignore_ascii_case(wanted)) {
                    continue;
                }
                let owner = Owner::of_endpoint(service, label);
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

/// Returns the ports of a slice that the name asks for. A slice without ports has one that is none, so
/// that its addresses are found all the same.
fn slice_ports(slice: &cluster::EndpointSlice, below: Below<'_>) -> Vec<Option<u16>> {
    if slice.ports.is_empty() {
        return if below.has_port("", "") { vec![None] } else { Vec::new() };
    }
    let ports = slice.ports.iter().filter(|p| below.has_port(&p.name, p.protocol.as_str()));
    ports.map(|port| port.port).collect()
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
