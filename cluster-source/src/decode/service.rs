//! Services.

use std::sync::Arc;

use cluster::{LoadBalancerIngress, Service, ServiceAddress, ServicePort, ServiceType, TargetPort};
use serde::Deserialize;

use super::metadata::Metadata;
use super::wire::{IntOrWord, Word, each, text};
use super::{Context, Fault, value, wire};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize, Default)]
struct Spec<'a> {
    #[serde(borrow, rename = "type")]
    service_type: Option<Word<'a>>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Option<Word<'a>>,
    #[serde(borrow, rename = "clusterIPs")]
    cluster_ips: Option<Vec<Word<'a>>>,
    #[serde(borrow, rename = "externalName")]
    external_name: Option<Word<'a>>,
    #[serde(borrow, rename = "externalIPs")]
    external_ips: Option<Vec<Word<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Port<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    protocol: Option<Word<'a>>,
    port: Option<i64>,
    #[serde(borrow, rename = "targetPort")]
    target_port: Option<IntOrWord<'a>>,
    #[serde(rename = "nodePort")]
    node_port: Option<i64>,
}

#[derive(Deserialize, Default)]
struct Status<'a> {
    #[serde(borrow, rename = "loadBalancer")]
    load_balancer: Option<LoadBalancer<'a>>,
}

#[derive(Deserialize, Default)]
struct LoadBalancer<'a> {
    #[serde(borrow)]
    ingress: Option<Vec<Ingress<'a>>>,
}

#[derive(Deserialize)]
struct Ingress<'a> {
    #[serde(borrow)]
    ip: Option<Word<'a>>,
    #[serde(borrow)]
    hostname: Option<Word<'a>>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<Service, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let spec = wire.spec.unwrap_or_default();
    let service_type = service_type(text(&spec.service_type))?;
    let ports = ports(&spec.ports, context)?;
    Ok(Service {
        key: context.key(&wire.metadata)?,
        labels: context.labels(&wire.metadata),
        service_type,
        address: address(service_type, &spec)?,
        ports,
        external_ips: value::ips(&"spec.externalIPs", &spec.external_ips)?,
        load_balancer: ingress(&wire.status.unwrap_or_default())?,
    })
}

/// Decodes `spec.ports`.
pub(super) fn ports(
    list: &Option<Vec<Port<'_>>>,
    context: &mut Context<'_>,
) -> Result<Arc<[ServicePort]>, Fault> {
    let mut ports = Vec::new();
    for (at, entry) in each(list) {
        let place = || format!("spec.ports[{at}]");
        ports.push(port(entry, context).map_err(|fault| fault.under(&place()))?);
    }
    Ok(context.names.service_ports(&ports))
}

/// Decodes `spec.type`.
pub(super) fn service_type(text: &str) -> Result<ServiceType, Fault> {
    match text {
        "" | "ClusterIP" => Ok(ServiceType::ClusterIp),
        "NodePort" => Ok(ServiceType::NodePort),
        "LoadBalancer" => Ok(ServiceType::LoadBalancer),
        "ExternalName" => Ok(ServiceType::ExternalName),
        _ => {
            let problem = format!(
                "{text:?} is no type; write ClusterIP, NodePort, LoadBalancer or ExternalName"
            );
            Err(Fault::new("spec.type", problem))
        }
    }
}

/// The type decides: an ExternalName Service has no cluster address even where one is written.
fn address(service_type: ServiceType, spec: &Spec<'_>) -> Result<ServiceAddress, Fault> {
    if service_type == ServiceType::ExternalName {
        let name = text(&spec.external_name);
        if name.is_empty() {
            let problem = "is empty; write the DNS name that clients are sent to";
            return Err(Fault::new("spec.externalName", problem));
        }
        return Ok(ServiceAddress::ExternalName(name.into()));
    }
    let list = spec.cluster_ips.as_deref().unwrap_or_default();
    let first = match list.first() {
        Some(first) => first,
        None => text(&spec.cluster_ip),
    };
    match first {
        "None" => Ok(ServiceAddress::Headless),
        "" => Ok(ServiceAddress::Pending),
        single if list.is_empty() => {
            let ip = value::ip("spec.clusterIP", single)?;
            Ok(ServiceAddress::ClusterIps([ip].into()))
        }
        _ => Ok(ServiceAddress::ClusterIps(value::ips(&"spec.clusterIPs", &spec.cluster_ips)?)),
    }
}

fn port(port: &Port<'_>, context: &mut Context<'_>) -> Result<ServicePort, Fault> {
    let number = value::port(".port", port.port.unwrap_or_default())?;
    Ok(ServicePort {
        name: context.names.text(text(&port.name)),
        protocol: value::protocol(".protocol", text(&port.protocol))?,
        port: number,
        target_port: target_port(port.target_port.as_ref(), number, context)?,
        // Zero is how Go writes "none".
        node_port: port
            .node_port
            .filter(|n| *n != 0)
            .map(|n| value::port(".nodePort", n))
            .transpose()?,
    })
}

/// Absent, zero and empty mean the Service's own port, as the API server fills in.
fn target_port(
    target: Option<&IntOrWord<'_>>,
    port: u16,
    context: &mut Context<'_>,
) -> Result<TargetPort, Fault> {
    match target {
        None | Some(IntOrWord::Int(0)) => Ok(TargetPort::Number(port)),
        Some(IntOrWord::Int(number)) => value::port(".targetPort", *number).map(TargetPort::Number),
        Some(IntOrWord::Word(name)) if name.is_empty() => Ok(TargetPort::Number(port)),
        Some(IntOrWord::Word(name)) => Ok(TargetPort::Name(context.names.text(name))),
    }
}

/// An entry is an address or, when it has none, a hostname.
fn ingress(status: &Status<'_>) -> Result<Box<[LoadBalancerIngress]>, Fault> {
    let Some(load_balancer) = &status.load_balancer else {
        return Ok(Box::default());
    };
    let mut entries = Vec::new();
    for (at, entry) in each(&load_balancer.ingress) {
        let (ip, hostname) = (text(&entry.ip), text(&entry.hostname));
        if !ip.is_empty() {
            let field = format!("status.loadBalancer.ingress[{at}].ip");
            entries.push(LoadBalancerIngress::Ip(value::ip(&field, ip)?));
        } else if !hostname.is_empty() {
            entries.push(LoadBalancerIngress::Hostname(hostname.into()));
        }
    }
    Ok(entries.into())
}
