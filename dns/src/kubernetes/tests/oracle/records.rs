//! The lines of the zone file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cluster::{Cluster, Phase, Pod, Service, ServiceAddress};
use hickory_proto::rr::RecordType;

use super::NOWHERE;
use super::lists::{Behind, Lists, Port, service_ports};
use super::{POD_LABELS, ZoneFile};
use crate::kubernetes::PodMode;

/// One address behind a name, at one port.
#[derive(Clone)]
struct Place {
    port_name: String,
    protocol: String,
    /// What an SRV record points at, below the apex.
    target: String,
    /// None while a Service waits for its addresses.
    ip: Option<IpAddr>,
    /// None where SRV records cannot say it.
    port: Option<u16>,
}

impl ZoneFile {
    pub(super) fn write(&mut self, cluster: &Cluster) {
        let lists = Lists::of(cluster);
        let zones: Vec<String> = self.zone.zones.iter().map(|zone| super::text(zone)).collect();
        for apex in &zones {
            self.write_apex(apex, &lists);
            if !is_reverse(apex) {
                self.write_namespaces(apex, &lists);
            }
        }
        let primary = zones.iter().find(|zone| !is_reverse(zone)).unwrap_or(&zones[0]);
        self.write_reverse(primary, &lists);
    }

    fn write_apex(&mut self, apex: &str, lists: &Lists) {
        let ttl = self.options().ttl;
        let soa = format!("ns.dns.{apex} hostmaster.{apex} {} 7200 1800 86400 {ttl}", self.serial);
        self.insert((apex.to_owned(), RecordType::SOA, ttl.min(300), soa));
        self.insert((format!("dns-version.{apex}"), RecordType::TXT, 28_800, "1.1.0".to_owned()));
        self.names.extend([apex.to_owned(), format!("svc.{apex}"), format!("pod.{apex}")]);
        for (below, ip) in self.name_servers(lists) {
            let name = format!("{below}.{apex}");
            self.insert((apex.to_owned(), RecordType::NS, ttl, name.clone()));
            let address = (name, family(ip), ttl, ip.to_string());
            self.additionals.entry(apex.to_owned()).or_default().insert(address);
            self.insert((format!("ns.dns.{apex}"), family(ip), ttl, ip.to_string()));
        }
    }

    /// The Services with a ready endpoint that is this server: their addresses, or their endpoints when they
    /// are headless. Without any, the server itself.
    fn name_servers(&self, lists: &Lists) -> Vec<(String, IpAddr)> {
        let mut servers = Vec::new();
        for service in &lists.services {
            let behind = self.endpoints_of(service, lists);
            if !behind.iter().any(|(_, ip, _)| self.zone.own_addresses.contains(ip)) {
                continue;
            }
            let base = format!("{}.{}.svc", service.key.name, service.key.namespace);
            match &service.address {
                ServiceAddress::ClusterIps(ips) => {
                    servers.extend(ips.iter().map(|ip| (base.clone(), *ip)))
                }
                ServiceAddress::Headless => {
                    servers.extend(
                        behind.iter().map(|(label, ip, _)| (format!("{label}.{base}"), *ip)),
                    );
                }
                ServiceAddress::ExternalName(_) | ServiceAddress::Pending => {}
            }
        }
        if servers.is_empty() {
            servers.extend(self.zone.own_addresses.iter().map(|ip| ("ns.dns".to_owned(), *ip)));
        }
        servers
    }

    fn write_namespaces(&mut self, apex: &str, lists: &Lists) {
        for namespace in
            lists.namespaces.iter().filter(|name| self.is_served(name)).cloned().collect::<Vec<_>>()
        {
            self.names.insert(format!("{namespace}.svc.{apex}"));
            // Quirk: without pods there are no namespaces below `pod` either.
            if self.serves_pods() || self.options().strict {
                self.names.insert(format!("{namespace}.pod.{apex}"));
            }
            let is_set = self.is_cluster_set(apex);
            let services = if is_set { &lists.imports } else { &lists.services };
            for service in services.iter().filter(|service| *service.key.namespace == *namespace) {
                let behind = match is_set {
                    true => self.endpoints_of_import(service, lists),
                    false => self.endpoints_of(service, lists),
                };
                self.write_service(apex, service, &behind);
                if self.options().zonal && !is_set && service.is_headless() {
                    self.write_zones(apex, service, &behind, lists);
                }
            }
            self.write_pods(apex, &namespace, lists);
        }
    }

