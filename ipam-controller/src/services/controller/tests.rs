//! The controller against an API server of a few lines: whatever is delivered, lost or refused, each Service ends with its
//! addresses, no address has two Services, and there is an IPAddress for each and no other.

use std::collections::{BTreeMap, BTreeSet};

use cluster::ServiceType;
use proptest::prelude::*;

use super::super::family_policy::FamilyPolicy;
use super::super::state::family;
use super::super::wish::{PortWish, Wish, Written};
use super::decide::DELETION_GRACE;
use super::*;

#[derive(Clone, Default)]
struct Api {
    version: u64,
    services: BTreeMap<ObjectKey, ServiceState>,
    addresses: BTreeMap<IpAddr, AddressState>,
    ranges: BTreeMap<Text, RangeState>,
    now: u64,
}

fn settings(networks: &[&str]) -> ServiceSettings {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    ServiceSettings { networks, node_ports: 30_000..=32_767 }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("n", name)
}

impl Api {
    fn version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn put(&mut self, name: &str, wish: Wish) {
        let resource_version = self.version();
        let uid = format!("{name}-{}", self.version).into();
        let known = self.services.get(&key(name)).map(|known| known.uid.clone());
        let state = ServiceState {
            key: key(name),
            uid: known.unwrap_or(uid),
            resource_version,
            wish,
            is_deleting: false,
        };
        self.services.insert(key(name), state);
    }

    fn object(&mut self, ip: &str, parent: Option<&str>, created: u64) {
        let ip: IpAddr = ip.parse().unwrap();
        let resource_version = self.version();
        let address = AddressState {
            ip,
            uid: resource_version.as_str().into(),
            resource_version,
            created,
            parent: parent.map(key),
            is_managed: true,
            is_labelled: true,
        };
        self.addresses.insert(ip, address);
    }

    /// Carries a write out, as an API server with preconditions does.
    fn write(&mut self, action: &ServiceAction) {
        match action {
            ServiceAction::Claim { ip, service } => {
                if !self.addresses.contains_key(ip) {
                    self.object(&ip.to_string(), Some(&service.name), self.now);
                }
            }
            ServiceAction::Assign { service, uid, resource_version, given, .. } => {
                let version = self.version();
                let Some(state) = self.services.get_mut(service) else { return };
                if state.uid != *uid || state.resource_version != *resource_version {
                    return;
                }
                state.resource_version = version;
                if !given.addresses.is_empty() {
                    state.wish.cluster_ips = Written::Addresses(given.addresses.clone());
                    state.wish.families = given.addresses.iter().map(|ip| family(*ip)).collect();
                }
                if given.drops_node_ports {
                    state.wish.ports.iter_mut().for_each(|port| port.node_port = None);
                }
                match given.health_check {
                    Some(HealthCheck::Given(port)) => state.wish.health_check = Some(port),
                    Some(HealthCheck::Dropped) => state.wish.health_check = None,
                    None => {}
                }
                for (port, given) in state.wish.ports.iter_mut().zip(&given.node_ports) {
                    port.node_port = port.node_port.or(*given);
                }
            }
            ServiceAction::Release { address, .. } => {
                let stored = self.addresses.get(&address.ip);
                if stored.is_some_and(|it| it.resource_version == address.resource_version) {
                    self.addresses.remove(&address.ip);
                }
            }
            ServiceAction::CreateRange { name, networks } => {
                let resource_version = self.version();
                self.ranges.entry(name.clone()).or_insert(RangeState {
                    name: name.clone(),
                    uid: "r".into(),
                    resource_version,
                    networks: networks.clone(),
                    deleted_at: None,
                    has_finalizer: false,
                    ready: None,
                });
            }
            ServiceAction::Finalize { range, is_kept } => {
                let version = self.version();
                if let Some(stored) = self.ranges.get_mut(&range.name) {
                    (stored.has_finalizer, stored.resource_version) = (*is_kept, version);
                    if stored.is_deleting() && !is_kept {
                        self.ranges.remove(&range.name);
                    }
                }
            }
            ServiceAction::Status { range, is_ready } => {
                let version = self.version();
                if let Some(stored) = self.ranges.get_mut(&range.name) {
                    (stored.ready, stored.resource_version) = (Some(*is_ready), version);
                }
            }
            ServiceAction::Report { .. } => panic!("no write"),
        }
    }

