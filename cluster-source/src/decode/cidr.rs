//! Networks as the API server has let them be stored.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Parses a network in any spelling that was ever accepted in an `ipBlock`: octets with leading zeros, which are
/// decimal (`010.1.0.0/16` is `10.1.0.0/16`); bits behind the prefix, which mean nothing; IPv4 as IPv4-mapped IPv6.
///
/// Objects with such networks stay valid on update (Kubernetes feature gate `StrictIPCIDRValidation`), and a network
/// that is not understood would make its peer match nothing.
///
/// Source: `netutils.ParseCIDRSloppy` of k8s.io/utils, which API servers read them with.
pub(super) fn parse(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = u8::try_from(decimal(prefix)?).ok()?;
    let network = match ip(address)? {
        IpAddr::V6(address) if prefix >= 96 => match address.to_ipv4_mapped() {
            Some(mapped) => IpNet::new(mapped.into(), prefix - 96),
            None => IpNet::new(address.into(), prefix),
        },
        address => IpNet::new(address, prefix),
    };
    Some(network.ok()?.trunc())
}

/// Says whether an API server takes a network in this spelling in a new object: no leading zeros, no bits behind the
/// prefix, IPv4 as such.
///
/// Source: Kubernetes feature gate `StrictIPCIDRValidation` (KEP-4858).
pub(super) fn is_strict(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let (Ok(ip), Some(network)) = (address.parse::<IpAddr>(), parse(text)) else { return false };
    // The standard library takes no octet with a leading zero.
    ip == network.network() && prefix == network.prefix_len().to_string()
}

fn ip(text: &str) -> Option<IpAddr> {
    match text.rsplit_once(':') {
        None => ipv4(text).map(IpAddr::V4),
        Some((head, tail)) if tail.contains('.') => {
            format!("{head}:{}", ipv4(tail)?).parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        Some(_) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(|part| u8::try_from(decimal(part)?).ok());
    let octets = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then(|| octets.into())
}

/// Reads digits and nothing else; `parse` alone would take a sign.
fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_was_ever_stored_is_read() {
        let cases = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.5/8", "10.0.0.0/8"),
            ("010.001.0.0/16", "10.1.0.0/16"),
            ("192.168.099.0/024", "192.168.99.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("255.255.255.255/32", "255.255.255.255/32"),
            ("::/0", "::/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("2001:0DB8:0::/32", "2001:db8::/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:010.1.2.3/128", "10.1.2.3/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::ffff:10.0.0.0/90", "::ffc0:0:0/90"),
            ("64:ff9b::192.0.2.1/96", "64:ff9b::/96"),
        ];
        for (text, network) in cases {
            assert_eq!(parse(text).map(|it| it.to_string()).as_deref(), Some(network), "{text}");
        }
    }

    #[test]
    fn newer_servers_take_one_spelling() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "2001:0DB8:0::/32", "::/0"] {
            assert!(is_strict(text), "{text}");
        }
        for text in [
            "010.0.0.0/8",
            "10.0.0.5/8",
            "10.0.0.0/08",
            "2001:db8::1/32",
            "::ffff:10.0.0.0/104",
            "x",
        ] {
            assert!(!is_strict(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let cases = [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0.0/8",
            "10.0.0.256/8",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "+10.0.0.0/8",
            "10.0.0.0x/8",
            "0x0a.0.0.0/8",
            "fd00::/129",
            "fe80::1%eth0/64",
            "a.b.c.d/8",
            " 10.0.0.0/8",
            "::ffff:10.0.0.0/129",
            "10.0.0.0/4294967304",
            "１0.0.0.0/8",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