    /// Names of topology zones: pinned ones always exist, and preferred ones fall back to every zone.
    fn write_zones(&mut self, apex: &str, service: &Service, all: &[Behind], lists: &Lists) {
        let base = format!("{}.{}.svc", service.key.name, service.key.namespace);
        for zone in ["eu-1a", "corp.example", NOWHERE] {
            let within = self.endpoints_within(service, lists, zone);
            let preferred = if within.is_empty() { all } else { &within };
            let places = |behind: &[Behind]| -> Vec<Place> {
                let place = |(label, ip, (name, protocol, port)): &Behind| Place {
                    port_name: name.clone(),
                    protocol: protocol.clone(),
                    target: format!("{label}.{base}"),
                    ip: Some(*ip),
                    port: *port,
                };
                behind.iter().map(place).collect()
            };
            self.names.insert(format!("{zone}.pin._zone.{base}.{apex}"));
            self.write_places(apex, &format!("{zone}.pin._zone.{base}"), &places(&within));
            self.write_places(apex, &format!("{zone}.prefer._zone.{base}"), &places(preferred));
        }
    }

    fn write_service(&mut self, apex: &str, service: &Service, behind: &[Behind]) {
        let base = format!("{}.{}.svc", service.key.name, service.key.namespace);
        let place = |(name, protocol, port): &Port, target: &str, ip| Place {
            port_name: name.clone(),
            protocol: protocol.clone(),
            target: target.to_owned(),
            ip,
            port: *port,
        };
        let places: Vec<Place> = match &service.address {
            ServiceAddress::ExternalName(target) => return self.write_alias(apex, &base, target),
            ServiceAddress::Headless => behind
                .iter()
                .map(|(label, ip, port)| place(port, &format!("{label}.{base}"), Some(*ip)))
                .collect(),
            _ if self.options().ignore_empty_service && behind.is_empty() => return,
            ServiceAddress::Pending => {
                service_ports(service).iter().map(|port| place(port, &base, None)).collect()
            }
            ServiceAddress::ClusterIps(ips) => service_ports(service)
                .iter()
                .flat_map(|port| ips.iter().map(|ip| place(port, &base, Some(*ip))))
                .collect(),
        };
        self.write_places(apex, &base, &places);
        self.write_ports(apex, &base, &places);
        for label in behind.iter().map(|(label, ..)| label).collect::<BTreeSet<_>>() {
            let name = format!("{label}.{base}");
            let of_label = behind.iter().filter(|(other, ..)| other == label);
            let places: Vec<_> =
                of_label.map(|(_, ip, port)| place(port, &name, Some(*ip))).collect();
            // Quirk: pod names with dots are in SRV and PTR records and nowhere else.
            let clusters = usize::from(self.is_cluster_set(apex));
            if label.matches('.').count() == clusters {
                self.write_places(apex, &name, &places);
            }
        }
    }

    /// Quirk: the underscores of ports and protocols may be missing, and what is empty without them is each.
    fn write_ports(&mut self, apex: &str, base: &str, places: &[Place]) {
        let spelled = |name: &str| match name {
            "" => vec!["_".to_owned()],
            name => vec!["_".to_owned(), format!("_{name}"), name.to_owned()],
        };
        let mut forms = BTreeSet::new();
        for Place { port_name, protocol, .. } in places {
            let protocols = spelled(protocol);
            forms.extend(spelled(port_name).into_iter().flat_map(|port| {
                protocols.iter().map(move |protocol| (port.clone(), protocol.clone()))
            }));
        }
        let fits = |form: &str, name: &str| form == "_" || form.trim_start_matches('_') == name;
        for (port, protocol) in forms {
            // In a set of clusters two labels without an underscore are an endpoint and its cluster.
            if self.is_cluster_set(apex) && !port.starts_with('_') && !protocol.starts_with('_') {
                continue;
            }
            let places =
                places.iter().filter(|p| fits(&port, &p.port_name) && fits(&protocol, &p.protocol));
            let places: Vec<Place> = places.cloned().collect();
            self.write_places(apex, &format!("{port}.{protocol}.{base}"), &places);
        }
    }

