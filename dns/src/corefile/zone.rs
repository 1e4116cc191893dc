//! Reads server-block keys and zone arguments: `[SCHEME://]ZONE[:PORT]`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::reverse::reverse_zones;

/// Is how queries of a zone arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Plain DNS over UDP and TCP (RFC 1035).
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// DNS over gRPC.
    Grpc,
    /// DNS over HTTPS, HTTP/1.1 and HTTP/2 (RFC 8484).
    Https,
    /// DNS over HTTPS, HTTP/3 (RFC 8484, RFC 9114).
    Https3,
}

impl Transport {
    /// The scheme in a key, without `://`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
        }
    }

    /// The transport a scheme names; letter case does not matter.
    pub fn from_scheme(scheme: &str) -> Option<Self> {
        let all = [Self::Dns, Self::Tls, Self::Quic, Self::Grpc, Self::Https, Self::Https3];
        all.into_iter().find(|transport| transport.scheme().eq_ignore_ascii_case(scheme))
    }

    /// The port of a key without one; `dns` is the configured port of plain DNS, usually 53.
    pub fn default_port(self, dns: u16) -> u16 {
        match self {
            Self::Dns => dns,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
        }
    }
}

/// Is one zone a server block serves, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneKey {
    /// How queries arrive.
    pub transport: Transport,
    /// The zone: lower-case, fully qualified, with its final dot.
    pub zone: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Says why a text is not a zone. Displays as a sentence for [`Token::error`](super::Token::error).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// Nothing stands between scheme and port.
    #[error("'{0}' names no zone; write '.' for the root zone, for example '.:53'")]
    Missing(String),
    /// What stands before `://` is no transport.
    #[error("Unknown scheme '{0}://'; use dns, tls, quic, grpc, https or https3")]
    Scheme(String),
    /// What follows the last colon is no port.
    #[error("'{0}' is no port; write a number from 0 to 65535 after the last colon")]
    Port(String),
    /// An address with a mask that is no network, or an IPv6 network easily taken for a port.
    #[error("Invalid CIDR '{0}'; write ADDRESS/LENGTH, IPv6 networks not starting with ':' or '0'")]
    Cidr(String),
    /// A label is empty or longer than 63 octets, or the name is longer than 255 (RFC 1035 §2.3.4).
    #[error("'{0}' is not a valid domain name; labels have 1 to 63 octets, names at most 255")]
    Length(String),
    /// A character that no zone of a Corefile needs.
    #[error("'{zone}' is not a valid domain name; remove {character:?}, or use the xn-- form")]
    Character {
        /// The name.
        zone: String,
        /// Its first such character.
        character: char,
    },
}

/// Turns a server block's key into its zones: one, or for a network all reverse zones that cover it (RFC 1035
/// §3.5: octets for IPv4, nibbles for IPv6; at most 128).
///
/// `default_port` is the port of plain DNS without an own port, the value of `-dns.port`.
///
/// ```text
/// .                    dns    .                    default_port
/// tls://Example.ORG    tls    example.org.         853
/// 10.0.0.0/24:1053     dns    0.0.10.in-addr.arpa. 1053
/// ```
pub fn zone_keys(text: &str, default_port: u16) -> Result<Vec<ZoneKey>, ZoneError> {
    let (transport, rest) = match text.split_once("://") {
        None => (Transport::Dns, text),
        Some((scheme, rest)) => {
            let unknown = || ZoneError::Scheme(scheme.to_owned());
            (Transport::from_scheme(scheme).ok_or_else(unknown)?, rest)
        }
    };
    let (zone, port) = split_port(rest)?;
    if zone.is_empty() {
        return Err(ZoneError::Missing(text.to_owned()));
    }
    let port = port.unwrap_or_else(|| transport.default_port(default_port));
    let zones = match network(zone)? {
        Some(network) => reverse_zones(network),
        None => vec![zone_name(zone)?],
    };
    let key = |zone| ZoneKey { transport, zone, port };
    Ok(zones.into_iter().map(key).collect())
}

/// Turns an argument of a plugin that takes zones into zone names, normalised as the keys of server blocks are.
/// A scheme and a port are accepted and dropped.
pub fn zones(text: &str) -> Result<Vec<String>, ZoneError> {
    let keys = zone_keys(text, 0)?;
    Ok(keys.into_iter().map(|key| key.zone).collect())
}

/// Takes off the digits after the last colon. What follows the last colon of an IPv6 network has a slash, so it
/// is no port.
fn split_port(text: &str) -> Result<(&str, Option<u16>), ZoneError> {
    let Some((zone, port)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    if port.contains('/') {
        return Ok((text, None));
    }
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if is_number => Ok((zone, Some(port))),
        _ => Err(ZoneError::Port(port.to_owned())),
    }
}

/// Reads a network; `None` for what is meant as a name, such as the `0/25.2.0.192.in-addr.arpa` of RFC 2317.
fn network(text: &str) -> Result<Option<IpNet>, ZoneError> {
    let Some((address, _)) = text.split_once('/') else {
        return Ok(None);
    };
    let invalid = || ZoneError::Cidr(text.to_owned());
    let is_ipv6 = address.contains(':');
    if is_ipv6 && address.starts_with([':', '0']) {
        return Err(invalid());
    }
    if !is_ipv6 && address.parse::<IpAddr>().is_err() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| invalid())
}

