//! ServiceImports of the Multi-Cluster Services API (KEP-1645).

use cluster::{Addresses, Service, ServiceAddress, ServiceType};
use serde::Deserialize;

use super::metadata::Metadata;
use super::service::{Port, ports};
use super::wire::{Word, text};
use super::{Context, Fault, value, wire};

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
    import_type: Option<Word<'a>>,
    #[serde(borrow)]
    ips: Option<Vec<Word<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
}

/// Decodes an import in the form of a Service: `ClusterSetIP` is one with addresses, `Headless` one without.
pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<Service, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let spec = wire.spec.unwrap_or_default();
    let address = match text(&spec.import_type) {
        "Headless" => ServiceAddress::Headless,
        "" | "ClusterSetIP" => match value::ips::<Addresses<2>>(&"spec.ips", &spec.ips)? {
            ips if ips.is_empty() => ServiceAddress::Pending,
            ips => ServiceAddress::ClusterIps(ips),
        },
        other => {
            let problem = format!("{other:?} is no type; write ClusterSetIP or Headless");
            return Err(Fault::new("spec.type", problem));
        }
    };
    Ok(Service {
        key: context.key(&wire.metadata)?,
        labels: context.labels(&wire.metadata),
        service_type: ServiceType::ClusterIp,
        address,
        ports: ports(&spec.ports, context)?,
        external_ips: Box::default(),
        load_balancer: Box::default(),
    })
}
