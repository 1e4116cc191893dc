//! The qname of a message, whatever its octets are.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::wire::{HEADER, flags};

/// The longest name in octets, with its final root (RFC 1035 §3.1).
const MAX_NAME: usize = 255;

/// A qname in lower case, as messages have it.
#[derive(Clone, Copy)]
pub(super) struct AskedName {
    length: u8,
    octets: [u8; MAX_NAME],
}

impl AskedName {
    /// Reads the qname of a message; none when it is no query with one question.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let [_, _, high, low, 0, 1, ..] = *header else { return None };
        if u16::from_be_bytes([high, low]) & (flags::RESPONSE | flags::OPCODE) != 0 {
            return None;
        }
        let rest = &message[HEADER..];
        let mut at = 0;
        loop {
            let length = usize::from(*rest.get(at)?);
            if length == 0 {
                break;
            }
            // A pointer has nowhere to lead to.
            if length > 63 {
                return None;
            }
            at += 1 + length;
        }
        let name = rest.get(..=at)?;
        let mut octets = [0; MAX_NAME];
        octets.get_mut(..name.len())?.copy_from_slice(name);
        // Lengths are below any letter.
        octets.make_ascii_lowercase();
        Some(Self { length: u8::try_from(name.len()).ok()?, octets })
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// As zone files have it (RFC 1035 §5.1): octets that are no printable ASCII are `\DDD`.
impl fmt::Display for AskedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.octets();
        if rest == [0] {
            return f.write_str(".");
        }
        while let Some((length, behind)) = rest.split_first() {
            let (label, behind) = behind.split_at_checked(usize::from(*length)).unwrap_or_default();
            for octet in label {
                match octet {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(*octet))?,
                    0x21..=0x7e => write!(f, "{}", char::from(*octet))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            if *length > 0 {
                f.write_str(".")?;
            }
            rest = behind;
        }
        Ok(())
    }
}

impl PartialEq for AskedName {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for AskedName {}

impl PartialOrd for AskedName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AskedName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.octets().cmp(other.octets())
    }
}

impl Hash for AskedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.octets().hash(state);
    }
}

impl fmt::Debug for AskedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::message;
    use super::*;

    #[test]
    fn names_are_read_in_lower_case_and_any_octets_are_printed() {
        for (labels, text) in [
            (&[&b"WWW"[..], b"Example"][..], "www.example."),
            (&[], "."),
            (&[b"<script>alert('1')</script>"], "<script>alert('1')</script>."),
            (&[b"a.b", b"c\\d"], "a\\.b.c\\\\d."),
            (&[b"\xff\0 \x1b[2J"], "\\255\\000\\032\\027[2j."),
        ] {
            let name = AskedName::read(&message(labels)).unwrap();
            assert_eq!(name.to_string(), text);
        }
        let longest = [&[b'a'; 63][..], &[b'b'; 63], &[b'c'; 63], &[b'd'; 61]];
        let name = AskedName::read(&message(&longest)).unwrap();
        assert_eq!((name.octets().len(), name.to_string().len()), (255, 254));
    }

    #[test]
    fn what_is_no_query_has_no_name() {
        let whole = message(&[b"a"]);
        let with = |at: usize, octet: u8| {
            let mut message = whole.clone();
            message[at] = octet;
            message
        };
        let longer = [&[b'a'; 63][..], &[b'b'; 63], &[b'c'; 63], &[b'd'; 62]];
        for message in [
            Vec::new(),
            whole[..HEADER].to_vec(),
            whole[..HEADER + 1].to_vec(),
            with(2, 0x80),
            with(2, 0x28),
            with(5, 2),
            with(5, 0),
            with(HEADER, 0xc0),
            message(&longer),
        ] {
            assert!(AskedName::read(&message).is_none(), "{message:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut message = message(&[]);
            message.truncate(HEADER);
            message.extend(octets);
            if let Some(name) = AskedName::read(&message) {
                prop_assert!(name.to_string().bytes().all(|octet| octet.is_ascii_graphic()));
            }
        }
    }
}
