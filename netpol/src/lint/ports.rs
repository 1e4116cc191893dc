//! Ports that nobody listens on.

use cluster::{Pod, PolicyPort, PolicyRule, PortMatch, ServicePort, TargetPort, Text};

use super::{Finding, Subject};
use crate::Direction;

/// Looks at the ports of a rule. Those of egress are of others, who may be anywhere.
pub(super) fn check(
    subject: &Subject<'_>,
    rule: &PolicyRule,
    direction: Direction,
    place: &str,
    to: &mut Vec<Finding>,
) {
    for (at, port) in rule.ports.iter().enumerate() {
        let text = match (&port.ports, direction) {
            (PortMatch::Nothing, _) => Some(
                "cannot be read and matches nothing; see what was said when it was loaded"
                    .to_owned(),
            ),
            (PortMatch::Named(name), Direction::Ingress) => name_text(subject, port, name),
            (PortMatch::Range(first, last), Direction::Ingress) if first == last => {
                service_text(subject, port, *first)
            }
            (PortMatch::Named(_) | PortMatch::Range(..) | PortMatch::Any, _) => None,
        };
        to.extend(text.map(|text| subject.finding(format!("{place}.ports[{at}]"), text)));
    }
}

fn name_text(subject: &Subject<'_>, port: &PolicyPort, name: &Text) -> Option<String> {
    let declares =
        |pod: &Pod| pod.ports.iter().any(|it| (&it.name, it.protocol) == (name, port.protocol));
    let is_missing = !subject.pods.is_empty() && !subject.pods.iter().any(|pod| declares(pod));
    is_missing.then(|| {
        format!("no selected pod declares a port named {name} of this protocol; name the container's port")
    })
}

/// Finds the port of a Service in the place of the port of its pods.
fn service_text(subject: &Subject<'_>, port: &PolicyPort, number: u16) -> Option<String> {
    let listens =
        |pod: &Pod| pod.ports.iter().any(|it| (it.port, it.protocol) == (number, port.protocol));
    if subject.pods.iter().any(|pod| listens(pod)) {
        return None;
    }
    let cluster = subject.cluster;
    let addresses = subject.pods.iter().flat_map(|pod| pod.ips.iter());
    let mut slices = addresses.flat_map(|ip| cluster.slices_by_address(*ip));
    slices.find_map(|slice| {
        let service = cluster.service(&slice.key.namespace, slice.service_name.as_deref()?)?;
        let is_it = |it: &&ServicePort| (it.protocol, it.port) == (port.protocol, number);
        let target = match &service.ports.iter().find(is_it)?.target_port {
            TargetPort::Number(target) if *target == number => return None,
            TargetPort::Number(target) => target.to_string(),
            TargetPort::Name(name) => format!("their port {name}"),
        };
        Some(format!(
            "{number} is the port of Service {}; its pods listen on {target}, which is what policies see",
            service.key
        ))
    })
}
