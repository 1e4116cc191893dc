//! Where an HTTP endpoint listens, in Go's syntax `[HOST]:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::corefile::{CorefileError, Token};

/// An address to listen on.
///
/// ```text
/// :8080            every address of the host, IPv4 and IPv6
/// localhost:9153   the first address of the name, IPv4 before IPv6
/// 10.0.0.1:80      this address
/// [::1]:80         this address
/// 127.0.0.1:0      a port that the system chooses
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenAddress {
    /// Where.
    pub host: ListenHost,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// The host of a [`ListenAddress`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ListenHost {
    /// Every address of the host.
    Any,
    /// One address.
    Address(IpAddr),
    /// A name to resolve.
    Name(String),
}

/// Says why a text is no [`ListenAddress`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "'{text}' is no address to listen on: {problem}; write for example ':8080' or '[::1]:8080'"
)]
pub struct ListenAddressError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ListenAddress {
    /// Returns a port of every address of the host.
    pub const fn any(port: u16) -> Self {
        Self { host: ListenHost::Any, port }
    }

    /// Reads an argument of a plugin.
    pub(super) fn from_token(token: &Token) -> Result<Self, CorefileError> {
        token.text.parse().map_err(|error: ListenAddressError| token.error(error.to_string()))
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |problem| ListenAddressError { text: text.to_owned(), problem };
        let (host, port) = text.rsplit_once(':').ok_or(error("it has no port"))?;
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error("the port after the last colon is no number"));
        }
        let port = port.parse().map_err(|_| error("the port is above 65535"))?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => inner
                .parse::<Ipv6Addr>()
                .map(|address| ListenHost::Address(address.into()))
                .map_err(|_| error("no IPv6 address stands between the brackets"))?,
            None => plain_host(host).ok_or(error("an IPv6 address stands between brackets"))?,
        };
        Ok(Self { host, port })
    }
}

/// Reads a host without brackets; none when it has what only an IPv6 address or no host has.
fn plain_host(host: &str) -> Option<ListenHost> {
    if host.is_empty() {
        return Some(ListenHost::Any);
    }
    if host.contains([':', '[', ']']) || host.contains(char::is_whitespace) {
        return None;
    }
    let name = || ListenHost::Name(host.to_ascii_lowercase());
    Some(host.parse().map_or_else(|_| name(), ListenHost::Address))
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ListenHost::Any => write!(f, ":{}", self.port),
            ListenHost::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            ListenHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        let localhost = ListenHost::Name("localhost".into());
        let address = |text: &str| ListenHost::Address(text.parse().unwrap());
        for (text, host, port) in [
            (":8080", ListenHost::Any, 8080),
            ("localhost:9153", localhost, 9153),
            ("127.0.0.1:0", address("127.0.0.1"), 0),
            ("0.0.0.0:9153", address("0.0.0.0"), 9153),
            ("[::1]:80", address("::1"), 80),
            ("[::]:80", address("::"), 80),
        ] {
            let parsed: ListenAddress = text.parse().unwrap();
            assert_eq!(parsed, ListenAddress { host, port });
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address() {
        for (text, part) in [
            ("8080", "it has no port"),
            ("", "it has no port"),
            ("localhost:", "is no number"),
            ("localhost:http", "is no number"),
            ("localhost:+80", "is no number"),
            (":65536", "above 65535"),
            ("::1:80", "between brackets"),
            ("[::1:80", "between brackets"),
            ("[localhost]:80", "no IPv6 address"),
            ("a b:80", "between brackets"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("':8080'"), "{text}: {error}");
        }
    }
}
