//! Nodes.

use cluster::Node;
use serde::Deserialize;

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
    #[serde(borrow, rename = "podCIDR")]
    pod_cidr: Option<Word<'a>>,
    #[serde(borrow, rename = "podCIDRs")]
    pod_cidrs: Option<Vec<Word<'a>>>,
}

#[derive(Deserialize, Default)]
struct Status<'a> {
    #[serde(borrow)]
    addresses: Option<Vec<Address<'a>>>,
}

#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow, rename = "type")]
    address_type: Option<Word<'a>>,
    #[serde(borrow)]
    address: Option<Word<'a>>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<Node, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let mut addresses = Vec::new();
    for (at, address) in each(&wire.status.unwrap_or_default().addresses) {
        if matches!(text(&address.address_type), "InternalIP" | "ExternalIP") {
            let field = format!("status.addresses[{at}].address");
            addresses.push(value::ip(&field, text(&address.address))?);
        }
    }
    let spec = wire.spec.unwrap_or_default();
    let mut pod_cidrs = Vec::new();
    for (at, cidr) in each(&spec.pod_cidrs) {
        pod_cidrs.push(value::cidr(&format!("spec.podCIDRs[{at}]"), cidr)?);
    }
    if let (true, Some(cidr)) = (pod_cidrs.is_empty(), spec.pod_cidr.filter(|c| !c.is_empty())) {
        pod_cidrs.push(value::cidr("spec.podCIDR", &cidr)?);
    }
    Ok(Node {
        name: context.names.text(wire.metadata.checked_name()?),
        labels: context.labels(&wire.metadata),
        addresses: addresses.into(),
        pod_cidrs: pod_cidrs.into(),
    })
}
