//! A name that a certificate is for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hickory_proto::rr::{LowerName, Name};
use thiserror::Error;

/// The longest host name, in octets as text (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// A host name, or `*.` and a name for all host names one label below it: lower case, without a final dot, letters
/// beyond ASCII as A-labels (RFC 5890).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AcmeDomain(String);

/// Why a text is no name that a certificate can be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("write a host name such as dns.example.org, or *.example.org")]
pub struct NoAcmeDomain;

impl AcmeDomain {
    /// Returns the name as certificates have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the name that a client asks for by SNI is meant, in any letter case; the name below `*.` has one
    /// label more (RFC 6125 §6.4.3).
    pub fn matches(&self, server_name: &str) -> bool {
        let asked = server_name.strip_suffix('.').unwrap_or(server_name);
        match self.0.strip_prefix("*.") {
            None => asked.eq_ignore_ascii_case(&self.0),
            Some(parent) => asked.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(parent)
            }),
        }
    }

    /// Returns the name whose TXT record shows that the domain is ours (RFC 8555 §8.4).
    pub fn challenge_name(&self) -> Option<LowerName> {
        format!("_acme-challenge.{}.", self.host()).parse().ok()
    }

    /// Returns the name without `*.`.
    pub fn host(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }
}

impl FromStr for AcmeDomain {
    type Err = NoAcmeDomain;

    fn from_str(text: &str) -> Result<Self, NoAcmeDomain> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let (star, host) = match text.strip_prefix("*.") {
            Some(host) => ("*.", host),
            None => ("", text),
        };
        // Name::from_utf8 takes the root and underscores, which certificates have not.
        let name = Name::from_utf8(host).map_err(|_| NoAcmeDomain)?;
        let ascii = name.to_ascii().to_ascii_lowercase();
        let is_host = ascii.split('.').all(is_host_label) && ascii.len() <= MAX_NAME;
        if !is_host || ascii.parse::<IpAddr>().is_ok() {
            return Err(NoAcmeDomain);
        }
        let domain = Self(format!("{star}{ascii}"));
        // The label in front has to fit, too.
        domain.challenge_name().map(|_| domain).ok_or(NoAcmeDomain)
    }
}

impl fmt::Display for AcmeDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters, digits and hyphens, the latter not at an end (RFC 1123 §2.1).
fn is_host_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> AcmeDomain {
        text.parse().unwrap()
    }

    #[test]
    fn one_form_for_every_spelling() {
        for (text, expected) in [
            ("DNS.Example.", "dns.example"),
            ("*.Wild.Example", "*.wild.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(domain(text).as_str(), expected);
        }
        let long = format!("{}.example", "a.".repeat(120));
        for text in [
            "",
            ".",
            "*",
            "*.",
            "*.*.example",
            "a.*.example",
            "192.0.2.1",
            "a..b",
            "_x.example",
            "-a.b",
            &long,
        ] {
            assert_eq!(text.parse::<AcmeDomain>(), Err(NoAcmeDomain), "{text}");
        }
    }

    #[test]
    fn which_server_names_are_meant() {
        let (plain, wild) = (domain("dns.example"), domain("*.wild.example"));
        for (name, by_plain, by_wild) in [
            ("DNS.EXAMPLE.", true, false),
            ("one.wild.example", false, true),
            ("two.one.wild.example", false, false),
            ("wild.example", false, false),
            (".wild.example", false, false),
            ("other.example", false, false),
        ] {
            assert_eq!((plain.matches(name), wild.matches(name)), (by_plain, by_wild), "{name}");
        }
    }

    #[test]
    fn the_name_of_the_challenge() {
        for text in ["a.example", "*.a.example"] {
            let name = domain(text).challenge_name().unwrap();
            assert_eq!(name.to_string(), "_acme-challenge.a.example.");
        }
    }
}
