//! Pods.

use std::net::IpAddr;

use cluster::{ContainerPort, Phase, Pod};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::metadata::Metadata;
use super::wire::{Word, each, text};
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
    #[serde(borrow, rename = "nodeName")]
    node_name: Option<Word<'a>>,
    #[serde(rename = "hostNetwork")]
    host_network: Option<bool>,
    #[serde(borrow)]
    containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, rename = "initContainers")]
    init_containers: Option<Vec<Container<'a>>>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
    #[serde(borrow, rename = "restartPolicy")]
    restart_policy: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Port<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    protocol: Option<Word<'a>>,
    #[serde(rename = "containerPort")]
    container_port: Option<i64>,
}

#[derive(Deserialize, Default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Word<'a>>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Option<Word<'a>>,
    #[serde(borrow, rename = "podIPs")]
    pod_ips: Option<Vec<PodIp<'a>>>,
    #[serde(borrow, rename = "startTime")]
    start_time: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct PodIp<'a> {
    #[serde(borrow)]
    ip: Option<Word<'a>>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<Pod, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let (spec, status) = (wire.spec.unwrap_or_default(), wire.status.unwrap_or_default());
    let node_name = text(&spec.node_name);
    Ok(Pod {
        key: context.key(&wire.metadata)?,
        labels: context.labels(&wire.metadata),
        node_name: (!node_name.is_empty()).then(|| context.names.text(node_name)),
        ips: ips(&status)?,
        phase: phase(text(&status.phase))?,
        host_network: spec.host_network.unwrap_or(false),
        terminating: wire.metadata.is_terminating(),
        started: seconds(text(&status.start_time)),
        ports: ports(&spec, context)?,
    })
}

fn ips(status: &Status<'_>) -> Result<Box<[IpAddr]>, Fault> {
    let mut ips = Vec::new();
    for (at, entry) in each(&status.pod_ips) {
        ips.push(value::ip(&format!("status.podIPs[{at}].ip"), text(&entry.ip))?);
    }
    let pod_ip = text(&status.pod_ip);
    if ips.is_empty() && !pod_ip.is_empty() {
        ips.push(value::ip("status.podIP", pod_ip)?);
    }
    Ok(ips.into())
}

/// Reads a time of RFC 3339; 0 for what is none or before 1970. It only orders pods that have had the same address.
fn seconds(text: &str) -> u32 {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.map_or(0, |time| u32::try_from(time.unix_timestamp()).unwrap_or(0))
}

fn phase(text: &str) -> Result<Phase, Fault> {
    match text {
        "" | "Pending" => Ok(Phase::Pending),
        "Running" => Ok(Phase::Running),
        "Succeeded" => Ok(Phase::Succeeded),
        "Failed" => Ok(Phase::Failed),
        "Unknown" => Ok(Phase::Unknown),
        _ => {
            let problem = format!(
                "{text:?} is no phase; write Pending, Running, Succeeded, Failed or Unknown"
            );
            Err(Fault::new("status.phase", problem))
        }
    }
}

/// Returns the ports of the containers that run beside each other: the ordinary ones, and the init
/// containers that keep running (sidecars, KEP-753).
fn ports(spec: &Spec<'_>, context: &mut Context<'_>) -> Result<Box<[ContainerPort]>, Fault> {
    let ordinary = each(&spec.containers).map(|(at, c)| ("containers", at, c));
    let sidecars = each(&spec.init_containers)
        .filter(|(_, container)| text(&container.restart_policy) == "Always")
        .map(|(at, container)| ("initContainers", at, container));
    let mut ports = Vec::new();
    for (list, at, container) in ordinary.chain(sidecars) {
        for (port_at, port) in each(&container.ports) {
            let place = || format!("spec.{list}[{at}].ports[{port_at}]");
            ports.push(container_port(port, context).map_err(|fault| fault.under(&place()))?);
        }
    }
    Ok(ports.into())
}

fn container_port(port: &Port<'_>, context: &mut Context<'_>) -> Result<ContainerPort, Fault> {
    Ok(ContainerPort {
        name: context.names.text(text(&port.name)),
        port: value::port(".containerPort", port.container_port.unwrap_or_default())?,
        protocol: value::protocol(".protocol", text(&port.protocol))?,
    })
}
