//! Small clusters for tests, and one question that both statements of the semantics have to answer alike.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cluster::{
    Cluster, ContainerPort, Endpoint, EndpointSlice, Event, IpBlock, Labels, Namespace,
    NetworkPolicy, Node, Object, ObjectKey, Oddity, Peer, Phase, Pod, PolicyDirection, PolicyPort,
    PolicyRule, PortMatch, Protocol, Selector, Service, ServiceAddress, ServicePort, ServiceType,
    Store, TargetPort,
};
use nft::{Hook, Packet, Policy, protocol};

use crate::{Flow, Options, Path, Traffic, compile, verdict};

/// A cluster under construction: the node `n` at 192.0.2.1, and the namespaces `x` and `y` with the label `ns`.
pub(crate) struct World(Store);

/// A rule.
pub(crate) fn rule(
    peers: impl IntoIterator<Item = Peer>,
    ports: impl IntoIterator<Item = PolicyPort>,
) -> PolicyRule {
    PolicyRule { peers: peers.into_iter().collect(), ports: ports.into_iter().collect() }
}

/// The pods of the own namespace with such labels.
pub(crate) fn pods(selector: &str) -> Peer {
    Peer::Pods { pods: Some(Selector::parse(selector).unwrap()), namespaces: None }
}

/// The pods with such labels in namespaces with such labels.
pub(crate) fn pods_of(namespaces: &str, pods: &str) -> Peer {
    let parse = |text| Some(Selector::parse(text).unwrap());
    Peer::Pods { pods: parse(pods), namespaces: parse(namespaces) }
}

pub(crate) fn block(cidr: &str, except: &[&str]) -> Peer {
    let except = except.iter().map(|text| text.parse().unwrap()).collect();
    Peer::IpBlock(IpBlock { cidr: cidr.parse().unwrap(), except })
}

pub(crate) fn port(protocol: Protocol, first: u16, last: u16) -> PolicyPort {
    PolicyPort { protocol, ports: PortMatch::Range(first, last) }
}

pub(crate) fn tcp(number: u16) -> PolicyPort {
    port(Protocol::Tcp, number, number)
}

pub(crate) fn named(name: &str) -> PolicyPort {
    PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Named(name.into()) }
}