    /// Tells a controller everything, as a list does.
    fn list(&self, controller: &mut ServiceController) {
        for key in controller.services.keys().cloned().collect::<Vec<_>>() {
            let uid = controller.services[&key].state.as_ref().map(|state| state.uid.clone());
            if !self.services.contains_key(&key) {
                controller.apply(ServiceInput::NoService(key, uid.unwrap_or_default()));
            }
        }
        for ip in controller.addresses.keys().copied().collect::<Vec<_>>() {
            if !self.addresses.contains_key(&ip) {
                controller.apply(ServiceInput::NoAddress(ip));
            }
        }
        for name in controller.ranges.keys().cloned().collect::<Vec<_>>() {
            if !self.ranges.contains_key(&name) {
                controller.apply(ServiceInput::NoRange(name));
            }
        }
        self.ranges.values().for_each(|it| controller.apply(ServiceInput::Range(it.clone())));
        self.addresses.values().for_each(|it| controller.apply(ServiceInput::Address(it.clone())));
        self.services.values().for_each(|it| controller.apply(ServiceInput::Service(it.clone())));
    }

    /// Lets a controller work until it has nothing to do; returns the reasons of what it reports.
    fn run(&mut self, controller: &mut ServiceController) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        for _ in 0..10_000 {
            let actions = controller.actions(self.now, 7);
            if actions.is_empty() {
                return reasons;
            }
            for action in actions {
                if let ServiceAction::Report { reason, .. } = &action {
                    reasons.push(reason.as_str());
                    continue;
                }
                self.write(&action);
                self.list(controller);
                controller.done(&action.subject());
            }
        }
        panic!("it never rests");
    }

    fn started(&self, settings: ServiceSettings) -> ServiceController {
        let mut controller = ServiceController::new(settings);
        self.list(&mut controller);
        controller.apply(ServiceInput::Synced);
        controller
    }

    fn ips(&self, name: &str) -> Vec<String> {
        match &self.services[&key(name)].wish.cluster_ips {
            Written::Addresses(ips) => ips.iter().map(ToString::to_string).collect(),
            Written::Nothing | Written::Headless => Vec::new(),
        }
    }

    /// Each Service has addresses that no other has, and objects are those of the Services.
    fn is_consistent(&self) {
        let mut seen = BTreeMap::new();
        for state in self.services.values() {
            if let Written::Addresses(ips) = &state.wish.cluster_ips {
                for ip in ips {
                    assert_eq!(seen.insert(*ip, state.key.clone()), None, "{ip}");
                }
            }
        }
        let objects: BTreeMap<IpAddr, ObjectKey> =
            self.addresses.values().map(|it| (it.ip, it.parent.clone().unwrap())).collect();
        assert_eq!(seen, objects);
    }
}

fn dual() -> Wish {
    Wish { policy: Some(FamilyPolicy::RequireDualStack), ..Wish::default() }
}

fn written(ips: &[&str]) -> Wish {
    let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    Wish { cluster_ips: Written::Addresses(ips), ..Wish::default() }
}

