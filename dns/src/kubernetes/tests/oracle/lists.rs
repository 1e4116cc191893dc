//! The cluster as lists, and the endpoints behind a Service.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, EndpointSlice, Object, Pod, Protocol, Service};

use super::ZoneFile;

/// A cluster as lists.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) namespaces: BTreeSet<String>,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) imports: Vec<Arc<Service>>,
    pub(super) slices: Vec<Arc<EndpointSlice>>,
    pub(super) pods: Vec<Arc<Pod>>,
}

/// Name, protocol and number of a port, empty and none where it declares none.
pub(super) type Port = (String, String, Option<u16>);

/// A ready endpoint at one of its addresses and one port of its slice.
pub(super) type Behind = (String, IpAddr, Port);

impl ZoneFile {
    pub(super) fn endpoints_of(&self, service: &Service, lists: &Lists) -> Vec<Behind> {
        let slices = lists.slices.iter().filter(|slice| {
            slice.key.namespace == service.key.namespace
                && slice.service_name.as_ref() == Some(&service.key.name)
        });
        slices.flat_map(|slice| self.endpoints_in(slice)).collect()
    }

    /// The endpoints of an import, each with its cluster: `label.cluster`.
    pub(super) fn endpoints_of_import(&self, import: &Service, lists: &Lists) -> Vec<Behind> {
        let mut behind = Vec::new();
        for slice in lists.slices.iter().filter(|slice| slice.key.namespace == import.key.namespace)
        {
            let Some(of) = &slice.import else { continue };
            if *of.service_name == *import.key.name {
                let all = self.endpoints_in(slice).into_iter();
                behind.extend(
                    all.map(|(label, ip, port)| (format!("{label}.{}", of.cluster), ip, port)),
                );
            }
        }
        behind
    }

    /// The endpoints of a Service in a topology zone.
    pub(super) fn endpoints_within(
        &self,
        service: &Service,
        lists: &Lists,
        zone: &str,
    ) -> Vec<Behind> {
        let mut part = Lists::default();
        for slice in &lists.slices {
            let mut slice = EndpointSlice::clone(slice);
            let all = slice.endpoints.into_iter();
            slice.endpoints = all.filter(|e| e.zone.as_deref() == Some(zone)).collect();
            part.slices.push(Arc::new(slice));
        }
        self.endpoints_of(service, &part)
    }

    pub(super) fn endpoints_in(&self, slice: &EndpointSlice) -> Vec<Behind> {
        let mut behind = Vec::new();
        if self.options().no_endpoints {
            return behind;
        }
        let ports: Vec<_> =
            slice.ports.iter().map(|p| (p.name.to_string(), word(p.protocol), p.port)).collect();
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            for ip in endpoint.addresses.iter().copied() {
                let pod =
                    endpoint.target_name.as_deref().filter(|_| self.options().endpoint_pod_names);
                let pod = pod
                    .filter(|pod| pod.len() < 64 && !(self.options().strict && pod.contains('.')));
                let label =
                    endpoint.hostname.as_deref().or(pod).map_or_else(|| dashed(ip), str::to_owned);
                let ports = or_none(ports.clone()).into_iter();
                behind.extend(ports.map(|port| (label.clone(), ip, port)));
            }
        }
        behind
    }
}

impl Lists {
    /// Sorts the objects of a cluster into lists, each by namespace and name.
    pub(super) fn of(cluster: &Cluster) -> Self {
        let mut lists = Self::default();
        for object in cluster.objects() {
            match object {
                Object::Namespace(namespace) => {
                    lists.namespaces.extend([namespace.name.to_string()])
                }
                Object::Service(service) => lists.services.push(service),
                Object::EndpointSlice(slice) => lists.slices.push(slice),
                Object::Pod(pod) => lists.pods.push(pod),
                Object::ServiceImport(import) => lists.imports.push(import),
                Object::Node(_) | Object::NetworkPolicy(_) => {}
            }
        }
        lists
    }
}

pub(super) fn service_ports(service: &Service) -> Vec<Port> {
    let ports = service.ports.iter().map(|p| (p.name.to_string(), word(p.protocol), Some(p.port)));
    or_none(ports.collect())
}

/// What declares no port has one without name, protocol and number.
fn or_none(ports: Vec<Port>) -> Vec<Port> {
    if ports.is_empty() { vec![(String::new(), String::new(), None)] } else { ports }
}

fn word(protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => "tcp".to_owned(),
        Protocol::Udp => "udp".to_owned(),
        Protocol::Sctp => "sctp".to_owned(),
    }
}

fn dashed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.octets().map(|octet| octet.to_string()).join("-"),
        IpAddr::V6(ip) => {
            let label = ip.to_string().replace(':', "-");
            if label.ends_with("--") { label + "0" } else { label }
        }
    }
}
