//! Names of addresses: PTR questions below `in-addr.arpa` and `ip6.arpa`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cluster::{Kind, ObjectKey};
use hickory_proto::rr::{LowerName, Name};

use super::answer::{Partial, View};
use super::endpoints::endpoint_label;
use super::records;
use super::{Rule, Ruling};

/// Returns the address that a reverse name stands for (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn address_of(name: &LowerName) -> Option<IpAddr> {
    let labels = reversed_labels(name)?;
    match labels {
        Labels::V4(octets) => {
            let octets: [u8; 4] = octets.try_into().ok()?;
            Some(Ipv4Addr::from(octets).into())
        }
        Labels::V6(nibbles) => {
            let nibbles: [u8; 32] = nibbles.try_into().ok()?;
            let value =
                nibbles.iter().fold(0u128, |value, nibble| value << 4 | u128::from(*nibble));
            Some(Ipv6Addr::from(value).into())
        }
    }
}

/// Says whether a name is above the reverse name of an address.
pub(super) fn is_part_of_address(name: &LowerName) -> bool {
    match reversed_labels(name) {
        Some(Labels::V4(octets)) => octets.len() < 4,
        Some(Labels::V6(nibbles)) => nibbles.len() < 32,
        None => false,
    }
}

/// The labels of a reverse name as numbers, the most significant first.
enum Labels {
    V4(Vec<u8>),
    V6(Vec<u8>),
}

fn reversed_labels(name: &LowerName) -> Option<Labels> {
    let mut labels = name.iter().rev();
    if labels.next() != Some(b"arpa") {
        return None;
    }
    match labels.next()? {
        b"in-addr" => labels.map(octet).collect::<Option<_>>().map(Labels::V4),
        b"ip6" => labels.map(nibble).collect::<Option<_>>().map(Labels::V6),
        _ => None,
    }
}

fn octet(label: &[u8]) -> Option<u8> {
    let plain = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label[0] != b'0');
    std::str::from_utf8(label).ok().filter(|_| plain)?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Answers a PTR question: the Service with this cluster address, else each ready endpoint with it, of
/// whichever Service.
pub(super) fn pointers(view: &View<'_>, ip: IpAddr) -> Result<Partial, Ruling> {
    let Some(primary) = view.zone.primary() else { return Err(Rule::NoSuchAddress.alone()) };
    let answer = |ruling, targets: Vec<Name>| {
        let owner = || view.question.name.clone();
        let answers =
            targets.into_iter().map(|name| records::pointer(owner(), view.records.ttl, name));
        Partial::of(ruling, answers.collect())
    };
    let mut services = view.cluster.services_by_cluster_ip(ip).iter();
    if let Some(service) = services.find(|service| is_visible(view, &service.key.namespace)) {
        let name = records::below(
            primary,
            [&*service.key.name, &service.key.namespace, "svc"].into_iter(),
        );
        let ruling = Rule::ReverseService.on(Kind::Service, &service.key);
        return Ok(answer(ruling, name.into_iter().collect()));
    }
    match endpoint_names(view, primary, ip) {
        (names, Some(slice)) if !names.is_empty() => {
            Ok(answer(Rule::ReverseEndpoint.on(Kind::EndpointSlice, &slice), names))
        }
        _ => Err(Rule::NoSuchAddress.alone()),
    }
}

/// With `namespaces`, only those that exist and are listed have reverse names; without, every one.
fn is_visible(view: &View<'_>, namespace: &str) -> bool {
    let everything = view.zone.options.namespaces.is_none() && !view.zone.options.strict;
    everything || view.zone.exposes_namespace(view.cluster, namespace)
}

/// Returns the names of the endpoints with an address, and the slice of the first.
fn endpoint_names(
    view: &View<'_>,
    primary: &LowerName,
    ip: IpAddr,
) -> (Vec<Name>, Option<ObjectKey>) {
    if view.zone.options.no_endpoints {
        return (Vec::new(), None);
    }
    let (mut seen, mut names, mut first) = (BTreeSet::new(), Vec::new(), None);
    let slices = view.cluster.slices_by_address(ip).iter();
    for slice in slices.filter(|slice| is_visible(view, &slice.key.namespace)) {
        let Some(service) = &slice.service_name else { continue };
        let endpoints = slice.endpoints.iter();
        for endpoint in endpoints.filter(|e| e.ready && e.addresses.contains(&ip)) {
            let label = endpoint_label(endpoint, ip, &view.zone.options);
            let labels = [&*label, service, &slice.key.namespace, "svc"];
            first.get_or_insert_with(|| slice.key.clone());
            names.extend(
                records::below(primary, labels.into_iter())
                    .filter(|name| seen.insert(name.clone())),
            );
        }
    }
    (names, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_reverse_names_are_addresses() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.";
        let cases = [
            ("4.3.2.1.in-addr.arpa.", Some("1.2.3.4")),
            ("3.2.1.in-addr.arpa.", None),
            ("5.4.3.2.1.in-addr.arpa.", None),
            ("256.3.2.1.in-addr.arpa.", None),
            ("04.3.2.1.in-addr.arpa.", None),
            ("x.3.2.1.in-addr.arpa.", None),
            ("4.3.2.1.in-addr.arpa.cluster.local.", None),
            ("in-addr.arpa.", None),
            (v6, Some("fd00::1")),
            (&v6[2..], None),
            (&v6.to_uppercase(), Some("fd00::1")),
        ];
        for (name, ip) in cases {
            let expected = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(address_of(&name.parse().unwrap()), expected, "{name}");
        }
        for (name, part) in [
            ("3.2.1.in-addr.arpa.", true),
            ("4.3.2.1.in-addr.arpa.", false),
            ("x.in-addr.arpa.", false),
        ] {
            assert_eq!(is_part_of_address(&name.parse().unwrap()), part, "{name}");
        }
    }
}