/// Normalises a domain name: lower-case, fully qualified, within the limits of RFC 1035 §2.3.4.
fn zone_name(text: &str) -> Result<String, ZoneError> {
    let is_refused = |char: char| !char.is_ascii_graphic() || "\\:,\"(){};".contains(char);
    if let Some(character) = text.chars().find(|char| is_refused(*char)) {
        let zone = text.to_owned();
        return Err(ZoneError::Character { zone, character });
    }
    if text == "." {
        return Ok(text.to_owned());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| (1..=63).contains(&label.len());
    // On the wire each label has a length octet and the root label ends the name.
    let wire_octets = name.len() + 2;
    if !name.split('.').all(is_label) || wire_octets > 255 {
        return Err(ZoneError::Length(text.to_owned()));
    }
    Ok(format!("{}.", name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |key: ZoneKey| format!("{} {} {}", key.transport.scheme(), key.zone, key.port);
        zone_keys(text, 53).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn single_zones() {
        for (text, expected) in [
            (".", "dns . 53"),
            (".:1053", "dns . 1053"),
            (".:0", "dns . 0"),
            ("Example.ORG", "dns example.org. 53"),
            ("EXAMPLE.org.:5353", "dns example.org. 5353"),
            ("hostname.bind:5353", "dns hostname.bind. 5353"),
            ("dns://.", "dns . 53"),
            ("tls://.", "tls . 853"),
            ("TLS://example.org", "tls example.org. 853"),
            ("quic://example.org", "quic example.org. 853"),
            ("grpc://example.org", "grpc example.org. 443"),
            ("https://example.org", "https example.org. 443"),
            ("https3://example.org", "https3 example.org. 443"),
            ("https://example.org:8443", "https example.org. 8443"),
            ("_tcp.a-b_c", "dns _tcp.a-b_c. 53"),
            ("10.0.0.0/24", "dns 0.0.10.in-addr.arpa. 53"),
            ("10.0.0.0/24:1053", "dns 0.0.10.in-addr.arpa. 1053"),
            ("0.0.0.0/0", "dns in-addr.arpa. 53"),
            ("2001:db8::/32", "dns 8.b.d.0.1.0.0.2.ip6.arpa. 53"),
            ("2001:DB8::/32:53", "dns 8.b.d.0.1.0.0.2.ip6.arpa. 53"),
            ("128/26.2.0.192.in-addr.arpa", "dns 128/26.2.0.192.in-addr.arpa. 53"),
            ("10.0.0.1", "dns 10.0.0.1. 53"),
        ] {
            assert_eq!(shown(text), [expected], "{text}");
        }
    }

    #[test]
    fn networks_between_boundaries_expand() {
        assert_eq!(shown("10.0.0.0/17").len(), 128);
        assert_eq!(shown("10.0.0.0/27").len(), 32);
        assert_eq!(shown("tls://192.168.0.0/15:99").len(), 2);
        assert_eq!(shown("2001:db8::/30").len(), 4);
    }

    #[test]
    fn refused_texts() {
        let message = |text: &str| zone_keys(text, 53).unwrap_err().to_string();
        for (text, part) in [
            ("", "names no zone"),
            (":53", "names no zone"),
            ("tls://", "names no zone"),
            ("udp://.", "Unknown scheme 'udp://'"),
            ("://.", "Unknown scheme"),
            ("example.org:", "is no port"),
            ("example.org:dns", "is no port"),
            ("example.org:65536", "is no port"),
            ("example.org:+53", "is no port"),
            ("::/64", "Invalid CIDR"),
            ("::1/128:53", "Invalid CIDR"),
            ("0::/64", "Invalid CIDR"),
            ("2001:zz::/64", "Invalid CIDR"),
            ("10.0.0.0/33", "Invalid CIDR"),
            ("2001:db8::/129", "Invalid CIDR"),
            ("2001:db8::1", "remove ':'"),
            ("a..b", "labels have"),
            ("..", "labels have"),
            (".a", "labels have"),
            ("a\\.b", "remove '\\\\'"),
            ("ȶ", "xn--"),
            ("a b", "remove ' '"),
            ("{}", "remove '{'"),
        ] {
            assert!(message(text).contains(part), "{text}: {}", message(text));
        }
    }

    #[test]
    fn lengths() {
        let label = "a".repeat(63);
        assert!(zone_keys(&label, 53).is_ok());
        assert!(zone_keys(&format!("{label}a"), 53).is_err());
        // With length octets 3 × 64 + 62, and one for the root: 255.
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(zone_keys(&longest, 53).is_ok());
        assert!(zone_keys(&format!("{longest}."), 53).is_ok());
        assert!(zone_keys(&format!("{longest}a"), 53).is_err());
    }

    #[test]
    fn arguments_drop_scheme_and_port() {
        assert_eq!(zones("tls://Example.org:53").unwrap(), ["example.org."]);
        assert_eq!(zones("10.0.0.0/23").unwrap().len(), 2);
        assert!(zones("a..b").is_err());
    }
}
