//! IPv4 addresses within IPv6 ones (RFC 6052).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::Ipv6Net;

/// The lengths that a prefix may have (RFC 6052 §2.2).
const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// The octet that stays zero in every address (RFC 6052 §2.2: bits 64 to 71).
const ZERO_OCTET: usize = 8;

/// A prefix that an IPv4 address is put behind (RFC 6052 §2.2). The default is the well-known one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix(Ipv6Net);

/// Says why a text is no prefix. Follows the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrefixError {
    /// It is no network.
    #[error("is no IPv6 prefix; write one such as 64:ff9b::/96")]
    Network,
    /// No address could be put behind it.
    #[error("has the length {0}; use 32, 40, 48, 56, 64 or 96 (RFC 6052)")]
    Length(u8),
}

impl Prefix {
    /// Returns the IPv6 address that stands for an IPv4 address.
    pub fn embed(self, ipv4: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.0.network().octets();
        let start = usize::from(self.0.prefix_len() / 8);
        let places = (start..octets.len()).filter(|at| *at != ZERO_OCTET);
        for (at, octet) in places.zip(ipv4.octets()) {
            octets[at] = octet;
        }
        octets.into()
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let network: Ipv6Net = text.parse().map_err(|_| PrefixError::Network)?;
        let length = network.prefix_len();
        if LENGTHS.contains(&length) {
            Ok(Self(network.trunc()))
        } else {
            Err(PrefixError::Length(length))
        }
    }
}

impl Default for Prefix {
    fn default() -> Self {
        let well_known = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
        Self(Ipv6Net::new(well_known, 96).expect("96 is at most 128"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 6052 §2.4.
    #[test]
    fn the_examples_of_the_rfc() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let embedded = prefix.parse::<Prefix>().unwrap().embed([192, 0, 2, 33].into());
            assert_eq!(embedded, address.parse::<Ipv6Addr>().unwrap(), "{prefix}");
        }
    }

    #[test]
    fn lengths() {
        for length in 0..=128 {
            let parsed = format!("2001:db8::/{length}").parse::<Prefix>();
            assert_eq!(parsed.is_ok(), LENGTHS.contains(&length), "{length}");
        }
        assert_eq!("2001:db8::/129".parse::<Prefix>(), Err(PrefixError::Network));
    }
}
