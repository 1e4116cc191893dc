//! From the words of `bind` to addresses.

use std::net::IpAddr;

use super::{BindConfig, BindGroup};
use crate::corefile::{CorefileError, Token};

/// A network interface of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its name, for example `eth0`.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl BindConfig {
    /// Returns the addresses to listen on, each once, in textual order; empty without a `bind` directive, which
    /// means every address.
    ///
    /// An interface stands for its addresses but those of IPv6 that are link-local: they need a scope.
    ///
    /// # Errors
    ///
    /// When a word is neither an address nor an interface, or when a directive leaves no address.
    pub fn resolve(&self, interfaces: &[Interface]) -> Result<Vec<IpAddr>, CorefileError> {
        let mut all = Vec::new();
        for group in &self.groups {
            for address in group.resolve(interfaces)? {
                if !all.contains(&address) {
                    all.push(address);
                }
            }
        }
        Ok(all)
    }
}

impl BindGroup {
    fn resolve(&self, interfaces: &[Interface]) -> Result<Vec<IpAddr>, CorefileError> {
        let mut addresses = expand(&self.listen, interfaces)?;
        let except = expand(&self.except, interfaces)?;
        addresses.retain(|address| !except.contains(address));
        match self.listen.first() {
            Some(first) if addresses.is_empty() => Err(first.error(format!(
                "'bind {}' leaves no address to listen on; name another one or an address less after 'except'",
                first.text
            ))),
            _ => Ok(addresses),
        }
    }
}

fn expand(tokens: &[Token], interfaces: &[Interface]) -> Result<Vec<IpAddr>, CorefileError> {
    let mut addresses = Vec::new();
    for token in tokens {
        if let Some(interface) = interfaces.iter().find(|known| known.name == token.text) {
            addresses.extend(interface.addresses.iter().filter(|address| !needs_scope(address)));
        } else if let Ok(address) = token.text.parse() {
            addresses.push(address);
        } else {
            return Err(unknown(token, interfaces));
        }
    }
    Ok(addresses)
}

fn needs_scope(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn unknown(token: &Token, interfaces: &[Interface]) -> CorefileError {
    let names: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    token.error(format!(
        "not a valid IP address or interface name: '{}'; this host has the interfaces {}",
        token.text,
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::configure;

    fn resolve(text: &str) -> Result<Vec<String>, String> {
        let interface = |name: &str, addresses: &[&str]| Interface {
            name: name.to_owned(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        let interfaces = [
            interface("lo", &["127.0.0.1", "::1"]),
            interface("eth0", &["10.0.0.7", "169.254.20.10", "2001:db8::7", "fe80::7"]),
            interface("down", &[]),
        ];
        let config = configure(text, BindConfig::parse).unwrap();
        let addresses = config.resolve(&interfaces).map_err(|error| error.to_string())?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_and_interfaces() {
        for (text, expected) in [
            ("", &[][..]),
            ("bind 127.0.0.1", &["127.0.0.1"]),
            ("bind 127.0.0.1 ::1", &["127.0.0.1", "::1"]),
            ("bind 127.0.0.1\nbind ::1 127.0.0.1", &["127.0.0.1", "::1"]),
            ("bind lo", &["127.0.0.1", "::1"]),
            ("bind eth0", &["10.0.0.7", "169.254.20.10", "2001:db8::7"]),
            ("bind lo {\nexcept 127.0.0.1\n}", &["::1"]),
            ("bind lo eth0 {\nexcept lo\nexcept 10.0.0.7\n}", &["169.254.20.10", "2001:db8::7"]),
            ("bind lo {\nexcept ::1\n}\nbind ::1", &["127.0.0.1", "::1"]),
            ("bind 169.254.20.10 10.96.0.10", &["169.254.20.10", "10.96.0.10"]),
        ] {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, part) in [
            ("bind eth7", "'eth7'; this host has the interfaces lo, eth0, down"),
            ("bind fe80::1%eth0", "not a valid IP address"),
            ("bind lo {\nexcept eth7\n}", "'eth7'"),
            ("bind lo {\nexcept lo\n}", "leaves no address"),
            ("bind down", "leaves no address"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.contains(part) && error.starts_with("Corefile:"), "{text}: {error}");
        }
    }
}