    /// Addresses, and SRV records whose weights share 100 among all places, also those that are equal or
    /// have no SRV record.
    fn write_places(&mut self, apex: &str, name: &str, places: &[Place]) {
        if places.is_empty() {
            return;
        }
        let ttl = self.options().ttl;
        let owner = format!("{name}.{apex}");
        self.names.insert(owner.clone());
        let weight = std::cmp::max(1, 100 / places.len());
        for place in places {
            let Some(ip) = place.ip else { continue };
            self.insert((owner.clone(), family(ip), ttl, ip.to_string()));
            let Some(port) = place.port else { continue };
            let target = format!("{}.{apex}", place.target);
            let data = format!("0 {weight} {port} {target}");
            self.insert((owner.clone(), RecordType::SRV, ttl, data));
            let address = (target, family(ip), ttl, ip.to_string());
            self.additionals.entry(owner.clone()).or_default().insert(address);
        }
    }

    fn write_alias(&mut self, apex: &str, base: &str, target: &str) {
        if target.parse::<IpAddr>().is_ok() {
            return;
        }
        let target = target.strip_suffix('.').unwrap_or(target).to_lowercase();
        for owner in [format!("{base}.{apex}"), format!("_._.{base}.{apex}")] {
            self.names.insert(owner.clone());
            self.aliases.insert(owner.clone());
            if target.split('.').all(|label| !label.is_empty()) {
                self.insert((owner, RecordType::CNAME, self.options().ttl, format!("{target}.")));
            }
        }
    }

    fn write_pods(&mut self, apex: &str, namespace: &str, lists: &Lists) {
        let strict = self.options().strict;
        let holds =
            |pod: &Pod| !pod.terminating && [Phase::Pending, Phase::Running].contains(&pod.phase);
        let pods = lists.pods.iter().filter(|pod| *pod.key.namespace == *namespace && holds(pod));
        // Quirk: a pod is known by its first address only, and only as the API spells it.
        let known: BTreeSet<IpAddr> =
            pods.flat_map(|pod| pod.ips.iter().take(if strict { 2 } else { 1 }).copied()).collect();
        for (label, ip, canonical) in POD_LABELS {
            let ip: IpAddr = ip.parse().unwrap();
            let exists = match self.options().pods {
                PodMode::Disabled => false,
                PodMode::Insecure => true,
                PodMode::Verified => known.contains(&ip) && (canonical || strict),
            };
            let name = format!("{label}.{namespace}.pod");
            // Quirk: SRV records of pods have port 0.
            let port = if strict { None } else { Some(0) };
            let (port_name, protocol) = (String::new(), String::new());
            let place = Place { port_name, protocol, target: name.clone(), ip: Some(ip), port };
            if exists {
                self.write_places(apex, &name, &[place]);
            }
        }
    }

    /// The first Service with a cluster address, else all ready endpoints. Quirk: unless `namespaces` is
    /// given, those of namespaces that do not exist too.
    fn write_reverse(&mut self, primary: &str, lists: &Lists) {
        let everything = self.options().namespaces.is_none() && !self.options().strict;
        let visible = |namespace: &str| {
            everything || (self.is_served(namespace) && lists.namespaces.contains(namespace))
        };
        let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for service in lists.services.iter().filter(|service| visible(&service.key.namespace)) {
            for ip in service.cluster_ips() {
                let name = format!("{}.{}.svc.{primary}", service.key.name, service.key.namespace);
                names.entry(*ip).or_insert_with(|| vec![name]);
            }
        }
        let of_services: BTreeSet<IpAddr> = names.keys().copied().collect();
        for slice in lists.slices.iter().filter(|slice| visible(&slice.key.namespace)) {
            let Some(service) = &slice.service_name else { continue };
            for (label, ip, _) in self.endpoints_in(slice) {
                let name = format!("{label}.{service}.{}.svc.{primary}", slice.key.namespace);
                if !of_services.contains(&ip) {
                    names.entry(ip).or_default().push(name);
                }
            }
        }
        for (ip, names) in names {
            for name in names {
                self.insert((reverse_name(ip), RecordType::PTR, self.options().ttl, name));
            }
        }
    }

    fn is_served(&self, namespace: &str) -> bool {
        self.options().namespaces.as_ref().is_none_or(|served| served.contains(namespace))
    }
}

fn family(ip: IpAddr) -> RecordType {
    if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA }
}

fn is_reverse(zone: &str) -> bool {
    zone.ends_with("in-addr.arpa.") || zone.ends_with("ip6.arpa.")
}

fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", ip.to_bits());
            digits.chars().rev().map(|digit| format!("{digit}.")).collect::<String>() + "ip6.arpa."
        }
    }
}
