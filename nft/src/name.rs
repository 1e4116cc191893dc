//! Names and texts in the forms that both the kernel and `nft` take.

use std::fmt;
use std::sync::Arc;

/// The name of a table, chain, set or map: 1 to 255 octets, a letter or `_`, then letters, digits,
/// `_`, `-`, `.` and `/`.
///
/// The kernel takes any octets (`NFT_NAME_MAXLEN`, 256 with the NUL); the alphabet is that of a `string` of
/// nft's scanner. Words of its grammar, such as `accept`, are no names there: give names a prefix.
/// A clone shares the storage.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Says why a text is no name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// A table, chain, set or map cannot have this name.
    #[error(
        "{0:?} is no nftables name: a letter or _, then letters, digits and _-./, at most 255 in all"
    )]
    Object(String),
    /// A network interface cannot have this name here.
    #[error(
        "{0:?} is no interface name: 1 to 15 octets without blanks, quotes, slashes, * and control characters"
    )]
    Interface(String),
    /// A comment or prefix cannot have this text.
    #[error(
        "{0:?} cannot be quoted: at most 127 octets without quotes, $, backslashes and control characters"
    )]
    Quoted(String),
}

impl Name {
    /// The longest name, in octets.
    pub const MAX: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// The text is too long, empty, or has other characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        let continues = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if text.len() <= Self::MAX && text.starts_with(starts) && text.chars().all(continues) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Object(text.to_owned()))
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The name of a network interface: 1 to 15 octets (`IFNAMSIZ` with the NUL).
///
/// nft reads a `*` at its end as a wildcard and has no way to write a quote, so that names with them are
/// refused; the kernel refuses blanks and slashes itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceName(Arc<str>);

impl InterfaceName {
    /// The longest name, in octets.
    pub const MAX: usize = 15;

    /// Checks a name.
    ///
    /// # Errors
    /// The text is empty, too long, or has characters that cannot be written.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let allows = |c: char| !c.is_whitespace() && !c.is_control() && !"\"\\/*".contains(c);
        if (1..=Self::MAX).contains(&text.len()) && text.chars().all(allows) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Interface(text.to_owned()))
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that nft writes between quotes: a comment or the prefix of a log line; at most 127 octets.
///
/// 127 is the room for a prefix (`NF_LOG_PREFIXLEN`, 128 with the NUL); comments have one octet more. nft's
/// scanner knows no escapes, and expands `$` in prefixes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Quoted(Arc<str>);

impl Quoted {
    /// The longest text, in octets.
    pub const MAX: usize = 127;

    /// Checks a text.
    ///
    /// # Errors
    /// The text is too long, or has characters that cannot be written.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.len() <= Self::MAX && text.chars().all(Self::allows) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Quoted(text.to_owned()))
        }
    }

    /// Makes any text fit: other characters become `_`, and what is too long is cut between characters.
    pub fn lossy(text: &str) -> Self {
        let replace = |c: char| if Self::allows(c) { c } else { '_' };
        let mut fitting: String = text.chars().map(replace).collect();
        fitting.truncate(fitting.floor_char_boundary(Self::MAX));
        Self(fitting.into())
    }

    fn allows(c: char) -> bool {
        !c.is_control() && !"\"$\\".contains(c)
    }

    /// Returns the text without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_nfts_scanner() {
        for good in ["a", "_x", "sel_0a-B.c/d", "portolan-netpol", &"n".repeat(255)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", ".a", "a b", "ä", "a;b", "a\"", "a\0", &"n".repeat(256)] {
            assert_eq!(Name::new(bad), Err(NameError::Object(bad.to_owned())));
        }
    }

    #[test]
    fn interface_names_have_15_octets_and_no_wildcard() {
        assert_eq!(InterfaceName::new("veth0123456789a").unwrap().as_str(), "veth0123456789a");
        for bad in ["", "veth0123456789ab", "a b", "eth*", "a/b", "a\"b", "a\nb"] {
            assert!(InterfaceName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_lossy_text_fits_and_a_fitting_text_stays() {
        assert_eq!(Quoted::lossy("ns/pod \"$x\\\n").as_str(), "ns/pod __x__");
        let long = Quoted::lossy(&"ä".repeat(64));
        assert_eq!(long.as_str(), "ä".repeat(63), "cut before the character that does not fit");
        for good in ["", "a ä-/", &"x".repeat(127)] {
            assert_eq!(Quoted::new(good).unwrap(), Quoted::lossy(good));
        }
        assert!(Quoted::new(&"x".repeat(128)).is_err());
        assert!(Quoted::new("a$b").is_err());
    }
}
