//! The TO arguments: from `10.0.0.1`, `dns://[::1]:53`, `dns.example` or `/etc/resolv.conf` to servers.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hickory_proto::rr::Name;

use super::resolv_conf;
use crate::corefile::{CorefileError, Directive, Files, Token, Transport};

/// The most upstreams that one `forward` may have, as in CoreDNS.
pub const MAX_UPSTREAMS: usize = 15;

/// The port of plain DNS (RFC 1035 §4.2).
pub(super) const PORT: u16 = 53;

/// The longest host name in octets, without its final dot (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Is one server that queries are forwarded to, by plain DNS over UDP and TCP. Displays as `10.0.0.1:53` or
/// `dns.example:53`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where it is.
    pub host: Host,
}

/// Where a server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// At an address.
    Address(SocketAddr),
    /// At the addresses of a host name, which are looked up.
    Name {
        /// The name, fully qualified.
        name: Name,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => address.fmt(f),
            Host::Name { name, port } => {
                let name = name.to_ascii();
                write!(f, "{}:{port}", name.trim_end_matches('.'))
            }
        }
    }
}

/// Reads all TO arguments in order; a file stands for its nameservers.
pub(super) fn parse(
    directive: &Directive,
    tokens: &[Token],
    files: &dyn Files,
) -> Result<Vec<Target>, CorefileError> {
    let mut targets = Vec::new();
    for token in tokens {
        targets.extend(parse_one(token, files)?);
    }
    if targets.is_empty() {
        return Err(directive.error(
            "forward has no upstream; write at least one address or a file such as \
             /etc/resolv.conf after the zone",
        ));
    }
    if targets.len() > MAX_UPSTREAMS {
        return Err(directive.error(format!(
            "forward has {} upstreams; use at most {MAX_UPSTREAMS}",
            targets.len()
        )));
    }
    Ok(targets)
}

fn parse_one(token: &Token, files: &dyn Files) -> Result<Vec<Target>, CorefileError> {
    let text = token.text.as_str();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    if let Some(scheme) = scheme {
        check_scheme(token, scheme)?;
    }
    let bad_port = |BadPort| {
        token.error(format!(
            "'{text}' has no valid port; write a number from 1 to 65535 after the last colon"
        ))
    };
    if let Some(address) = parse_address(rest, PORT).map_err(bad_port)? {
        return Ok(vec![Target { host: Host::Address(address) }]);
    }
    if scheme.is_none()
        && let Some(nameservers) = resolv_conf_file(token, files)?
    {
        return Ok(nameservers);
    }
    match parse_name(rest, PORT).map_err(bad_port)? {
        Some(host) => Ok(vec![Target { host }]),
        None => Err(token.error(format!(
            "'{text}' is neither an IP address nor a file nor a host name; write the server's \
             address or name"
        ))),
    }
}

/// Refuses the schemes that are no plain DNS.
fn check_scheme(token: &Token, scheme: &str) -> Result<(), CorefileError> {
    match Transport::from_scheme(scheme) {
        Some(Transport::Dns) => Ok(()),
        Some(transport @ (Transport::Tls | Transport::Https | Transport::Grpc)) => Err(token
            .error(format!(
                "'{}': forwarding over {scheme}:// is not available yet; use plain DNS (dns://) \
                 until it is",
                token.text,
                scheme = transport.scheme()
            ))),
        Some(Transport::Quic | Transport::Https3) | None => {
            Err(token.error(format!("Unknown scheme '{scheme}://' of an upstream; use dns://")))
        }
    }
}

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
fn parse_name(text: &str, default_port: u16) -> Result<Option<Host>, BadPort> {
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

/// Reads the nameservers of a file in the format of resolv.conf(5); none when what is no path names no file.
fn resolv_conf_file(
    token: &Token,
    files: &dyn Files,
) -> Result<Option<Vec<Target>>, CorefileError> {
    let path = Path::new(&token.text);
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !token.text.contains('/') => {
            return Ok(None);
        }
        Err(error) => {
            return Err(token.error(format!(
                "cannot read '{}': {error}; name a file in the format of resolv.conf, or an address",
                token.text
            )));
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let nameservers = resolv_conf::nameservers(&text, files)
        .map_err(|error| token.error(format!("{}:{error}", token.text)))?;
    if nameservers.is_empty() {
        return Err(token.error(format!(
            "'{}' has no nameserver; add a line 'nameserver ADDRESS' to it, or name another file",
            token.text
        )));
    }
    let target = |address| Target { host: Host::Address(address) };
    Ok(Some(nameservers.into_iter().map(target).collect()))
}
