//! EndpointSlices.

use cluster::{Addresses, Endpoint, EndpointPort, EndpointSlice, Import, ShortText, Text};
use serde::Deserialize;

use super::metadata::Metadata;
use super::wire::{Word, each, text};
use super::{Context, Fault, value, wire};

/// The label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The labels that name the ServiceImport of a slice and the cluster that it comes from (KEP-1645).
const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, rename = "addressType")]
    address_type: Option<Word<'a>>,
    #[serde(borrow)]
    endpoints: Option<Vec<WireEndpoint<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
}

#[derive(Deserialize)]
struct WireEndpoint<'a> {
    #[serde(borrow)]
    addresses: Option<Vec<Word<'a>>>,
    conditions: Option<Conditions>,
    #[serde(borrow)]
    hostname: Option<Word<'a>>,
    #[serde(borrow, rename = "targetRef")]
    target: Option<Target<'a>>,
    #[serde(borrow)]
    zone: Option<Word<'a>>,
}

#[derive(Deserialize, Default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    name: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Port<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    protocol: Option<Word<'a>>,
    port: Option<i64>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<EndpointSlice, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let mut endpoints = Vec::new();
    // Names instead of addresses: nothing that reads the model can use them.
    let is_fqdn = text(&wire.address_type) == "FQDN";
    for (at, entry) in each(&wire.endpoints).filter(|_| !is_fqdn) {
        // The API server takes no endpoint without an address: only a manifest can hold one, and its other
        // endpoints are none the worse for it.
        match endpoint(at, entry, context) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(fault) => context.dropped.push(fault.leaving_out("the endpoint")),
        }
    }
    let mut ports = Vec::new();
    for (at, entry) in each(&wire.ports) {
        ports.push(port(entry, context).map_err(|fault| fault.under(&format!("ports[{at}]")))?);
    }
    let service = wire.metadata.label(SERVICE_NAME).filter(|name| !name.is_empty());
    let import = wire.metadata.label(IMPORT_NAME).filter(|name| !name.is_empty());
    let source = wire.metadata.label(SOURCE_CLUSTER).unwrap_or_default();
    Ok(EndpointSlice {
        key: context.key(&wire.metadata)?,
        // Most slices have a Service of their own, whose name they share in the model.
        service_name: service.map(ShortText::from),
        import: import.map(|name| {
            let (service_name, cluster) = (context.names.text(name), context.names.text(source));
            Box::new(Import { service_name, cluster })
        }),
        labels: context.labels(&wire.metadata),
        endpoints: endpoints.into(),
        ports: context.names.endpoint_ports(&ports),
    })
}

fn endpoint(
    at: usize,
    wire: &WireEndpoint<'_>,
    context: &mut Context<'_>,
) -> Result<Endpoint, Fault> {
    let conditions = wire.conditions.as_ref();
    // KEP-1672: unknown readiness is read as ready.
    let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
    let target = wire.target.as_ref().filter(|t| matches!(text(&t.kind), "Pod" | ""));
    Ok(Endpoint {
        addresses: addresses(at, wire)?,
        hostname: non_empty(&wire.hostname).map(Text::from),
        target_name: target.and_then(|t| non_empty(&t.name)).map(ShortText::from),
        zone: non_empty(&wire.zone).map(|zone| context.names.text(zone)),
        ready,
        serving: conditions.and_then(|c| c.serving).unwrap_or(ready),
        terminating: conditions.and_then(|c| c.terminating).unwrap_or(false),
    })
}

fn addresses(at: usize, wire: &WireEndpoint<'_>) -> Result<Addresses<1>, Fault> {
    let field = format_args!("endpoints[{at}].addresses");
    let addresses: Addresses<1> = value::ips(&field, &wire.addresses)?;
    if addresses.is_empty() {
        return Err(Fault::new(field.to_string(), "is empty; give the endpoint one address"));
    }
    Ok(addresses)
}

fn port(port: &Port<'_>, context: &mut Context<'_>) -> Result<EndpointPort, Fault> {
    Ok(EndpointPort {
        name: context.names.text(text(&port.name)),
        protocol: value::protocol(".protocol", text(&port.protocol))?,
        port: port.port.map(|number| value::port(".port", number)).transpose()?,
    })
}

fn non_empty<'a>(word: &'a Option<Word<'_>>) -> Option<&'a str> {
    word.as_deref().filter(|text| !text.is_empty())
}
