//! Names of endpoints.

use std::borrow::Cow;
use std::net::IpAddr;

use cluster::Endpoint;

use super::zone::ZoneOptions;

/// The longest label (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Returns the label of one of an endpoint's addresses: its hostname; else, with `endpoint_pod_names`,
/// the pod's name if it fits a label; else the address with dashes.
pub(super) fn endpoint_label<'a>(
    endpoint: &'a Endpoint,
    ip: IpAddr,
    options: &ZoneOptions,
) -> Cow<'a, str> {
    if let Some(hostname) = &endpoint.hostname {
        return Cow::Borrowed(hostname);
    }
    // CoreDNS has pod names with dots in them too, which then are no names of endpoints.
    let fits = |name: &str| name.len() <= MAX_LABEL && !(options.strict && name.contains('.'));
    let pod_name = endpoint.target_name.as_ref().filter(|name| fits(name));
    if let Some(name) = pod_name.filter(|_| options.endpoint_pod_names) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(dashed(ip))
}

/// Returns an address as a label: dots and colons become dashes. A label must not end with a dash, so
/// an IPv6 address that ends with `::` gets a zero.
pub(super) fn dashed(ip: IpAddr) -> String {
    let mut label = ip.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') {
        label.push('0');
    }
    label
}

/// Returns the address that a pod name's label stands for; the inverse of the dashes, as CoreDNS reads
/// them: three single dashes are IPv4, everything else is IPv6, which can hold an IPv4 address.
pub(super) fn address_of_label(label: &str) -> Option<IpAddr> {
    let dashes = label.bytes().filter(|byte| *byte == b'-').count();
    if dashes == 3 && !label.contains("--") {
        return label.replace('-', ".").parse().ok().map(IpAddr::V4);
    }
    // A dotted quad cannot be in one label, so that only the hexadecimal form parses.
    label.replace('-', ":").parse().ok().map(|ip| IpAddr::V6(ip).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_labels_and_back() {
        let cases = [
            ("10.11.12.13", "10-11-12-13"),
            ("1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8"),
            ("fd00::1", "fd00--1"),
            ("2001:db8::", "2001-db8--0"),
            ("1111:2222:3333:4444:5555:6666::", "1111-2222-3333-4444-5555-6666--0"),
        ];
        for (text, label) in cases {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(dashed(ip), label);
            assert_eq!(address_of_label(label), Some(ip));
        }
        assert_eq!(address_of_label("--ffff-102-304"), Some([1, 2, 3, 4].into()));
        for label in ["blah", "1-2-3", "256-1-1-1", "1-2-3-4-5", "01-2-3-4", "", "-"] {
            assert_eq!(address_of_label(label).map(|ip| ip.is_ipv4()), None, "{label}");
        }
    }
}
