//! What each field means when it is there, absent, or wrong.

use cluster::{
    ContainerPort, EndpointSlice, IpBlock, Labels, NetworkPolicy, Node, Oddity, Peer, Phase, Pod,
    PolicyPort, PortMatch, Protocol, Selector, Service, ServiceAddress, ServicePort, ServiceType,
    TargetPort,
};

use super::*;

fn decode(kind: Kind, json: &str) -> Result<Object, BadObject> {
    Decoder::default().decode(kind, json, Keep::Labels).map(|decoded| decoded.object)
}

fn service(spec: &str) -> Arc<Service> {
    let json = format!(r#"{{"metadata":{{"name":"web","namespace":"shop"}},"spec":{spec}}}"#);
    let Object::Service(service) = decode(Kind::Service, &json).unwrap() else { unreachable!() };
    service
}

fn slice(body: &str) -> Arc<EndpointSlice> {
    let json = format!(r#"{{"metadata":{{"name":"web-1"}},{body}}}"#);
    let Object::EndpointSlice(slice) = decode(Kind::EndpointSlice, &json).unwrap() else {
        unreachable!()
    };
    slice
}

fn pod(body: &str) -> Arc<Pod> {
    let json = format!(r#"{{"metadata":{{"name":"web-0"}},{body}}}"#);
    let Object::Pod(pod) = decode(Kind::Pod, &json).unwrap() else { unreachable!() };
    pod
}

fn policy(spec: &str) -> Arc<NetworkPolicy> {
    let json = format!(r#"{{"metadata":{{"name":"deny"}},"spec":{spec}}}"#);
    let Object::NetworkPolicy(policy) = decode(Kind::NetworkPolicy, &json).unwrap() else {
        unreachable!()
    };
    policy
}

#[test]
fn the_address_of_a_service_follows_its_type_and_cluster_ips() {
    let ips = |ips: &[&str]| {
        ServiceAddress::ClusterIps(ips.iter().map(|ip| ip.parse().unwrap()).collect())
    };
    let cases = [
        ("{}", ServiceAddress::Pending),
        ("null", ServiceAddress::Pending),
        (r#"{"clusterIP":""}"#, ServiceAddress::Pending),
        (r#"{"clusterIP":"None"}"#, ServiceAddress::Headless),
        (r#"{"clusterIPs":["None"]}"#, ServiceAddress::Headless),
        (r#"{"clusterIP":"10.0.0.1"}"#, ips(&["10.0.0.1"])),
        (
            r#"{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"]}"#,
            ips(&["10.0.0.1", "fd00::1"]),
        ),
        (r#"{"clusterIPs":null,"clusterIP":"fd00::1"}"#, ips(&["fd00::1"])),
        (
            r#"{"type":"ExternalName","externalName":"a.example.","clusterIP":"10.0.0.1"}"#,
            ServiceAddress::ExternalName("a.example.".into()),
        ),
        (
            r#"{"type":"NodePort","externalName":"a.example","clusterIP":"10.0.0.1"}"#,
            ips(&["10.0.0.1"]),
        ),
    ];
    for (spec, address) in cases {
        assert_eq!(service(spec).address, address, "{spec}");
    }
    assert_eq!(service("{}").service_type, ServiceType::ClusterIp);
    assert_eq!(service(r#"{"type":"LoadBalancer"}"#).service_type, ServiceType::LoadBalancer);
}

#[test]
fn service_ports_have_the_api_servers_defaults() {
    let port = |port| service(&format!(r#"{{"ports":[{port}]}}"#)).ports[0].clone();
    let plain = ServicePort {
        name: "".into(),
        protocol: Protocol::Tcp,
        port: 80,
        target_port: TargetPort::Number(80),
        node_port: None,
    };
    for json in
        [r#"{"port":80}"#, r#"{"port":80,"targetPort":0,"nodePort":0,"name":null,"protocol":""}"#]
    {
        assert_eq!(port(json), plain, "{json}");
    }
    let full =
        r#"{"name":"dns","port":53,"protocol":"UDP","targetPort":"dns-udp","nodePort":30053}"#;
    assert_eq!(
        port(full),
        ServicePort {
            name: "dns".into(),
            protocol: Protocol::Udp,
            port: 53,
            target_port: TargetPort::Name("dns-udp".into()),
            node_port: Some(30053),
        }
    );
}

#[test]
fn absent_conditions_of_endpoints_mean_ready() {
    // (conditions, ready, serving, terminating)
    let cases = [
        ("null", true, true, false),
        ("{}", true, true, false),
        (r#"{"ready":null}"#, true, true, false),
        (r#"{"ready":false}"#, false, false, false),
        (r#"{"ready":false,"serving":true,"terminating":true}"#, false, true, true),
    ];
    for (conditions, ready, serving, terminating) in cases {
        let slice = slice(&format!(
            r#""endpoints":[{{"addresses":["10.0.0.1"],"conditions":{conditions}}}]"#
        ));
        let endpoint = &slice.endpoints[0];
        let found = (endpoint.ready, endpoint.serving, endpoint.terminating);
        assert_eq!(found, (ready, serving, terminating), "{conditions}");
    }
}

#[test]
fn slices_name_their_service_and_their_pods() {
    let json = r#"{"metadata":{"name":"s","namespace":"n","labels":{"kubernetes.io/service-name":"web"}},
        "addressType":"IPv4","ports":[{"port":null},{"name":"a","port":1,"protocol":"SCTP"}],
        "endpoints":[{"addresses":["10.0.0.1"],"hostname":"h","zone":"z","targetRef":{"kind":"Pod","name":"p"}},
                     {"addresses":["10.0.0.2"],"hostname":"","targetRef":{"kind":"Node","name":"x"}}]}"#;
    let Ok(Decoded { object: Object::EndpointSlice(slice), .. }) =
        Decoder::default().decode(Kind::EndpointSlice, json, Keep::NoLabels)
    else {
        unreachable!()
    };
    assert_eq!(slice.service_name.as_deref(), Some("web"));
    assert!(slice.labels.is_empty(), "labels nobody reads cost nothing");
    let [first, second] = &*slice.endpoints else { unreachable!() };
    assert_eq!((first.hostname.as_deref(), first.zone.as_deref()), (Some("h"), Some("z")));
    assert_eq!((first.target_name.as_deref(), second.target_name.as_deref()), (Some("p"), None));
    assert_eq!(second.hostname, None);
    assert_eq!((slice.ports[0].port, slice.ports[1].port), (None, Some(1)));
    assert_eq!((slice.ports[0].protocol, slice.ports[1].protocol), (Protocol::Tcp, Protocol::Sctp));
}

#[test]
fn slices_of_names_and_slices_of_nothing_have_no_endpoints() {
    assert!(
        slice(r#""addressType":"FQDN","endpoints":[{"addresses":["a.example"]}]"#)
            .endpoints
            .is_empty()
    );
    assert!(slice(r#""endpoints":null,"ports":null"#).endpoints.is_empty());
}

#[test]
fn pods_have_their_addresses_phase_and_ports() {
    let pending = pod(r#""spec":{}"#);
    assert_eq!(
        (pending.phase, pending.ips.len(), &*pending.key.namespace),
        (Phase::Pending, 0, "default")
    );
    let single = pod(r#""status":{"phase":"Running","podIP":"10.0.0.1"}"#);
    assert_eq!((single.phase, &*single.ips), (Phase::Running, &["10.0.0.1".parse().unwrap()][..]));
    let dual =
        pod(r#""status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}"#);
    assert_eq!(dual.ips.len(), 2);
    let ports = pod(r#""spec":{"nodeName":"n","hostNetwork":true,
            "containers":[{"ports":[{"name":"http","containerPort":80}]},{}],
            "initContainers":[{"ports":[{"containerPort":1}]},{"restartPolicy":"Always","ports":[{"containerPort":2,"protocol":"UDP"}]}]}"#);
    assert_eq!(
        *ports.ports,
        [
            ContainerPort { name: "http".into(), port: 80, protocol: Protocol::Tcp },
            ContainerPort { name: "".into(), port: 2, protocol: Protocol::Udp },
        ]
    );
    assert!(ports.host_network && ports.node_name.as_deref() == Some("n"));
    let ending = r#"{"metadata":{"name":"p","deletionTimestamp":"2026-01-01T00:00:00Z"}}"#;
    assert!(matches!(decode(Kind::Pod, ending), Ok(Object::Pod(pod)) if pod.terminating));
}

#[test]
fn nodes_have_their_own_addresses_and_pod_networks() {
    let json = r#"{"metadata":{"name":"n"},"spec":{"podCIDR":"10.1.0.0/24"},"status":{"addresses":[
        {"type":"Hostname","address":"n"},{"type":"InternalIP","address":"192.0.2.1"}]}}"#;
    let Ok(Object::Node(node)) = decode(Kind::Node, json) else { unreachable!() };
    assert_eq!(
        *node,
        Node {
            name: "n".into(),
            labels: Labels::default(),
            addresses: ["192.0.2.1".parse().unwrap()].into(),
            pod_cidrs: ["10.1.0.0/24".parse().unwrap()].into(),
        }
    );
}

#[test]
fn namespaces_carry_their_name_as_a_label() {
    let json = r#"{"metadata":{"name":"shop","labels":{"team":"a"}}}"#;
    let Ok(Object::Namespace(namespace)) = decode(Kind::Namespace, json) else { unreachable!() };
    let labels: Vec<_> = namespace.labels.iter().collect();
    assert_eq!(labels, [("kubernetes.io/metadata.name", "shop"), ("team", "a")]);
}

#[test]
fn what_says_something_else_than_it_means_is_kept() {
    let spelling = |field: &str, written: &str, network: &str| Oddity::Spelling {
        field: field.into(),
        written: written.into(),
        network: network.parse().unwrap(),
    };
    let (usual, odd) = (r#""10.0.0.0/8""#, r#""010.0.0.0/8""#);
    let to = |cidr: &str, except: &str| {
        format!(
            r#"{{"policyTypes":["Egress"],"egress":[{{}},{{"to":[{{"ipBlock":{{"cidr":{cidr},"except":[{except}]}}}}]}}]}}"#
        )
    };
    let place = "spec.egress[1].to[0].ipBlock";
    let cases = [
        ("{}".to_owned(), vec![]),
        (r#"{"policyTypes":["Ingress","Egress"],"egress":[]}"#.to_owned(), vec![]),
        (r#"{"ingress":[{}],"egress":[{}]}"#.to_owned(), vec![]),
        (r#"{"egress":[]}"#.to_owned(), vec![Oddity::EmptyEgress]),
        (r#"{"egress":[{}]}"#.to_owned(), vec![Oddity::ImpliedIngress]),
        (
            r#"{"policyTypes":["Egress"],"ingress":[{}]}"#.to_owned(),
            vec![Oddity::UnusedRules("ingress")],
        ),
        (
            r#"{"policyTypes":["Ingress"],"egress":[{}]}"#.to_owned(),
            vec![Oddity::UnusedRules("egress")],
        ),
        (r#"{"policyTypes":["Ingress"],"egress":[]}"#.to_owned(), vec![]),
        (to(usual, r#""10.1.0.0/16","2001:DB8::/32""#), vec![]),
        (to(odd, ""), vec![spelling(&format!("{place}.cidr"), "010.0.0.0/8", "10.0.0.0/8")]),
        (
            to(usual, r#""10.1.0.0/16","10.2.3.4/16""#),
            vec![spelling(&format!("{place}.except[1]"), "10.2.3.4/16", "10.2.0.0/16")],
        ),
        (
            to(r#""::ffff:10.0.0.0/104""#, ""),
            vec![spelling(&format!("{place}.cidr"), "::ffff:10.0.0.0/104", "10.0.0.0/8")],
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(*policy(&spec).oddities, expected, "{spec}");
    }
}

#[test]
fn policy_types_default_by_the_sections_that_are_there() {
    // (spec, ingress, egress); an empty egress section does not count.
    let cases = [
        ("{}", true, false),
        (r#"{"egress":[]}"#, true, false),
        (r#"{"egress":[{}]}"#, true, true),
        (r#"{"policyTypes":["Egress"],"ingress":[{}]}"#, false, true),
        (r#"{"policyTypes":["Ingress","Egress"]}"#, true, true),
    ];
    for (spec, ingress, egress) in cases {
        let policy = policy(spec);
        assert_eq!(
            (policy.ingress.is_some(), policy.egress.is_some()),
            (ingress, egress),
            "{spec}"
        );
    }
}

#[test]
fn peers_and_ports_of_policies_are_read() {
    let policy = policy(
        r#"{"podSelector":{"matchLabels":{"app":"a"},"matchExpressions":[{"key":"b","operator":"NotIn","values":["x","y"]}]},
            "ingress":[{"from":[{"namespaceSelector":{}},{"podSelector":{"matchLabels":{"c":"d"}}},
                                {"ipBlock":{"cidr":"10.1.2.3/8","except":["10.9.9.9/16"]}}],
                        "ports":[{},{"port":80},{"port":80,"endPort":90,"protocol":"UDP"},{"port":"http"}]}]}"#,
    );
    assert_eq!(policy.pod_selector, Selector::parse("app=a,b notin (x,y)").unwrap());
    let rule = &policy.ingress.as_ref().unwrap().rules[0];
    assert_eq!(
        rule.peers,
        [
            Peer::Pods { pods: None, namespaces: Some(Selector::default()) },
            Peer::Pods { pods: Some(Selector::parse("c=d").unwrap()), namespaces: None },
            Peer::IpBlock(IpBlock {
                cidr: "10.0.0.0/8".parse().unwrap(),
                except: vec!["10.9.0.0/16".parse().unwrap()],
            }),
        ]
    );
    let port = |protocol, ports| PolicyPort { protocol, ports };
    assert_eq!(
        rule.ports,
        [
            port(Protocol::Tcp, PortMatch::Any),
            port(Protocol::Tcp, PortMatch::Range(80, 80)),
            port(Protocol::Udp, PortMatch::Range(80, 90)),
            port(Protocol::Tcp, PortMatch::Named("http".into())),
        ]
    );
}

#[test]
fn what_is_wrong_is_said_with_object_field_and_remedy() {
    use Kind::{EndpointSlice, Node, Pod, Service};
    let cases = [
        (
            Service,
            r#""spec":{"clusterIP":"10.0.0.256"}"#,
            "Service n/x: spec.clusterIP: \"10.0.0.256\" is no IP address; write",
        ),
        (
            Service,
            r#""spec":{"clusterIPs":["10.0.0.1","010.0.0.1"]}"#,
            "spec.clusterIPs[1]: \"010.0.0.1\" is no IP address",
        ),
        (Service, r#""spec":{"type":"Odd"}"#, "spec.type: \"Odd\" is no type; write ClusterIP"),
        (Service, r#""spec":{"type":"ExternalName"}"#, "spec.externalName: is empty; write"),
        (
            Service,
            r#""spec":{"ports":[{"port":80},{"port":0}]}"#,
            "spec.ports[1].port: 0 is no port; write",
        ),
        (
            Service,
            r#""spec":{"ports":[{"port":"80"}]}"#,
            "spec.ports[0].port: is the text \"80\"; write a whole number, without quotes",
        ),
        (
            Service,
            r#""spec":{"ports":[{"port":80,"targetPort":70000}]}"#,
            "spec.ports[0].targetPort: 70000 is no port",
        ),
        (
            Service,
            r#""spec":{"ports":[{"port":80,"protocol":"tcp"}]}"#,
            "spec.ports[0].protocol: \"tcp\" is no protocol; write TCP",
        ),
        (Service, r#""spec":{"externalIPs":["x"]}"#, "spec.externalIPs[0]: \"x\" is no IP address"),
        (
            Service,
            r#""spec":{"clusterIP":1}"#,
            "spec.clusterIP: is the number 1 where text belongs; put it in quotes",
        ),
        (EndpointSlice, r#""ports":[{"port":65536}]"#, "ports[0].port: 65536 is no port"),
        (
            Pod,
            r#""status":{"phase":"Odd"}"#,
            "Pod n/x: status.phase: \"Odd\" is no phase; write Pending",
        ),
        (Pod, r#""status":{"podIPs":[{"ip":""}]}"#, "status.podIPs[0].ip: \"\" is no IP address"),
        (
            Pod,
            r#""spec":{"containers":[{"ports":[{}]}]}"#,
            "spec.containers[0].ports[0].containerPort: 0 is no port",
        ),
        (
            Node,
            r#""spec":{"podCIDRs":["10.0.0.0"]}"#,
            "Node x: spec.podCIDRs[0]: \"10.0.0.0\" is no network; write",
        ),
    ];
    for (kind, body, expected) in cases {
        let json = format!(r#"{{"metadata":{{"name":"x","namespace":"n"}},{body}}}"#);
        let message = decode(kind, &json).unwrap_err().to_string();
        assert!(message.contains(expected), "{body}\n  {message}\n  {expected}");
    }
    for name in [
        r#"{"metadata":{}}"#,
        r#"{"metadata":{"name":""}}"#,
        "{}",
        r#"{"metadata":{"name":"a/b"}}"#,
    ] {
        let message = decode(Service, name).unwrap_err().to_string();
        assert!(message.contains("metadata.name: "), "{name}: {message}");
    }
}

#[test]
fn ipv4_addresses_in_policies_lose_host_bits_and_ipv6_too() {
    let policy = policy(r#"{"ingress":[{"from":[{"ipBlock":{"cidr":"2001:db8::1/32"}}]}]}"#);
    let Peer::IpBlock(block) = &policy.ingress.as_ref().unwrap().rules[0].peers[0] else {
        unreachable!()
    };
    assert_eq!(block.cidr.to_string(), "2001:db8::/32");
}

#[test]
fn a_peer_or_port_that_cannot_be_read_matches_nothing_and_the_others_stay() {
    let peers = [
        ("{}", ": write either `ipBlock`, or"),
        (r#"{"ipBlock":{"cidr":"10.0.0.0/33"}}"#, ".ipBlock.cidr: \"10.0.0.0/33\" is no network"),
        (r#"{"ipBlock":{"cidr":"10.0.0.0/8","except":["x"]}}"#, ".ipBlock.except[0]: \"x\" is no"),
        (r#"{"ipBlock":{"cidr":"10.0.0.0/8"},"podSelector":{}}"#, ": write either `ipBlock`, or"),
        (
            r#"{"podSelector":{"matchExpressions":[{"key":"a","operator":"Gt","values":["1"]}]}}"#,
            ".podSelector.matchExpressions[0].operator: \"Gt\" is no operator",
        ),
    ];
    let ports = [
        (r#"{"port":0}"#, ".port: 0 is no port"),
        (r#"{"port":9,"endPort":8}"#, ".endPort: 8 is below"),
        (r#"{"port":"a","endPort":8}"#, ".endPort: needs a numeric `port`"),
        (r#"{"protocol":"ICMP"}"#, ".protocol: \"ICMP\" is no protocol"),
        (r#"{"port":""}"#, ".port: is empty; write"),
    ];
    let decoded = |rule: &str| {
        let json = format!(
            r#"{{"metadata":{{"name":"x","namespace":"n"}},"spec":{{"policyTypes":["Egress"],"egress":[{{}},{rule}]}}}}"#
        );
        let decoded = Decoder::default().decode(Kind::NetworkPolicy, &json, Keep::Labels).unwrap();
        let Object::NetworkPolicy(policy) = decoded.object else { unreachable!() };
        let said: Vec<_> = decoded.dropped.iter().map(ToString::to_string).collect();
        (policy.egress.as_ref().unwrap().rules[1].clone(), said)
    };
    for (peer, problem) in peers {
        let (rule, said) = decoded(&format!(r#"{{"to":[{{"podSelector":{{}}}},{peer}]}}"#));
        assert!(matches!(rule.peers[..], [Peer::Pods { .. }, Peer::Nobody]), "{peer}: {rule:?}");
        let start = format!("NetworkPolicy n/x: spec.egress[1].to[1]{problem}");
        assert!(said[0].starts_with(&start), "{said:?} {start}");
        assert!(said[0].ends_with("; the peer matches nothing"), "{said:?}");
    }
    for (port, problem) in ports {
        let (rule, said) = decoded(&format!(r#"{{"ports":[{{"port":7}},{port}]}}"#));
        assert_eq!(
            rule.ports.iter().map(|port| &port.ports).collect::<Vec<_>>(),
            [&PortMatch::Range(7, 7), &PortMatch::Nothing],
            "{port}"
        );
        let start = format!("NetworkPolicy n/x: spec.egress[1].ports[1]{problem}");
        assert!(said[0].starts_with(&start), "{said:?} {start}");
        assert!(said[0].ends_with("; the port matches nothing"), "{said:?}");
    }
}

/// Its own pods are closed as long as it says which they are, and in the directions that it says.
#[test]
fn a_policy_whose_rules_cannot_be_read_allows_nothing() {
    let decoded = |spec: &str| {
        let json = format!(r#"{{"metadata":{{"name":"x","namespace":"n"}},"spec":{spec}}}"#);
        Decoder::default().decode(Kind::NetworkPolicy, &json, Keep::Labels)
    };
    let own = r#""podSelector":{"matchLabels":{"app":"db"}}"#;
    let cases = [
        (r#""policyTypes":["Both"]"#, (true, true), "spec.policyTypes[0]: \"Both\" is no"),
        (r#""policyTypes":1"#, (true, true), "spec.policyTypes: "),
        (r#""ingress":1"#, (true, false), "spec.ingress: "),
        (r#""ingress":[{"from":[{"ipBlock":1}]}],"egress":[]"#, (true, true), "spec.ingress[0]"),
        (r#""policyTypes":["Egress"],"egress":[{"ports":"x"}]"#, (false, true), "spec.egress[0]"),
    ];
    for (rules, directions, problem) in cases {
        let decoded = decoded(&format!("{{{own},{rules}}}")).unwrap();
        let Object::NetworkPolicy(policy) = decoded.object else { unreachable!() };
        assert_eq!(policy.pod_selector.to_string(), "app in (db)", "{rules}");
        assert_eq!((policy.ingress.is_some(), policy.egress.is_some()), directions, "{rules}");
        let both = [&policy.ingress, &policy.egress].into_iter().flatten();
        assert!(both.into_iter().all(|direction| direction.rules.is_empty()), "{rules}");
        let said: Vec<_> = decoded.dropped.iter().map(ToString::to_string).collect();
        let [said] = &said[..] else { unreachable!() };
        assert!(said.starts_with(&format!("NetworkPolicy n/x: {problem}")), "{said}");
        assert!(said.ends_with("; the policy allows nothing"), "{said}");
    }
}

/// Some pods of the namespace are meant, and nobody can say which.
#[test]
fn a_policy_whose_pods_cannot_be_told_closes_its_namespace() {
    let cases = [
        (r#"{"podSelector":1,"ingress":1}"#, (true, false), "spec.podSelector: "),
        (
            r#"{"podSelector":{"matchLabels":{"a":true}},"policyTypes":["Egress"],"egress":[{}]}"#,
            (false, true),
            "spec.podSelector.matchLabels",
        ),
        (
            r#"{"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}"#,
            (true, false),
            "spec.podSelector.matchExpressions[0].values: is empty",
        ),
        ("7", (true, true), "spec: "),
    ];
    for (spec, directions, problem) in cases {
        let json = format!(r#"{{"metadata":{{"name":"x","namespace":"n"}},"spec":{spec}}}"#);
        let decoded = Decoder::default().decode(Kind::NetworkPolicy, &json, Keep::Labels).unwrap();
        let Object::NetworkPolicy(policy) = decoded.object else { unreachable!() };
        assert!(policy.pod_selector.is_everything(), "{spec}");
        assert_eq!((policy.ingress.is_some(), policy.egress.is_some()), directions, "{spec}");
        let both = [&policy.ingress, &policy.egress].into_iter().flatten();
        assert!(both.into_iter().all(|direction| direction.rules.is_empty()), "{spec}");
        let said: Vec<_> = decoded.dropped.iter().map(ToString::to_string).collect();
        let [said] = &said[..] else { unreachable!() };
        assert!(said.starts_with(&format!("NetworkPolicy n/x: {problem}")), "{said}");
        assert!(
            said.ends_with("to any pod of its namespace, for its own cannot be told"),
            "{said}"
        );
    }
}

#[test]
fn a_namespace_is_audited_if_its_annotation_says_so() {
    let of = |annotations: &str| {
        let json = format!(r#"{{"metadata":{{"name":"shop","annotations":{annotations}}}}}"#);
        let decoded = Decoder::default().decode(Kind::Namespace, &json, Keep::NoLabels).unwrap();
        let Object::Namespace(namespace) = decoded.object else { unreachable!() };
        (namespace.audit, decoded.dropped.iter().map(ToString::to_string).collect::<String>())
    };
    for (annotations, audit) in [
        ("null", false),
        (r#"{"other":"audit"}"#, false),
        (r#"{"portolan.dev/netpol-mode":"enforce"}"#, false),
        (r#"{"portolan.dev/netpol-mode":"audit","a":"b"}"#, true),
    ] {
        assert_eq!(of(annotations), (audit, String::new()), "{annotations}");
    }
    let (audit, said) = of(r#"{"portolan.dev/netpol-mode":"Audit"}"#);
    assert!(!audit && said.contains("\"Audit\" is no mode; write audit or enforce"), "{said}");
}

#[test]
fn a_pod_tells_when_it_started() {
    let started = |time: &str| pod(&format!(r#""status":{{"startTime":{time}}}"#)).started;
    assert_eq!(started("\"2023-11-14T22:13:20Z\""), 1_700_000_000);
    for time in ["null", "\"yesterday\"", "\"1969-12-31T23:59:59Z\""] {
        assert_eq!(started(time), 0, "{time}");
    }
}

#[test]
fn an_endpoint_without_a_usable_address_leaves_the_others() {
    let json = r#"{"metadata":{"name":"x","namespace":"n"},"endpoints":[
        {"addresses":["10.0.0.1"]}, {"addresses":["fe80::1%eth0"]}, {"addresses":[]}, {"addresses":["10.0.0.4"]}]}"#;
    let decoded = Decoder::default().decode(Kind::EndpointSlice, json, Keep::NoLabels).unwrap();
    let Object::EndpointSlice(slice) = decoded.object else { unreachable!() };
    let ips: Vec<_> = slice.endpoints.iter().map(|e| e.addresses[0].to_string()).collect();
    assert_eq!(ips, ["10.0.0.1", "10.0.0.4"]);
    let said: Vec<_> = decoded.dropped.iter().map(ToString::to_string).collect();
    assert!(
        said[0].starts_with("EndpointSlice n/x: endpoints[1].addresses[0]: \"fe80"),
        "{said:?}"
    );
    assert_eq!(
        said[1],
        "EndpointSlice n/x: endpoints[2].addresses: is empty; give the endpoint one address; the endpoint is left out"
    );
}
