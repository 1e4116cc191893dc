//! The TO arguments: from `10.0.0.1`, `dns://[::1]:53`, `dns.example` or `/etc/resolv.conf` to servers.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use hickory_proto::rr::Name;
use rustls::pki_types::ServerName;

use super::endpoint::{BadPort, parse_address, parse_name, parse_scoped};
use super::resolv_conf;
use super::tls::server_name;
use crate::corefile::{CorefileError, Directive, Files, Token, Transport};

/// The most upstreams that one `forward` may have, as in CoreDNS.
pub const MAX_UPSTREAMS: usize = 15;

/// The port of plain DNS (RFC 1035 §4.2).
pub(super) const PORT: u16 = 53;

/// The path of DNS over HTTPS that is usual and CoreDNS's.
const DOH_PATH: &str = "/dns-query";

/// Is one server that queries are forwarded to. Displays as `10.0.0.1:53` or `dns.example:853`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where it is.
    pub host: Host,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// The file in the form of resolv.conf that names it, if one does.
    pub file: Option<String>,
}

/// How an upstream is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// Plain DNS over UDP and TCP.
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls(Identity),
    /// DNS over HTTPS (RFC 8484).
    Https {
        /// Whom the certificate has to name.
        identity: Identity,
        /// The path of the URL; `/dns-query` by default.
        path: String,
    },
}

/// Whom a server's certificate has to name, unless `tls_servername` says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The name after `%`.
    Given(ServerName<'static>),
    /// The address or name of the server itself.
    OfHost(ServerName<'static>),
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

impl Target {
    fn plain(address: SocketAddr, file: &str) -> Self {
        let file = Some(file.to_owned());
        Self { host: Host::Address(address), scheme: Scheme::Dns, file }
    }

    /// Returns the server name after `%`.
    pub(super) fn given_name(&self) -> Option<&ServerName<'static>> {
        match &self.scheme {
            Scheme::Tls(identity) | Scheme::Https { identity, .. } => match identity {
                Identity::Given(name) => Some(name),
                Identity::OfHost(_) => None,
            },
            Scheme::Dns => None,
        }
    }
}

impl Identity {
    /// Returns whom the certificate has to name.
    pub(super) fn name(&self) -> &ServerName<'static> {
        match self {
            Self::Given(name) | Self::OfHost(name) => name,
        }
    }
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
    for (at, token) in tokens.iter().enumerate() {
        let rest = tokens.get(at + 1..).unwrap_or_default();
        targets.extend(
            parse_one(token, files).map_err(|error| with_others(error, token, rest, files))?,
        );
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

/// Adds to an error which of the arguments behind it are wrong, too.
fn with_others(
    error: CorefileError,
    token: &Token,
    rest: &[Token],
    files: &dyn Files,
) -> CorefileError {
    // More than can be used are not looked at.
    let rest = rest.iter().take(MAX_UPSTREAMS);
    let wrong = rest.filter(|other| parse_one(other, files).is_err());
    let names: Vec<String> = wrong.map(|other| format!("'{}'", other.text)).collect();
    if names.is_empty() {
        return error;
    }
    token.error(format!("{}; wrong, too: {}", error.problem(), names.join(" and ")))
}

fn parse_one(token: &Token, files: &dyn Files) -> Result<Vec<Target>, CorefileError> {
    let text = token.text.as_str();
    let (prefix, rest) = match text.split_once("://") {
        Some((prefix, rest)) => (Some(prefix), rest),
        None => (None, text),
    };
    let transport = prefix.map_or(Ok(Transport::Dns), |prefix| transport(token, prefix))?;
    let (rest, path) = match transport {
        Transport::Https => split_path(token, rest)?,
        _ => (rest, ""),
    };
    let (place, given) = match transport {
        Transport::Dns => (rest.to_owned(), None),
        _ => split_server_name(token, rest)?,
    };
    let kind = (transport, path);
    let bad_port = |BadPort| {
        token.error(format!(
            "'{text}' has no valid port; write a number from 1 to 65535 after the last colon"
        ))
    };
    let port = transport.default_port(PORT);
    // With encryption a server name stands behind '%'.
    if transport == Transport::Dns {
        let bad = |error| token.error(format!("'{text}': {error}"));
        if let Some(address) = parse_scoped(&place, port, files).map_err(bad)? {
            return Ok(vec![target(token, Host::Address(address), kind, given)?]);
        }
    }
    if let Some(address) = parse_address(&place, port).map_err(bad_port)? {
        return Ok(vec![target(token, Host::Address(address), kind, given)?]);
    }
    if prefix.is_none()
        && let Some(nameservers) = resolv_conf_file(token, files)?
    {
        return Ok(nameservers);
    }
    match parse_name(&place, port).map_err(bad_port)? {
        Some(host) => Ok(vec![target(token, host, kind, given)?]),
        None => Err(token.error(format!(
            "'{text}' is neither an IP address nor a file nor a host name; write the server's \
             address or name"
        ))),
    }
}

fn target(
    token: &Token,
    host: Host,
    (transport, path): (Transport, &str),
    given: Option<ServerName<'static>>,
) -> Result<Target, CorefileError> {
    if transport == Transport::Dns {
        return Ok(Target { host, scheme: Scheme::Dns, file: None });
    }
    let identity = match (given, &host) {
        (Some(name), _) => Identity::Given(name),
        (None, Host::Address(address)) => Identity::OfHost(address.ip().into()),
        (None, Host::Name { name, .. }) => {
            let name = server_name(&name.to_ascii()).ok_or_else(|| {
                token.error(format!(
                    "no certificate can be for the name of '{}'; write the one that it is for after '%'",
                    token.text
                ))
            })?;
            Identity::OfHost(name)
        }
    };
    let scheme = match transport {
        Transport::Https => Scheme::Https { identity, path: path.to_owned() },
        _ => Scheme::Tls(identity),
    };
    Ok(Target { host, scheme, file: None })
}

/// Takes the path off an URL without its scheme; none is the usual one (RFC 8484 §4.1.1).
fn split_path<'a>(token: &Token, text: &'a str) -> Result<(&'a str, &'a str), CorefileError> {
    let Some(at) = text.find('/') else { return Ok((text, DOH_PATH)) };
    let (place, path) = text.split_at(at);
    let is_allowed =
        |octet: u8| octet.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&octet);
    match path {
        "/" => Ok((place, DOH_PATH)),
        _ if path.bytes().all(is_allowed) => Ok((place, path)),
        _ => Err(token.error(format!(
            "'{path}' is no path of an URL; write one without '?', '#' and variables, such as {DOH_PATH}"
        ))),
    }
}