#[test]
fn services_get_what_they_lack_and_addresses_are_claimed_first() {
    let mut api = Api::default();
    api.put("one", Wish::default());
    api.put("both", dual());
    api.put("headless", Wish { cluster_ips: Written::Headless, ..Wish::default() });
    let external = Wish { service_type: ServiceType::ExternalName, ..Wish::default() };
    api.put("external", external);
    let port = |port, node_port| PortWish { port, protocol: cluster::Protocol::Tcp, node_port };
    let ports = vec![port(80, None), port(80, None), port(81, Some(30_005)), port(82, None)];
    api.put("ports", Wish { service_type: ServiceType::NodePort, ports, ..Wish::default() });
    let mut controller = api.started(settings(&["10.96.0.0/16", "fd00:96::/112"]));
    assert_eq!(api.run(&mut controller), [""; 0]);
    api.is_consistent();
    assert_eq!((api.ips("one").len(), api.ips("both").len(), api.ips("ports").len()), (1, 2, 1));
    assert!(api.ips("headless").is_empty() && api.ips("external").is_empty());
    let ports: Vec<u16> =
        api.services[&key("ports")].wish.ports.iter().map(|port| port.node_port.unwrap()).collect();
    assert!(ports[0] == ports[1] && ports[2] == 30_005 && ports[3] != ports[0], "{ports:?}");
    // The upper bands: those of people are left alone (KEP-3070, KEP-3668).
    assert!(ports[0] >= 30_086 && ports[3] >= 30_086);
    let range = &api.ranges["kubernetes"];
    assert!(range.has_finalizer && range.ready == Some(true));
    assert_eq!(controller.port_usage(), (3, 2_768));
    // Again, from a restart: nothing changes.
    let before = api.services.clone();
    let mut again = api.started(settings(&["10.96.0.0/16", "fd00:96::/112"]));
    assert_eq!(again.actions(0, 100), []);
    assert_eq!(again.usage(), controller.usage());
    assert_eq!(api.services, before);
    // A Service that goes away leaves its address at once.
    api.services.remove(&key("both"));
    api.list(&mut controller);
    api.run(&mut controller);
    api.is_consistent();
}

/// Everything is taken over as it is: not one write.
#[test]
fn a_restart_adopts_a_hundred_thousand_services() {
    let mut api = Api::default();
    for number in 0..100_000_u32 {
        let ip = IpAddr::V4((u32::from(std::net::Ipv4Addr::new(10, 96, 1, 1)) + number).into());
        let (name, ip) = (format!("s{number}"), ip.to_string());
        api.put(&name, written(&[ip.as_str()]));
        api.object(&ip, Some(&name), 0);
    }
    let ranges = settings(&["10.96.0.0/12"]);
    let range = RangeState {
        name: "kubernetes".into(),
        uid: "r".into(),
        resource_version: "1".to_owned(),
        networks: ranges.networks.clone(),
        deleted_at: None,
        has_finalizer: true,
        ready: Some(true),
    };
    api.ranges.insert("kubernetes".into(), range);
    let mut controller = api.started(ranges);
    assert_eq!(controller.actions(0, 10), []);
    assert_eq!(controller.usage()[0].used, 100_000);
    api.put("one-more", Wish::default());
    let state = api.services[&key("one-more")].clone();
    controller.apply(ServiceInput::Service(state));
    let actions = controller.actions(0, 10);
    assert!(
        matches!(&actions[..], [ServiceAction::Claim { ip, .. }] if !api.addresses.contains_key(ip))
    );
}

#[test]
fn both_families_or_none() {
    let mut api = Api::default();
    // Two addresses of IPv4, one of which is another's.
    for name in ["a", "b", "c"] {
        api.put(name, dual());
    }
    let mut controller = api.started(settings(&["10.96.0.0/30", "fd00:96::/112"]));
    assert_eq!(api.run(&mut controller), ["ClusterIPNotAvailable"]);
    api.is_consistent();
    assert_eq!((api.ips("a").len(), api.ips("b").len(), api.ips("c").len()), (2, 2, 0));
    assert_eq!(controller.starved(), 1);
    api.services.remove(&key("a"));
    api.list(&mut controller);
    api.run(&mut controller);
    assert_eq!(api.ips("c").len(), 2);
    api.is_consistent();
}

