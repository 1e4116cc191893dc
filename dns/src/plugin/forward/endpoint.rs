//! Addresses and host names with their ports: `10.0.0.1`, `[::1]:53`, `dns.example:53`.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

use super::target::Host;

/// The longest host name in octets, without its final dot (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Says that the port of an address is none that a server can have.
pub(super) struct BadPort;

/// Reads `IP`, `IP:PORT`, `[IPv6]` or `[IPv6]:PORT`; none for what is no address.
pub(super) fn parse_address(text: &str, port: u16) -> Result<Option<SocketAddr>, BadPort> {
    let with_port = |ip: IpAddr| Some(SocketAddr::new(ip, port));
    if let Ok(ip) = text.parse() {
        return Ok(with_port(ip));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(BadPort) } else { Ok(Some(address)) };
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(Ok(ip)) = bracketed.map(str::parse) {
        return Ok(with_port(IpAddr::V6(ip)));
    }
    let host = text.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
    match host.map(str::parse::<IpAddr>) {
        Some(Ok(_)) => Err(BadPort),
        Some(Err(_)) | None => Ok(None),
    }
}

/// Reads `NAME` or `NAME:PORT`; none for what is no host name.
pub(super) fn parse_name(text: &str, default_port: u16) -> Result<Option<Host>, BadPort> {
    let (name, port) = match text.rsplit_once(':') {
        None => (text, None),
        Some((name, port)) => (name, Some(port)),
    };
    let Some(name) = host_name(name) else { return Ok(None) };
    let port = match port.map(str::parse) {
        None => default_port,
        Some(Ok(port @ 1..)) => port,
        Some(_) => return Err(BadPort),
    };
    Ok(Some(Host::Name { name, port }))
}

/// Reads a host name (RFC 1123 §2.1), with the underscores that some have. What ends in a number is a mistyped
/// address (RFC 3696 §2).
pub(super) fn host_name(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_allowed)
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|octet| octet.is_ascii_digit());
    if text.len() > MAX_NAME || is_number || !text.split('.').all(is_label) {
        return None;
    }
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}
