//! The TO arguments: from `10.0.0.1`, `dns://[::1]:53` or `/etc/resolv.conf` to addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::resolv_conf;
use crate::corefile::{CorefileError, Directive, Files, Token, Transport};

/// The most upstreams that one `forward` may have, as in CoreDNS.
pub const MAX_UPSTREAMS: usize = 15;

/// The port of plain DNS (RFC 1035 §4.2).
pub(super) const PORT: u16 = 53;

/// Is one server that queries are forwarded to, by plain DNS over UDP and TCP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
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
    match parse_address(rest) {
        Ok(Some(address)) => Ok(vec![Target { address }]),
        Ok(None) if scheme.is_none() => resolv_conf_file(token, files),
        Ok(None) => Err(no_address(token)),
        Err(BadPort) => Err(token.error(format!(
            "'{text}' has no valid port; write a number from 1 to 65535 after the last colon"
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
struct BadPort;

/// Reads `IP`, `IP:PORT`, `[IPv6]` or `[IPv6]:PORT`; none for what is no address.
fn parse_address(text: &str) -> Result<Option<SocketAddr>, BadPort> {
    let with_port = |ip: IpAddr| Some(SocketAddr::new(ip, PORT));
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

/// Reads the nameservers of a file in the format of resolv.conf(5).
fn resolv_conf_file(token: &Token, files: &dyn Files) -> Result<Vec<Target>, CorefileError> {
    let path = Path::new(&token.text);
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !token.text.contains('/') => {
            return Err(no_address(token));
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
    Ok(nameservers.into_iter().map(|address| Target { address }).collect())
}

fn no_address(token: &Token) -> CorefileError {
    token.error(format!(
        "'{}' is neither an IP address nor a file; host names are not available as upstreams, \
         write the server's IP address",
        token.text
    ))
}
