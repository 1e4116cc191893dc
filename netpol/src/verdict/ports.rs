//! Which traffic a port of a rule stands for.

use cluster::{Pod, PolicyPort, PortMatch};

use crate::Traffic;

/// Says whether traffic to a destination is the port's.
///
/// A name stands for every port of this name and protocol that the destination pod declares, and for none of a
/// destination that is no pod. ICMP and other protocols have no ports: only rules without `ports` allow them.
pub(crate) fn port_matches(port: &PolicyPort, traffic: Traffic, destination: Option<&Pod>) -> bool {
    let Some((protocol, number)) = traffic.port() else { return false };
    if port.protocol != protocol {
        return false;
    }
    match &port.ports {
        PortMatch::Any => true,
        PortMatch::Range(first, last) => (*first..=*last).contains(&number),
        PortMatch::Named(name) => destination.is_some_and(|pod| {
            pod.ports.iter().any(|declared| {
                (&declared.name, declared.protocol, declared.port) == (name, protocol, number)
            })
        }),
        PortMatch::Nothing => false,
    }
}
