//! Services are not there any more when policies look at a packet; people ask about them all the same.

use cluster::{Cluster, KeyRef, Service, ServicePort, TargetPort};

use crate::{Flow, pod_at};

/// Returns what the Services of a flow's destination say about it.
pub(super) fn notes(cluster: &Cluster, flow: &Flow) -> Vec<String> {
    let of_address = cluster.services_by_cluster_ip(flow.destination).iter().map(|service| {
        format!(
            "{} is the ClusterIP of Service {}; policies see the address of one of its pods instead, so ask \
             about that",
            flow.destination, service.key
        )
    });
    let of_port = services_of(cluster, flow)
        .into_iter()
        .filter_map(|service| port_note(cluster, flow, service));
    of_address.chain(of_port).collect()
}

/// Returns the Services that the destination is an endpoint of.
fn services_of<'a>(cluster: &'a Cluster, flow: &Flow) -> Vec<&'a Service> {
    let keys = cluster.slices_by_address(flow.destination).iter().filter_map(|slice| {
        let name = slice.service_name.as_deref()?;
        Some(KeyRef { namespace: &slice.key.namespace, name })
    });
    let mut keys: Vec<KeyRef<'_>> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys.iter().filter_map(|key| cluster.service(key.namespace, key.name)).map(|it| &**it).collect()
}

/// Says that the port is only the Service's, and which one the pod listens on.
fn port_note(cluster: &Cluster, flow: &Flow, service: &Service) -> Option<String> {
    let (protocol, number) = flow.traffic.port()?;
    let port =
        service.ports.iter().find(|port| (port.protocol, port.port) == (protocol, number))?;
    let target = target(cluster, flow, port)?;
    (target != number).then(|| {
        format!(
            "{number} is the port of Service {}; the pod listens on {target}, which is what policies see",
            service.key
        )
    })
}

fn target(cluster: &Cluster, flow: &Flow, port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let declared = &pod_at(cluster, flow.destination)?.ports;
            let named = declared.iter().find(|it| (&it.name, it.protocol) == (name, port.protocol));
            named.map(|it| it.port)
        }
    }
}