/// Takes the server name out of `IP%NAME:PORT`, also where the address is in brackets with or without it.
fn split_server_name(
    token: &Token,
    text: &str,
) -> Result<(String, Option<ServerName<'static>>), CorefileError> {
    let Some((address, rest)) = text.split_once('%') else { return Ok((text.to_owned(), None)) };
    let end = rest.find([']', ':']).unwrap_or(rest.len());
    let (name, port) = rest.split_at(end);
    let name = server_name(name).ok_or_else(|| {
        token.error(format!(
            "'{name}' is no server name; write the one of the upstream's certificate after '%'"
        ))
    })?;
    // `2001:db8::1%NAME:853` has its port behind the name, so that the address needs brackets without it.
    let is_bare = address.parse::<Ipv6Addr>().is_ok();
    let place = if is_bare { format!("[{address}]{port}") } else { format!("{address}{port}") };
    Ok((place, Some(name)))
}

/// Reads what stands before `://`.
fn transport(token: &Token, text: &str) -> Result<Transport, CorefileError> {
    match Transport::from_scheme(text) {
        Some(transport @ (Transport::Dns | Transport::Tls | Transport::Https)) => Ok(transport),
        Some(Transport::Grpc | Transport::Quic | Transport::Https3) | None => Err(token.error(
            format!("Unknown scheme '{text}://' of an upstream; use dns://, tls:// or https://"),
        )),
    }
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
    let plain = |address| Target::plain(address, &token.text);
    Ok(Some(nameservers.into_iter().map(plain).collect()))
}
