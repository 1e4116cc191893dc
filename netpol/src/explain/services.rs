//! Services are not there any more when policies look at a packet; people ask about them all the same.

use cluster::{Cluster, KeyRef, Service, ServicePort, TargetPort};

use crate::{Flow, Options, Path, pod_at};

/// Returns what the Services of a flow's destination say about it.
pub(super) fn notes(cluster: &Cluster, options: &Options, flow: &Flow) -> Vec<String> {
    // Where the DNS server of the node has it, nothing else takes its place.
    let is_replaced =
        flow.path != Path::ToNode || !options.node_local_dns.contains(&flow.destination);
    let services = cluster.services_by_cluster_ip(flow.destination).iter();
    let of_address = services.filter(|_| is_replaced).map(|service| {
        let cache = if flow.traffic.is_dns() {
            "; where a cache of the node has it, say so by --node-local-dns"
        } else {
            ""
        };
        format!(
            "{} is the ClusterIP of Service {}; policies see the address of one of its pods instead, so ask \
             about that{cache}",
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