/// The cases of `repairip_test.go`.
#[test]
fn what_is_wrong_is_repaired_or_told() {
    let start = || Api { now: 1_000, ..Api::default() };
    let run = |api: &mut Api| {
        let mut controller = api.started(settings(&["10.96.0.0/24"]));
        api.run(&mut controller)
    };
    // No object.
    let mut api = start();
    api.put("a", written(&["10.96.0.5"]));
    assert_eq!(run(&mut api), ["ClusterIPNotAllocated"]);
    api.is_consistent();
    // Out of every range: told, and left.
    let mut api = start();
    api.put("a", written(&["10.97.0.5"]));
    assert_eq!(run(&mut api), ["ClusterIPOutOfRange"]);
    assert_eq!((api.ips("a"), api.addresses.len()), (vec!["10.97.0.5".to_owned()], 0));
    // The object names nobody who is there.
    let mut api = start();
    api.put("a", written(&["10.96.0.5"]));
    api.object("10.96.0.5", Some("gone"), 0);
    assert_eq!(run(&mut api), ["IPAddressWrongReference", "ClusterIPNotAllocated"]);
    api.is_consistent();
    // Two have it: the one that the object names keeps it, and the other is told.
    let mut api = start();
    api.put("a", written(&["10.96.0.5"]));
    api.put("b", written(&["10.96.0.5"]));
    api.object("10.96.0.5", Some("b"), 0);
    assert_eq!(run(&mut api), ["ClusterIPAlreadyAllocated"]);
    assert_eq!(api.ips("a"), api.ips("b"));
    // Objects that nobody needs go, those that are young in a while, and those that people made never.
    let mut api = start();
    api.put("a", written(&["10.96.0.5"]));
    api.object("10.96.0.5", Some("a"), 0);
    api.object("10.96.0.6", Some("a"), 0);
    api.object("10.96.0.7", Some("gone"), 990);
    api.object("10.96.0.8", None, 0);
    api.addresses.values_mut().last().unwrap().is_managed = false;
    let mut controller = api.started(settings(&["10.96.0.0/24"]));
    api.run(&mut controller);
    let left =
        |api: &Api| -> Vec<String> { api.addresses.keys().map(ToString::to_string).collect() };
    assert_eq!(left(&api), ["10.96.0.5", "10.96.0.7", "10.96.0.8"]);
    assert_eq!(controller.next_deadline(), Some(1_050));
    api.now = 1_050;
    api.run(&mut controller);
    assert_eq!(left(&api), ["10.96.0.5", "10.96.0.8"]);
    // A primary address that somebody changed.
    api.put("a", written(&["10.96.0.9"]));
    api.list(&mut controller);
    assert_eq!(api.run(&mut controller), ["ClusterIPChanged", "ClusterIPNotAllocated"]);
}

#[test]
fn a_range_stays_until_nothing_of_it_is_given() {
    let mut api = Api::default();
    api.put("a", Wish::default());
    let mut controller = api.started(settings(&["10.96.0.0/24"]));
    api.run(&mut controller);
    let mut more = api.ranges["kubernetes"].clone();
    (more.name, more.networks) = ("more".into(), vec!["10.97.0.0/24".parse().unwrap()]);
    more.resource_version = api.version();
    api.ranges.insert("more".into(), more);
    api.put("b", written(&["10.97.0.5"]));
    api.list(&mut controller);
    api.run(&mut controller);
    let version = api.version();
    let range = api.ranges.get_mut("more").unwrap();
    (range.deleted_at, range.resource_version) = (Some(api.now), version);
    api.list(&mut controller);
    api.run(&mut controller);
    assert_eq!(api.ranges["more"].ready, Some(false), "it is needed");
    // The address of another's object is not the allocator's to wait for.
    api.object("10.97.0.77", None, 0);
    api.addresses.values_mut().for_each(|address| address.is_managed &= address.parent.is_some());
    api.services.remove(&key("b"));
    api.now += DELETION_GRACE - 1;
    api.list(&mut controller);
    api.run(&mut controller);
    assert!(api.ranges.contains_key("more"), "another allocator may not know yet");
    assert_eq!(controller.next_deadline(), Some(api.now + 1));
    api.now += 1;
    api.run(&mut controller);
    assert!(!api.ranges.contains_key("more"));
    assert!(api.addresses.contains_key(&"10.97.0.77".parse().unwrap()));
}

