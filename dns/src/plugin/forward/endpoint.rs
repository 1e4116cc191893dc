//! Addresses and host names with their ports: `10.0.0.1`, `[::1]:53`, `fe80::1%eth0`, `dns.example:53`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

use hickory_proto::rr::Name;

use super::target::Host;
use crate::corefile::Files;

/// The longest host name in octets, without its final dot (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Says that the port of an address is none that a server can have.
pub(super) struct BadPort;

/// Says what is wrong with an address that names an interface.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadScope {
    /// The interface is none of this host.
    #[error(
        "there is no interface '{0}' on this host; name one that `ip link` lists, or its number"
    )]
    Interface(String),
    /// The port is none that a server can have.
    #[error("there is no valid port; write a number from 1 to 65535 after '[ADDRESS%INTERFACE]:'")]
    Port,
}

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

/// Reads `ADDRESS%INTERFACE`, `[ADDRESS%INTERFACE]` or `[ADDRESS%INTERFACE]:PORT` (RFC 4007 §11), as link-local
/// addresses need it; none for what is no IPv6 address with an interface. Its number is read through `files`.
pub(super) fn parse_scoped(
    text: &str,
    default_port: u16,
    files: &dyn Files,
) -> Result<Option<SocketAddr>, BadScope> {
    let (place, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        None => (text, ""),
        Some(Some((place, port))) => (place, port),
        Some(None) => return Ok(None),
    };
    let Some((address, interface)) = place.split_once('%') else { return Ok(None) };
    let Ok(address) = address.parse::<Ipv6Addr>() else { return Ok(None) };
    let port = match port.strip_prefix(':').map(str::parse) {
        None if port.is_empty() => default_port,
        Some(Ok(port @ 1..)) => port,
        None | Some(_) => return Err(BadScope::Port),
    };
    let number = interface_number(interface, files);
    let number = number.ok_or_else(|| BadScope::Interface(interface.to_owned()))?;
    Ok(Some(SocketAddrV6::new(address, port, 0, number).into()))
}

/// Returns the number of a network interface, which is given or read from `/sys/class/net`.
pub(super) fn interface_number(interface: &str, files: &dyn Files) -> Option<u32> {
    if let Ok(number) = interface.parse() {
        return Some(number);
    }
    if interface.is_empty() || interface.contains('/') || interface == ".." {
        // Would leave the directory of interfaces.
        return None;
    }
    let path = Path::new("/sys/class/net").join(interface).join("ifindex");
    String::from_utf8(files.read(&path).ok()?).ok()?.trim().parse().ok()
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
