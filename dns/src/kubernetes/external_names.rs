//! Names of Services outside the cluster, for the plugin `k8s_external`.
//!
//! ```text
//! <zone>                                       SOA, NS
//! ns1.dns.<zone>                               the addresses that this server is reached at from outside
//! <namespace>.<zone>                           exists, without records
//! <service>.<namespace>.<zone>                 spec.externalIPs and status.loadBalancer.ingress
//! _<port>._<protocol>.<service>.<namespace>.<zone>
//! <endpoint>.<service>.<namespace>.<zone>      with `headless`, of Services without such addresses
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;

use cluster::{Cluster, Kind, KindSet, LoadBalancerIngress, Service};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use super::answer::{Answer, Chase, Partial, Question, Status, weight_of_each};
use super::name::{Below, Of, bare, count_labels};
use super::services::{Entry, Owner, Target, endpoint_targets, ports_of};
use super::zone::{Zone, is_reverse};
use super::{Rule, Ruling, nameserver, records, reverse};

/// What one `k8s_external` block serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalZone {
    /// The zones, in the order of the Corefile: forward ones and reverse ones.
    pub zones: Vec<LowerName>,
    /// `apex`: the label that the names of the zone's own servers are below.
    pub apex: String,
    /// `ttl`: of every record, in seconds, 0 to 3600.
    pub ttl: u32,
    /// `headless`: the endpoints of Services without external addresses are served.
    pub headless: bool,
}

impl ExternalZone {
    /// Returns the zone that a name is in: the longest one.
    pub fn matching(&self, name: &LowerName) -> Option<&LowerName> {
        self.zones.iter().filter(|zone| zone.zone_of(name)).max_by_key(|zone| zone.num_labels())
    }

    fn primary(&self) -> Option<&LowerName> {
        self.zones.iter().find(|zone| !is_reverse(zone)).or(self.zones.first())
    }

    fn required(&self) -> KindSet {
        let kinds = KindSet::of(&[Kind::Namespace, Kind::Service]);
        if self.headless { kinds.with(Kind::EndpointSlice) } else { kinds }
    }
}

/// Answers a question about a name at or below `apex`, one of the zones of `external`. `zone` is the
/// `kubernetes` block of the same cluster, whose namespaces and endpoints are served.
///
/// Source: CoreDNS's plugin `k8s_external`. It answers every label before a Service with external addresses
/// as if it were none; here only names that exist are answered.
pub fn external_answer(
    cluster: &Cluster,
    zone: &Zone,
    external: &ExternalZone,
    apex: &LowerName,
    question: Question<'_>,
) -> Answer {
    let top = question.name.trim_to(count_labels(apex));
    let view = View { cluster, zone, external, apex, top, question };
    view.finish(view.decide())
}

struct View<'a> {
    cluster: &'a Cluster,
    zone: &'a Zone,
    external: &'a ExternalZone,
    apex: &'a LowerName,
    /// The apex in the case in which it was asked.
    top: Name,
    question: Question<'a>,
}

/// Where a name leads.
enum Places<'a> {
    Addresses(Vec<Target<'a>>),
    /// To a load balancer that only has a name, at these ports.
    Alias(Name, Vec<u16>),
}