/// `TestTrimFieldsForDualStackDowngrade` of kube-apiserver, and what becomes of the address.
#[test]
fn a_service_of_one_family_loses_the_other() {
    let single = Some(FamilyPolicy::SingleStack);
    for (first, second) in [(Family::V4, Family::V6), (Family::V6, Family::V4)] {
        let mut api = Api::default();
        let families = vec![first, second];
        api.put("a", Wish { families, ..dual() });
        let mut controller = api.started(settings(&["10.96.0.0/24", "fd00::/112"]));
        api.run(&mut controller);
        let before = api.services[&key("a")].wish.clone();
        let [primary, other] = before.written() else { panic!("{before:?}") };
        assert!(api.addresses.contains_key(other));
        // Prefer and require change nothing, and no policy is no wish to lose anything.
        for policy in [None, Some(FamilyPolicy::PreferDualStack)] {
            api.put("a", Wish { policy, ..before.clone() });
            api.list(&mut controller);
            api.run(&mut controller);
            assert_eq!(api.services[&key("a")].wish.written(), before.written(), "{policy:?}");
        }
        api.put("a", Wish { policy: single, ..before.clone() });
        api.list(&mut controller);
        api.run(&mut controller);
        let after = &api.services[&key("a")].wish;
        assert_eq!((after.written(), &*after.families), (&[*primary][..], &[first][..]));
        assert!(api.addresses.contains_key(primary));
        assert!(!api.addresses.contains_key(other), "its IPAddress goes at once");
        // And back again.
        api.put("a", Wish { policy: Some(FamilyPolicy::RequireDualStack), ..after.clone() });
        api.list(&mut controller);
        api.run(&mut controller);
        assert_eq!(api.services[&key("a")].wish.written().len(), 2);
    }
}

/// `TestAllocateLoadBalancerNodePorts` and `TestCreateInitNodePorts`, as far as health checks are concerned.
#[test]
fn load_balancers_of_local_traffic_have_a_port_for_health_checks() {
    let port = |node_port| PortWish { port: 80, protocol: cluster::Protocol::Tcp, node_port };
    let balancer = Wish {
        service_type: ServiceType::LoadBalancer,
        is_local: true,
        allocates_node_ports: true,
        ports: vec![port(None)],
        ..Wish::default()
    };
    let mut api = Api::default();
    api.put("a", balancer.clone());
    api.put("without", Wish { allocates_node_ports: false, ..balancer.clone() });
    api.put("cluster", Wish { is_local: false, ..balancer.clone() });
    api.put("node", Wish { service_type: ServiceType::NodePort, ..balancer.clone() });
    api.put("own", Wish { health_check: Some(30_001), ..balancer.clone() });
    let mut controller = api.started(settings(&["10.96.0.0/24"]));
    api.run(&mut controller);
    let of = |api: &Api, name: &str| api.services[&key(name)].wish.clone();
    let mut ports = BTreeSet::new();
    for (name, has_check, has_node_port) in [
        ("a", true, true),
        ("without", true, false),
        ("cluster", false, true),
        ("node", false, true),
        ("own", true, true),
    ] {
        let wish = of(&api, name);
        let found = (wish.health_check.is_some(), wish.ports[0].node_port.is_some());
        assert_eq!(found, (has_check, has_node_port), "{name}");
        for port in wish.health_check.into_iter().chain(wish.ports[0].node_port) {
            assert!(ports.insert(port), "{port} is given once");
        }
    }
    assert_eq!(of(&api, "own").health_check, Some(30_001));
    assert_eq!(controller.port_usage().0, 7);
    // Nobody asks any more: the field goes, and the port is free.
    for name in ["a", "own"] {
        let wish = Wish { is_local: false, ..of(&api, name) };
        api.put(name, wish);
    }
    api.list(&mut controller);
    api.run(&mut controller);
    assert_eq!((of(&api, "a").health_check, of(&api, "own").health_check), (None, None));
    assert_eq!(controller.port_usage().0, 5);
    // Of a type without node ports.
    for name in ["a", "own", "node", "cluster"] {
        let wish = Wish { service_type: ServiceType::ClusterIp, ..of(&api, name) };
        api.put(name, wish);
    }
    api.list(&mut controller);
    api.run(&mut controller);
    assert_eq!(of(&api, "node").ports[0].node_port, None);
    assert_eq!(controller.port_usage().0, 1, "the one of health checks is left");
    // Two with the same: told, and taken from nobody.
    for name in ["x", "y"] {
        api.put(name, Wish { health_check: Some(30_002), ..balancer.clone() });
    }
    api.list(&mut controller);
    let reported = api.run(&mut controller);
    assert!(reported.contains(&"PortAlreadyAllocated"), "{reported:?}");
    assert_eq!(of(&api, "x").health_check, of(&api, "y").health_check);
}