pub(crate) fn labels(text: &str) -> Labels {
    text.split_whitespace().map(|label| label.split_once('=').unwrap()).collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self(Store::new()).node("n", "192.0.2.1").namespace("x", "ns=x").namespace("y", "ns=y")
    }

    pub(crate) fn with(mut self, object: Object) -> Self {
        self.0.apply(Event::Upsert(object), 0);
        self
    }

    pub(crate) fn node(self, name: &str, address: &str) -> Self {
        self.with(Object::Node(Arc::new(Node {
            name: name.into(),
            labels: Labels::default(),
            addresses: [address.parse().unwrap()].into(),
            pod_cidrs: [].into(),
        })))
    }

    pub(crate) fn namespace(self, name: &str, text: &str) -> Self {
        let namespace = Namespace { name: name.into(), labels: labels(text), audit: false };
        self.with(Object::Namespace(Arc::new(namespace)))
    }

    /// Adds a running pod of the node `n`.
    pub(crate) fn pod(self, key: &str, ips: &str, text: &str) -> Self {
        self.changed_pod(key, ips, text, |_| {})
    }

    pub(crate) fn changed_pod(
        self,
        key: &str,
        ips: &str,
        text: &str,
        change: impl FnOnce(&mut Pod),
    ) -> Self {
        let mut pod = Pod {
            key: key_of(key),
            labels: labels(text),
            node_name: Some("n".into()),
            ips: ips.split_whitespace().map(|ip| ip.parse().unwrap()).collect(),
            phase: Phase::Running,
            host_network: false,
            terminating: false,
            started: 0,
            ports: [].into(),
        };
        change(&mut pod);
        self.with(Object::Pod(Arc::new(pod)))
    }

    /// Adds a pod that declares ports of TCP, such as `http:80 http:8080`.
    pub(crate) fn pod_with_ports(self, key: &str, ips: &str, ports: &str) -> Self {
        let declared = |text: &str| {
            let (name, port) = text.split_once(':').unwrap();
            ContainerPort {
                name: name.into(),
                port: port.parse().unwrap(),
                protocol: Protocol::Tcp,
            }
        };
        let ports = ports.split_whitespace().map(declared).collect();
        self.changed_pod(key, ips, "", |pod| pod.ports = ports)
    }

    /// Adds a Service with the ClusterIP 10.96.0.7 and the port 80, and one address that is ready behind it.
    pub(crate) fn service(self, key: &str, target_port: TargetPort, address: &str) -> Self {
        let port = ServicePort {
            name: "web".into(),
            protocol: Protocol::Tcp,
            port: 80,
            target_port,
            node_port: None,
        };
        let key = key_of(key);
        let endpoint = Endpoint {
            addresses: [address.parse().unwrap()].into(),
            hostname: None,
            target_name: None,
            zone: None,
            ready: true,
            serving: true,
            terminating: false,
        };
        let slice = EndpointSlice {
            key: ObjectKey::new(key.namespace.clone(), format!("{}-1", key.name)),
            service_name: Some(key.name.clone()),
            import: None,
            labels: Labels::default(),
            endpoints: [endpoint].into(),
            ports: [].into(),
        };
        let service = Service {
            key,
            labels: Labels::default(),
            service_type: ServiceType::ClusterIp,
            address: ServiceAddress::ClusterIps(["10.96.0.7".parse().unwrap()].into()),
            ports: [port].into(),
            external_ips: [].into(),
            load_balancer: [].into(),
        };
        self.with(Object::Service(Arc::new(service))).with(Object::EndpointSlice(Arc::new(slice)))
    }

    /// Adds a policy about ingress.
    pub(crate) fn ingress(self, key: &str, selector: &str, rules: Vec<PolicyRule>) -> Self {
        self.policy(key, selector, Some(rules), None)
    }

    /// Adds a policy about egress.
    pub(crate) fn egress(self, key: &str, selector: &str, rules: Vec<PolicyRule>) -> Self {
        self.policy(key, selector, None, Some(rules))
    }

    pub(crate) fn policy(
        self,
        key: &str,
        selector: &str,
        ingress: Option<Vec<PolicyRule>>,
        egress: Option<Vec<PolicyRule>>,
    ) -> Self {
        let direction = |rules: Option<Vec<_>>| rules.map(|rules| PolicyDirection { rules });
        self.with(Object::NetworkPolicy(Arc::new(NetworkPolicy {
            key: key_of(key),
            pod_selector: Selector::parse(selector).unwrap(),
            ingress: direction(ingress),
            egress: direction(egress),
            oddities: Box::default(),
        })))
    }

    /// Adds a policy that forbids ingress, with something odd in how it is written.
    pub(crate) fn odd(self, key: &str, oddity: Oddity) -> Self {
        self.with(Object::NetworkPolicy(Arc::new(NetworkPolicy {
            key: key_of(key),
            pod_selector: Selector::default(),
            ingress: Some(PolicyDirection::default()),
            egress: None,
            oddities: Box::new([oddity]),
        })))
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.0.cluster()
    }

    /// Says whether traffic passes, by both statements, with the usual options.
    pub(crate) fn passes(&self, source: &str, destination: &str, traffic: Traffic) -> bool {
        self.passes_with(&Options::default(), source, destination, traffic)
    }

    pub(crate) fn passes_with(
        &self,
        options: &Options,
        source: &str,
        destination: &str,
        traffic: Traffic,
    ) -> bool {
        let flow = flow_with(self.cluster(), options, source, destination, traffic);
        let verdict = verdict(self.cluster(), options, &flow);
        let ruleset = compile(self.cluster(), "n", options).ruleset;
        let decision = nft::trace(&ruleset, hook(flow.path), &packet(&flow)).unwrap();
        assert_eq!(
            decision.verdict == Policy::Accept,
            verdict.passes_on("n"),
            "{flow:?} {ruleset}"
        );
        verdict.passes()
    }
}

pub(crate) fn flow(cluster: &Cluster, source: &str, destination: &str, traffic: Traffic) -> Flow {
    flow_with(cluster, &Options::default(), source, destination, traffic)
}

pub(crate) fn flow_with(
    cluster: &Cluster,
    options: &Options,
    source: &str,
    destination: &str,
    traffic: Traffic,
) -> Flow {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    Flow::between(cluster, options, ip(source), ip(destination), traffic)
}

fn key_of(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

fn hook(path: Path) -> Hook {
    match path {
        Path::Forwarded => Hook::Forward,
        Path::ToNode => Hook::Input,
        Path::FromNode => Hook::Output,
    }
}

fn packet(flow: &Flow) -> Packet {
    let between = |protocol, port| {
        let destination = SocketAddr::new(flow.destination, port);
        Packet::between(protocol, SocketAddr::new(flow.source, 40000), destination)
    };
    // Where another protocol has its ports, here stands what looks like port 80.
    let other =
        |protocol, kind| Packet::new(flow.source, flow.destination, protocol, [kind, 0, 0, 80]);
    match flow.traffic {
        Traffic::Tcp(port) => between(protocol::TCP, port),
        Traffic::Udp(port) => between(protocol::UDP, port),
        Traffic::Sctp(port) => between(protocol::SCTP, port),
        Traffic::Icmp(kind) if flow.source.is_ipv4() => other(protocol::ICMP, kind),
        Traffic::Icmp(kind) => other(protocol::ICMP6, kind),
        Traffic::Other(number) => other(number, 0),
    }
}
