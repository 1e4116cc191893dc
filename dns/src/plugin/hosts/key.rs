//! Names as the table of hosts holds them.

use hickory_proto::rr::LowerName;

/// The longest key: a name of 255 octets without the root label.
const MAX_KEY: usize = 254;

/// A name in lower case, as a table holds it.
#[derive(Clone, Copy)]
pub(super) struct Key {
    octets: [u8; MAX_KEY],
    length: usize,
}

/// Says why a name has no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoName;

impl Key {
    /// Returns the key of a qname.
    pub(super) fn of(name: &LowerName) -> Self {
        let mut key = Self { octets: [0; MAX_KEY], length: 0 };
        for label in name.iter() {
            // A label of a `Name` has at most 63 octets and all together have at most 254.
            let _ = key.push(label);
        }
        key
    }

    /// Reads a name with or without its final dot; there are no escapes in a hosts file.
    pub(super) fn parse(text: &[u8]) -> Result<Self, NoName> {
        let mut key = Self { octets: [0; MAX_KEY], length: 0 };
        let text = text.strip_suffix(b".").unwrap_or(text);
        for label in text.split(|octet| *octet == b'.') {
            if label.is_empty() || label.len() > 63 {
                return Err(NoName);
            }
            key.push(label).ok_or(NoName)?;
        }
        Ok(key)
    }

    /// Returns the key of the wildcard that covers the name: `*` in the place of its first label. None covers the
    /// root.
    pub(super) fn wildcard(&self) -> Self {
        if self.length == 0 {
            return *self;
        }
        let mut key = Self { octets: [0; MAX_KEY], length: 0 };
        let rest = self.octets().get(1 + usize::from(self.octets[0])..).unwrap_or_default();
        let _ = key.push(b"*");
        // Not longer than before, as every label has an octet.
        if let Some(place) = key.octets.get_mut(2..2 + rest.len()) {
            place.copy_from_slice(rest);
            key.length = 2 + rest.len();
        }
        key
    }

    /// Says whether the first label is an asterisk.
    pub(super) fn is_wildcard(&self) -> bool {
        self.octets().starts_with(b"\x01*")
    }

    /// Says whether the name is in a zone.
    pub(super) fn is_in(&self, zone: &Self) -> bool {
        let mut rest = self.octets();
        while rest.len() > zone.length {
            rest = rest.get(1 + usize::from(rest[0])..).unwrap_or_default();
        }
        rest == zone.octets()
    }

    /// Returns the labels, each after its length.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn push(&mut self, label: &[u8]) -> Option<()> {
        let end = self.length + 1 + label.len();
        let place = self.octets.get_mut(self.length..end)?;
        place[0] = u8::try_from(label.len()).ok()?;
        place[1..].copy_from_slice(label);
        place[1..].make_ascii_lowercase();
        self.length = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn keys_of_names_and_of_text_are_equal() {
        for text in ["example.org", "WWW.Example.org.", "a", "_srv.x-y.z", &"a.".repeat(127)] {
            let of_text = key(text);
            let of_name = Key::of(&text.to_lowercase().parse().unwrap());
            assert_eq!(of_text.octets(), of_name.octets(), "{text}");
        }
        assert_eq!(Key::of(&".".parse().unwrap()).octets(), b"");
        let long = "a".repeat(64);
        for text in ["", ".", "a..b", ".a", &long, &"a.".repeat(128)] {
            assert!(Key::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards_and_zones() {
        assert_eq!(key("a.example.org").wildcard().octets(), key("*.example.org").octets());
        assert_eq!(key("example").wildcard().octets(), key("*").octets());
        let longest = format!("{}aa", "a.".repeat(125));
        assert_eq!(key(&longest).wildcard().octets().len(), 253);
        assert!(
            key("*.a").is_wildcard() && !key("**.a").is_wildcard() && !key("a.*").is_wildcard()
        );
        for (name, zone, expected) in [
            ("a.b.c", "b.c", true),
            ("b.c", "b.c", true),
            ("c", "b.c", false),
            ("ab.c", "b.c", false),
        ] {
            assert_eq!(key(name).is_in(&key(zone)), expected, "{name} in {zone}");
        }
        assert!(key("a").is_in(&Key::of(&".".parse().unwrap())));
    }
}