/// What happens to a controller and its API server.
#[derive(Clone, Debug)]
enum Happens {
    Put(u8, u8),
    Delete(u8),
    /// So many writes, each done, refused, or done without an answer.
    Work(Vec<u8>),
    /// Everything is told again.
    List,
    /// Another process goes on.
    Restart,
    Wait(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..8u8, 0..4u8).prop_map(|(name, kind)| Happens::Put(name, kind)),
        1 => (0..8u8).prop_map(Happens::Delete),
        5 => prop::collection::vec(0..4u8, 1..6).prop_map(Happens::Work),
        2 => Just(Happens::List),
        1 => Just(Happens::Restart),
        1 => (0..100u64).prop_map(Happens::Wait),
    ]
}

proptest! {
    #[test]
    fn every_service_ends_with_its_addresses(steps in prop::collection::vec(happens(), 0..60)) {
        let ranges = || settings(&["10.96.0.0/28", "fd00:96::/120"]);
        let mut api = Api::default();
        let mut controller = api.started(ranges());
        for step in steps {
            match step {
                Happens::Put(name, kind) => {
                    let name = format!("s{name}");
                    // What has addresses keeps them: an API server sees to that.
                    if !api.services.contains_key(&key(&name)) {
                        let wish = match kind {
                            0 => dual(),
                            1 => Wish { cluster_ips: Written::Headless, ..Wish::default() },
                            _ => Wish::default(),
                        };
                        api.put(&name, wish);
                    }
                }
                Happens::Delete(name) => drop(api.services.remove(&key(&format!("s{name}")))),
                Happens::Work(fates) => {
                    let actions = controller.actions(api.now, fates.len());
                    for (action, fate) in actions.iter().zip(fates.iter().chain(std::iter::repeat(&0))) {
                        if matches!(action, ServiceAction::Report { .. }) {
                            continue;
                        }
                        if *fate != 1 {
                            api.write(action);
                        }
                        if *fate != 2 {
                            api.list(&mut controller);
                        }
                        controller.done(&action.subject());
                    }
                }
                Happens::List => api.list(&mut controller),
                Happens::Restart => controller = api.started(ranges()),
                Happens::Wait(seconds) => api.now += seconds,
            }
        }
        api.list(&mut controller);
        api.run(&mut controller);
        api.now += 1_000;
        api.run(&mut controller);
        api.is_consistent();
        for state in api.services.values() {
            let count = if state.wish.policy.is_some() { 2 } else { 1 };
            if state.wish.cluster_ips != Written::Headless {
                prop_assert_eq!(api.ips(&state.key.name).len(), count);
            }
        }
    }
}
