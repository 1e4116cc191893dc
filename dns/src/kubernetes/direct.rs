//! Answers that are written without records in between: see [`crate::direct`].
//!
//! The usual questions only, each decided as [`super::answer`] decides it; a property test holds both together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cluster::{
    Cluster, KeyRef, KindSet, MOST_TOGETHER, Service, ServiceAddress, ServiceKey, ServicePort,
};
use hickory_proto::rr::{LowerName, RecordType};

use super::name::{Naming, bare, count_labels};
use super::records::{EXPIRE, MAX_SOA_TTL, REFRESH, RETRY};
use super::zone::{PodMode, Zone, is_reverse};
use crate::direct::{Draft, PlainQuestion, Said, Writer, octets_of};

/// A zone whose usual names are answered directly.
#[derive(Clone, Debug)]
pub struct DirectZone {
    apex: LowerName,
    labels: usize,
    required: KindSet,
    /// Whether names that do not exist are another plugin's.
    falls_through: bool,
    /// The octets of the zone that names of addresses are in; for a reverse zone.
    names_in: Option<Box<[u8]>>,
}

/// The longest zone that is answered directly, in octets: the names of its SOA record have to fit.
const MAX_APEX: usize = 200;

impl DirectZone {
    /// Returns those of a block's zones that can be answered directly. `falls_through` says whether a name that does
    /// not exist, in the zone or anywhere below, may be another plugin's.
    pub fn all(zone: &Zone, falls_through: impl Fn(&LowerName) -> bool) -> Vec<Self> {
        // With these more than the names of the question decides.
        if zone.options.strict || zone.options.ignore_empty_service {
            return Vec::new();
        }
        let has_none_below =
            |apex: &LowerName| !zone.zones.iter().any(|other| other != apex && apex.zone_of(other));
        // The end of a name that the question has, too, would be a pointer to it.
        let is_apart = |primary: &&LowerName| primary.iter().next_back() != Some(b"arpa");
        let names_in = zone.primary().filter(is_apart).map(octets_of);
        let direct = |apex: &LowerName| {
            let names_in = if is_reverse(apex) { Some(names_in.clone()?) } else { None };
            Some(Self {
                labels: count_labels(apex),
                required: zone.required_in(apex),
                falls_through: falls_through(apex),
                names_in: names_in.filter(|_| zone.options.namespaces.is_none()),
                apex: apex.clone(),
            })
        };
        let is_usual = |apex: &&LowerName| {
            !apex.is_root()
                && zone.naming(apex) == Naming::Cluster
                && octets_of(apex).len() <= MAX_APEX
                && has_none_below(apex)
                && !(is_reverse(apex) && zone.options.namespaces.is_some())
        };
        zone.zones.iter().filter(is_usual).filter_map(direct).collect()
    }

    /// Returns the apex.
    pub fn apex(&self) -> &LowerName {
        &self.apex
    }

