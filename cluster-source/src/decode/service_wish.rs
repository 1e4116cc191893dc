//! What a Service in a manifest says of its addresses: nobody has completed it as an API server does.

use cluster::{ObjectKey, ServiceType};
use ipam_controller::Family;
use ipam_controller::services::{FamilyPolicy, PortWish, Wish, Written};
use serde::Deserialize;

use super::metadata::Metadata;
use super::service::service_type;
use super::wire::{Word, each, text};
use super::{BadObject, Fault, key_of, value, wire};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
}

#[derive(Deserialize, Default)]
struct Spec<'a> {
    #[serde(borrow, rename = "type")]
    service_type: Option<Word<'a>>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Option<Word<'a>>,
    #[serde(borrow, rename = "clusterIPs")]
    cluster_ips: Option<Vec<Word<'a>>>,
    #[serde(borrow, rename = "ipFamilyPolicy")]
    policy: Option<Word<'a>>,
    #[serde(borrow, rename = "ipFamilies")]
    families: Option<Vec<Word<'a>>>,
    #[serde(rename = "allocateLoadBalancerNodePorts")]
    allocates_node_ports: Option<bool>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
    #[serde(borrow, rename = "externalTrafficPolicy")]
    external_traffic_policy: Option<Word<'a>>,
    #[serde(rename = "healthCheckNodePort")]
    health_check: Option<i64>,
}

#[derive(Deserialize)]
struct Port<'a> {
    #[serde(borrow)]
    protocol: Option<Word<'a>>,
    port: Option<i64>,
    #[serde(rename = "nodePort")]
    node_port: Option<i64>,
}

/// Reads what a Service that [`super::Decoder`] could read says of its addresses and ports.
///
/// # Errors
/// `spec.ipFamilyPolicy` or `spec.ipFamilies` says something that there is not.
pub(crate) fn service_wish(json: &str) -> Result<(ObjectKey, Wish), BadObject> {
    let bad =
        |fault| BadObject::new(cluster::Kind::Service, key_of(cluster::Kind::Service, json), fault);
    let wire: Wire<'_> = wire::parse(json).map_err(bad)?;
    let name = wire.metadata.checked_name().map_err(bad)?;
    let key = ObjectKey::new(wire.metadata.namespace_or_default(), name);
    wish(&wire.spec.unwrap_or_default()).map(|wish| (key, wish)).map_err(bad)
}

fn wish(spec: &Spec<'_>) -> Result<Wish, Fault> {
    let service_type = service_type(text(&spec.service_type))?;
    let ports = each(&spec.ports).map(|(_, port)| {
        Ok(PortWish {
            port: value::port("port", port.port.unwrap_or_default())?,
            protocol: value::protocol("protocol", text(&port.protocol))?,
            node_port: node_port(port.node_port),
        })
    });
    Ok(Wish {
        service_type,
        cluster_ips: cluster_ips(service_type, spec)?,
        policy: policy(text(&spec.policy))?,
        families: families(spec)?,
        allocates_node_ports: spec.allocates_node_ports.unwrap_or(true),
        ports: ports.collect::<Result<_, Fault>>()?,
        is_local: text(&spec.external_traffic_policy) == "Local",
        health_check: node_port(spec.health_check),
    })
}

/// 0 is as good as none.
fn node_port(written: Option<i64>) -> Option<u16> {
    written.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

fn cluster_ips(service_type: ServiceType, spec: &Spec<'_>) -> Result<Written, Fault> {
    let list = spec.cluster_ips.as_deref().unwrap_or_default();
    let first = match list.first() {
        Some(first) => first,
        None => text(&spec.cluster_ip),
    };
    match first {
        _ if service_type == ServiceType::ExternalName => Ok(Written::Nothing),
        "" => Ok(Written::Nothing),
        "None" => Ok(Written::Headless),
        single if list.is_empty() => {
            Ok(Written::Addresses(vec![value::ip("spec.clusterIP", single)?]))
        }
        _ => value::ips(&"spec.clusterIPs", &spec.cluster_ips).map(Written::Addresses),
    }
}

fn policy(word: &str) -> Result<Option<FamilyPolicy>, Fault> {
    match word {
        "" => Ok(None),
        "SingleStack" => Ok(Some(FamilyPolicy::SingleStack)),
        "PreferDualStack" => Ok(Some(FamilyPolicy::PreferDualStack)),
        "RequireDualStack" => Ok(Some(FamilyPolicy::RequireDualStack)),
        other => {
            let problem = format!(
                "{other:?} is no policy; write SingleStack, PreferDualStack or RequireDualStack"
            );
            Err(Fault::new("spec.ipFamilyPolicy", problem))
        }
    }
}

fn families(spec: &Spec<'_>) -> Result<Vec<Family>, Fault> {
    let family = |(at, word): (usize, &Word<'_>)| match &**word {
        "IPv4" => Ok(Family::V4),
        "IPv6" => Ok(Family::V6),
        other => {
            let problem = format!("{other:?} is no family; write IPv4 or IPv6");
            Err(Fault::new(format!("spec.ipFamilies[{at}]"), problem))
        }
    };
    each(&spec.families).map(family).collect()
}