impl View<'_> {
    fn decide(&self) -> Result<Partial, Ruling> {
        if self.question.qtype == RecordType::PTR
            && let Some(ip) = reverse::address_of(self.question.lower)
        {
            return self.pointers(ip);
        }
        let below = count_labels(self.question.lower) - count_labels(self.apex);
        // No name has more labels than a port, its protocol, a Service and a namespace.
        if below > 4 {
            return Err(Rule::TooManyLabels.alone());
        }
        let texts = self.question.lower.iter().take(below).map(std::str::from_utf8);
        let Ok(labels) = texts.collect::<Result<Vec<&str>, _>>() else {
            return Err(Rule::NoSuchService.alone());
        };
        match labels.as_slice() {
            [] => Ok(self.at_apex()),
            [rest @ .., own] if own.eq_ignore_ascii_case(&self.external.apex) => {
                self.name_server(rest)
            }
            [rest @ .., namespace] => {
                self.check_namespace(namespace)?;
                match rest {
                    [] => Ok(Partial::nothing(Rule::NamespaceNode.alone())),
                    [service] => self.service(namespace, service, Below::Nothing),
                    [endpoint, service] => {
                        self.service(namespace, service, Below::Endpoint(endpoint))
                    }
                    [port, protocol, service] => {
                        let below = Below::Port { port: bare(port), protocol: bare(protocol) };
                        self.service(namespace, service, below)
                    }
                    _ => Err(Rule::TooManyLabels.alone()),
                }
            }
        }
    }

    fn finish(&self, found: Result<Partial, Ruling>) -> Answer {
        match found {
            Err(ruling) => {
                let is_synced = self.cluster.synced().contains_all(self.external.required());
                let (status, ruling) = match is_synced {
                    true => (Status::NameError, ruling),
                    false => (Status::NotSynced, Ruling { rule: Rule::NotSynced, ..ruling }),
                };
                Answer { status, soa: self.soa(), ..Answer::from(Partial::nothing(ruling)) }
            }
            Ok(partial) if partial.answers.is_empty() => {
                Answer { soa: self.soa(), ..Answer::from(partial) }
            }
            Ok(partial) => partial.into(),
        }
    }

    fn soa(&self) -> Option<Record> {
        let apex = &*self.external.apex;
        let mname = records::below(&self.top, ["ns1", apex].into_iter())?;
        let rname = records::below(&self.top, ["hostmaster", apex].into_iter())?;
        let serial = u32::try_from(self.cluster.changed_at() % (1 << 32)).unwrap_or_default();
        let data = SOA::new(mname, rname, serial, 7200, 1800, 86_400, self.external.ttl);
        Some(Record::from_rdata(self.top.clone(), self.external.ttl, RData::SOA(data)))
    }

    fn at_apex(&self) -> Partial {
        let name = records::below(&self.top, ["ns1", &*self.external.apex].into_iter());
        match (self.question.qtype, name) {
            (RecordType::SOA, _) => {
                Partial::of(Rule::Soa.alone(), self.soa().into_iter().collect())
            }
            (RecordType::NS, Some(name)) => {
                let ttl = self.external.ttl;
                let record = records::name_server(self.question.name.clone(), ttl, name.clone());
                let mut partial = Partial::of(Rule::NameServer.alone(), vec![record]);
                let ips = nameserver::external_addresses(self.cluster, self.zone);
                let glue = ips.into_iter().map(|ip| records::address(name.clone(), ttl, ip));
                partial.additionals.extend(glue);
                partial
            }
            _ => Partial::nothing(Rule::ZoneNode.alone()),
        }
    }

    /// Answers below the label of the zone's own servers.
    fn name_server(&self, labels: &[&str]) -> Result<Partial, Ruling> {
        match labels {
            [] => Ok(Partial::nothing(Rule::NameServer.alone())),
            [label] if label.eq_ignore_ascii_case("ns1") => {
                let ips = nameserver::external_addresses(self.cluster, self.zone);
                Ok(Partial::of(Rule::NameServer.alone(), self.addresses(ips)))
            }
            _ => Err(Rule::NoSuchService.alone()),
        }
    }

    fn check_namespace(&self, namespace: &str) -> Result<(), Ruling> {
        if self.zone.exposes_namespace(self.cluster, namespace) {
            return Ok(());
        }
        Err(Rule::NoSuchNamespace.alone())
    }

    fn service(&self, namespace: &str, name: &str, below: Below<'_>) -> Result<Partial, Ruling> {
        let found = self.cluster.service(namespace, name);
        let service = found.ok_or_else(|| Rule::NoSuchService.alone())?;
        let on = |rule: Rule| rule.on(Kind::Service, &service.key);
        let (rule, places) = self.places(service, below).map_err(on)?;
        Ok(self.records(on(rule), places))
    }

    fn places<'c>(
        &'c self,
        service: &'c Service,
        below: Below<'_>,
    ) -> Result<(Rule, Places<'c>), Rule> {
        let is_inside =
            service.external_addresses().next().is_none() && hostname(service).is_none();
        let is_endpoint = matches!(below, Below::Endpoint(_));
        if is_inside && self.external.headless && (service.is_headless() || is_endpoint) {
            let entry = Entry { of: Of::Service, service };
            let targets = endpoint_targets(self.cluster, self.zone, entry, below);
            let rule = if is_endpoint { Rule::Endpoint } else { Rule::Headless };
            return match targets.is_empty() {
                true if is_endpoint => Err(Rule::NoSuchEndpoint),
                true => Err(Rule::NoReadyEndpoints),
                false => Ok((rule, Places::Addresses(targets))),
            };
        }
        if is_endpoint {
            return Err(Rule::NoSuchEndpoint);
        }
        let declared = service.ports.iter().map(|p| (&*p.name, p.protocol, Some(p.port)));
        let ports = ports_of(declared, below);
        if ports.is_empty() {
            return Err(Rule::NoSuchPort);
        }
        let owner = Owner::of(service);
        let targets = ports.iter().flat_map(|port| {
            let owner = &owner;
            service.external_addresses().map(move |ip| Target {
                ip,
                port: *port,
                owner: owner.clone(),
            })
        });
        let targets: Vec<Target<'_>> = targets.collect();
        match hostname(service) {
            _ if !targets.is_empty() => Ok((Rule::ExternalAddress, Places::Addresses(targets))),
            Some(name) => {
                let ports = ports.into_iter().flatten().collect();
                Ok((Rule::ExternalAddress, Places::Alias(name, ports)))
            }
            None => Err(Rule::NoExternalAddress),
        }
    }

    fn records(&self, ruling: Ruling, places: Places<'_>) -> Partial {
        let (owner, ttl) = (self.question.name, self.external.ttl);
        match (places, self.question.qtype) {
            (Places::Addresses(targets), RecordType::A | RecordType::AAAA) => {
                let ips = targets.iter().map(|target| target.ip);
                Partial::of(ruling, self.addresses(ips))
            }
            (Places::Addresses(targets), RecordType::SRV) => self.services(ruling, &targets),
            (Places::Alias(name, _), RecordType::A | RecordType::AAAA) => {
                let alias = records::alias(owner.clone(), ttl, name.clone());
                Partial { chase: Some(Chase { target: name }), ..Partial::of(ruling, vec![alias]) }
            }
            (Places::Alias(name, _), RecordType::CNAME) => {
                Partial::of(ruling, vec![records::alias(owner.clone(), ttl, name)])
            }
            (Places::Alias(name, ports), RecordType::SRV) => {
                let weight = weight_of_each(ports.len());
                let record =
                    |port| records::service(owner.clone(), ttl, weight, port, name.clone());
                let ports: BTreeSet<u16> = ports.into_iter().collect();
                Partial::of(ruling, ports.into_iter().map(record).collect())
            }
            _ => Partial::nothing(Ruling { rule: Rule::NoSuchType, ..ruling }),
        }
    }

    fn addresses(&self, ips: impl IntoIterator<Item = IpAddr>) -> Vec<Record> {
        let mut seen = BTreeSet::new();
        let ips = ips.into_iter();
        ips.filter(|ip| records::is_of_type(*ip, self.question.qtype) && seen.insert(*ip))
            .map(|ip| records::address(self.question.name.clone(), self.external.ttl, ip))
            .collect()
    }

    fn services(&self, ruling: Ruling, targets: &[Target<'_>]) -> Partial {
        let mut partial = Partial::nothing(ruling);
        let (weight, ttl) = (weight_of_each(targets.len()), self.external.ttl);
        let (mut ports, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for Target { ip, port, owner } in targets {
            let labels = owner.first.as_deref().into_iter().chain(owner.service);
            let labels = labels.chain([owner.namespace]);
            let (Some(port), Some(name)) = (*port, records::below(&self.top, labels)) else {
                continue;
            };
            if ports.insert((owner, port)) {
                let qname = self.question.name.clone();
                partial.answers.push(records::service(qname, ttl, weight, port, name.clone()));
            }
            if addresses.insert((owner, *ip)) {
                partial.additionals.push(records::address(name, ttl, *ip));
            }
        }
        partial
    }

    fn pointers(&self, ip: IpAddr) -> Result<Partial, Ruling> {
        let services = self.cluster.services_by_external_ip(ip).iter();
        let visible: Vec<_> = services
            .filter(|service| self.zone.exposes_namespace(self.cluster, &service.key.namespace))
            .collect();
        let (Some(first), Some(primary)) = (visible.first(), self.external.primary()) else {
            return Err(Rule::NoSuchAddress.alone());
        };
        let ruling = Rule::ReverseService.on(Kind::Service, &first.key);
        let names = visible.iter().filter_map(|service| {
            records::below(primary, [&*service.key.name, &service.key.namespace].into_iter())
        });
        let owner = || self.question.name.clone();
        let pointer = |name| records::pointer(owner(), self.external.ttl, name);
        Ok(Partial::of(ruling, names.map(pointer).collect()))
    }
}

/// Returns the name of the Service's first load balancer that has one.
fn hostname(service: &Service) -> Option<Name> {
    service.load_balancer.iter().find_map(|ingress| match ingress {
        LoadBalancerIngress::Hostname(text) => {
            let mut name = Name::from_ascii(&**text).ok()?;
            name.set_fqdn(true);
            Some(name)
        }
        LoadBalancerIngress::Ip(_) => None,
    })
}