    /// Writes the replies to questions about names in these zones of a block, where they are usual ones.
    pub fn answer(zones: &[Self], cluster: &Cluster, zone: &Zone, drafts: &mut [Draft<'_>]) {
        for drafts in drafts.chunks_mut(MOST_TOGETHER) {
            let keys = drafts.iter().map(|draft| zones.get(draft.zone)?.key(draft.question));
            let found = cluster.find_services(keys);
            for (draft, found) in drafts.iter_mut().zip(found) {
                let Draft { zone: number, question, writer, said, .. } = draft;
                let own = zones.get(*number);
                *said = own.and_then(|own| own.write(cluster, zone, question, found, writer));
            }
        }
    }

    /// Returns what the Service of a name is looked up by, if the name is one of a Service.
    fn key<'q>(&self, question: &'q PlainQuestion) -> Option<ServiceKey<'q>> {
        if self.names_in.is_some() {
            return address_of(question).map(ServiceKey::ClusterIp);
        }
        let label = |number: usize| question.label(self.labels + number);
        let is_of_service = question.labels_below(self.labels) <= 5 && label(0)? == "svc";
        let key = KeyRef { namespace: label(1)?, name: label(2)? };
        is_of_service.then_some(ServiceKey::Name(key))
    }

    /// Writes the answer to a question about a name in the zone, whose Service has been `found`, and says what it says;
    /// none where it is not a usual one.
    fn write(
        &self,
        cluster: &Cluster,
        zone: &Zone,
        question: &PlainQuestion,
        found: Option<&Service>,
        writer: &mut Writer<'_>,
    ) -> Option<Said> {
        if !cluster.synced().contains_all(self.required) {
            return None;
        }
        writer.set_ttl(zone.options.ttl);
        let said = match (&self.names_in, question.qtype()) {
            (Some(names_in), RecordType::PTR) => pointer(found?, writer, names_in)?,
            (None, RecordType::A | RecordType::AAAA | RecordType::SRV) => {
                self.name(cluster, zone, question, found, writer)?
            }
            _ => return None,
        };
        match said {
            Said::Records => return Some(said),
            Said::NameError if self.falls_through => return None,
            Said::NameError => writer.name_error(),
            Said::NoData => {}
        }
        // Serial numbers wrap (RFC 1982 §3).
        let serial = u32::try_from(cluster.changed_at() % (1 << 32)).unwrap_or_default();
        writer.soa(zone.options.ttl.min(MAX_SOA_TTL), serial, [REFRESH, RETRY, EXPIRE])?;
        Some(said)
    }

    fn name(
        &self,
        cluster: &Cluster,
        zone: &Zone,
        question: &PlainQuestion,
        found: Option<&Service>,
        writer: &mut Writer<'_>,
    ) -> Option<Said> {
        let below = question.labels_below(self.labels);
        if below == 0 {
            return Some(Said::NoData);
        }
        // Counted from the zone.
        let label = |number: usize| question.label(self.labels + number);
        let branch = label(0)?;
        let is_pod = branch == "pod";
        if !is_pod && branch != "svc" {
            // The name server's own name is more than this.
            return if branch == "dns" { None } else { Some(Said::NameError) };
        }
        match below {
            1 => Some(Said::NoData),
            6.. => Some(Said::NameError),
            2 if is_pod && zone.options.pods == PodMode::Disabled => Some(Said::NameError),
            2 if zone.exposes_namespace(cluster, label(1)?) => Some(Said::NoData),
            2 => Some(Said::NameError),
            _ if is_pod && zone.options.pods == PodMode::Disabled => Some(Said::NameError),
            _ if is_pod => None,
            _ if !zone.serves_namespace(label(1)?) => Some(Said::NameError),
            _ => match found {
                Some(service) => self.service(service, below, question, writer),
                // With a dot in it, it was not looked for.
                None => label(2).map(|_| Said::NameError),
            },
        }
    }

    /// Answers for a Service with cluster addresses.
    fn service(
        &self,
        service: &Service,
        below: usize,
        question: &PlainQuestion,
        writer: &mut Writer<'_>,
    ) -> Option<Said> {
        let ServiceAddress::ClusterIps(ips) = &service.address else { return None };
        let is_v6 = match (question.qtype(), below) {
            (RecordType::A, 3) => false,
            (RecordType::AAAA, 3) => true,
            (RecordType::SRV, 3 | 5) => return self.ports(service, ips, below, question, writer),
            _ => return None,
        };
        let is_of_type = |ip: &&IpAddr| ip.is_ipv6() == is_v6;
        if ips.is_empty() {
            return None;
        }
        if !ips.iter().any(|ip| is_of_type(&ip)) {
            return Some(Said::NoData);
        }
        writer.addresses(ips.iter().filter(is_of_type).copied())?;
        Some(Said::Records)
    }

    /// Answers SRV for a Service.
    fn ports(
        &self,
        service: &Service,
        ips: &[IpAddr],
        below: usize,
        question: &PlainQuestion,
        writer: &mut Writer<'_>,
    ) -> Option<Said> {
        // In another case the names of the answer would be compressed in another way.
        if ips.is_empty() || service.ports.is_empty() || !question.is_lower() {
            return None;
        }
        let (mut port, mut protocol) = ("", "");
        if below == 5 {
            let label = |number: usize| question.label(self.labels + number);
            (protocol, port) = (bare(label(3)?), bare(label(4)?));
        }
        let is_asked = |declared: &&ServicePort| {
            (port.is_empty() || port.eq_ignore_ascii_case(&declared.name))
                && (protocol.is_empty() || protocol == declared.protocol.as_str())
        };
        let asked = || service.ports.iter().filter(is_asked);
        let number = asked().count();
        if number == 0 {
            return Some(Said::NameError);
        }
        let weight = super::answer::weight_of_each(number * ips.len());
        for (at, declared) in asked().enumerate() {
            if !asked().take(at).any(|before| before.port == declared.port) {
                // The name of the Service and its namespace, which are spelt as in the question.
                writer.service(weight, declared.port, 3)?;
            }
        }
        writer.additional_addresses(3, ips.iter().copied())?;
        Some(Said::Records)
    }
}

/// Answers PTR for the cluster address of a Service.
fn pointer(service: &Service, writer: &mut Writer<'_>, names_in: &[u8]) -> Option<Said> {
    writer.pointer(&[&service.key.name, &service.key.namespace, "svc"], names_in)?;
    Some(Said::Records)
}

/// Returns the address that a reverse name stands for (RFC 1035 §3.5, RFC 3596 §2.5).
fn address_of(question: &PlainQuestion) -> Option<IpAddr> {
    if question.label(0)? != "arpa" {
        return None;
    }
    let labels = question.labels_below(2);
    match (question.label(1)?, labels) {
        ("in-addr", 4) => {
            let mut octets = [0; 4];
            for (number, octet) in octets.iter_mut().enumerate() {
                let label = question.label(2 + number)?;
                let is_plain = label.bytes().all(|b| b.is_ascii_digit());
                let is_padded = label.len() > 1 && label.starts_with('0');
                *octet = label.parse().ok().filter(|_| is_plain && !is_padded)?;
            }
            Some(Ipv4Addr::from(octets).into())
        }
        ("ip6", 32) => {
            let mut value = 0;
            for label in question.name().get(..64)?.chunks_exact(2).rev() {
                let [1, digit] = *label else { return None };
                value = value << 4 | u128::from(char::from(digit).to_digit(16)?);
            }
            Some(Ipv6Addr::from(value).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
