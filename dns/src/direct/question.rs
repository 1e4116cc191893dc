//! Questions that are plain.

use arrayvec::ArrayString;
use hickory_proto::rr::{LowerName, RecordType};

use super::words::{self, WORD};
use crate::wire::{HEADER, flags};

/// The longest name in octets, with its final root (RFC 1035 §3.1).
const MAX_NAME: usize = 255;

/// As many octets as the longest name, made up to whole words.
const ROOM: usize = MAX_NAME.next_multiple_of(WORD);

/// More labels than a name that is answered directly has.
const MAX_LABELS: usize = 40;

/// The flags that a plain question may have.
const PLAIN_FLAGS: u16 =
    flags::RECURSION_DESIRED | flags::AUTHENTIC_DATA | flags::CHECKING_DISABLED;

/// QCLASS IN.
const IN: [u8; 2] = [0, 1];

/// An OPT record without options, from its owner to its type.
const OPT: [u8; 3] = [0, 0, 41];

/// A message with one question of class IN for records that clusters have, and at most an OPT record without options.
#[derive(Clone, Debug)]
pub struct PlainQuestion {
    qtype: RecordType,
    edns: Option<PlainEdns>,
    /// The qname in lower case, as in the message. It is text: lengths are ASCII, too.
    lower: ArrayString<MAX_NAME>,
    /// Room to make it in.
    room: [u8; ROOM],
    /// Whether the message has it in lower case.
    is_lower: bool,
    /// Whether an octet in it is a dot, which may be a length of 46.
    has_dot: bool,
    /// Where labels start in it.
    starts: [u8; MAX_LABELS],
    labels: usize,
}

/// The fields of an OPT record without options (RFC 6891 §6.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PlainEdns {
    pub(super) payload: u16,
    pub(super) dnssec_ok: bool,
}

impl Default for PlainQuestion {
    fn default() -> Self {
        Self {
            qtype: RecordType::ZERO,
            edns: None,
            lower: ArrayString::new_const(),
            room: [0; ROOM],
            is_lower: false,
            has_dot: false,
            starts: [0; MAX_LABELS],
            labels: 0,
        }
    }
}

impl PlainQuestion {
    /// Reads a message in the place of the one before; none when it is anything else, and what is here then is of no
    /// use.
    pub(crate) fn read(&mut self, message: &[u8]) -> Option<()> {
        let header = message.first_chunk::<HEADER>()?;
        let [_, _, high, low, 0, 1, 0, 0, 0, 0, 0, additionals @ 0..=1] = *header else {
            return None;
        };
        if u16::from_be_bytes([high, low]) & !PLAIN_FLAGS != 0 {
            return None;
        }
        let rest = self.read_name(&message[HEADER..])?;
        let (fixed, rest) = rest.split_first_chunk::<4>()?;
        let [qtype @ .., a, b] = *fixed;
        if [a, b] != IN {
            return None;
        }
        self.qtype = RecordType::from(u16::from_be_bytes(qtype));
        self.edns = read_edns(rest, additionals)?;
        Some(())
    }

    /// Reads the qname, and returns what follows it.
    fn read_name<'m>(&mut self, octets: &'m [u8]) -> Option<&'m [u8]> {
        let mut at = 0;
        self.labels = 0;
        loop {
            let length = usize::from(*octets.get(at)?);
            if length == 0 {
                break;
            }
            if length > 63 || at + length >= MAX_NAME - 1 {
                return None;
            }
            *self.starts.get_mut(self.labels)? = u8::try_from(at).ok()?;
            self.labels += 1;
            at += 1 + length;
        }
        let (name, rest) = octets.split_at_checked(at + 1)?;
        self.make_lower(name)?;
        Some(rest)
    }

    /// Takes the octets of a name; none when they are no text.
    fn make_lower(&mut self, name: &[u8]) -> Option<()> {
        let (words, _) = self.room.as_chunks_mut::<WORD>();
        let words = words.get_mut(..name.len().div_ceil(WORD))?;
        // What was there before is no part of this name.
        *words.last_mut()? = [0; WORD];
        words.as_flattened_mut().get_mut(..name.len())?.copy_from_slice(name);
        (self.is_lower, self.has_dot) = (true, false);
        for octets in words {
            let word = u64::from_le_bytes(*octets);
            self.has_dot |= words::has(b'.', word);
            // Lengths are below any letter.
            let lower = words::lower(word);
            self.is_lower &= lower == word;
            *octets = lower.to_le_bytes();
        }
        self.lower.clear();
        let lower = self.room.get(..name.len())?;
        self.lower.try_push_str(std::str::from_utf8(lower).ok()?).ok()
    }

    /// Returns the qtype.
    pub fn qtype(&self) -> RecordType {
        self.qtype
    }

    /// Returns the qname in lower case, as octets with lengths and the final root.
    pub(crate) fn name(&self) -> &[u8] {
        self.lower.as_bytes()
    }

    /// Says whether the message has the qname in lower case.
    pub(crate) fn is_lower(&self) -> bool {
        self.is_lower
    }

    pub(super) fn edns(&self) -> Option<PlainEdns> {
        self.edns
    }

    /// Returns the number of the labels before the last ones.
    pub fn labels_below(&self, last: usize) -> usize {
        self.labels.saturating_sub(last)
    }

    /// Returns where in the message the end of the qname with so many labels stands.
    pub(super) fn position(&self, labels: usize) -> Option<usize> {
        match self.labels.checked_sub(labels)? {
            first if first == self.labels => Some(HEADER + self.lower.len() - 1),
            first => Some(HEADER + usize::from(self.starts[first])),
        }
    }

    /// Returns a label in lower case, by its number from the end of the name; none that has dots.
    pub fn label(&self, from_end: usize) -> Option<&str> {
        let number = self.labels.checked_sub(from_end + 1)?;
        let start = usize::from(self.starts[number]);
        let length = usize::from(*self.lower.as_bytes().get(start)?);
        let label = self.lower.get(start + 1..start + 1 + length)?;
        (!self.has_dot || !label.contains('.')).then_some(label)
    }
}

/// Says whether there is a dot. Names are so short that looking at all of them takes less than looking for the first.
pub(super) fn has_dot(octets: &[u8]) -> bool {
    octets.iter().fold(false, |found, octet| found | (*octet == b'.'))
}

/// Returns the octets of a name as [`PlainQuestion::name`] has them.
pub(crate) fn octets_of(name: &LowerName) -> Box<[u8]> {
    let mut octets = Vec::new();
    for label in name.iter() {
        octets.extend(u8::try_from(label.len()));
        octets.extend_from_slice(label);
    }
    octets.push(0);
    octets.into()
}

/// Reads what follows the question: nothing, or OPT of version 0 without options.
fn read_edns(rest: &[u8], additionals: u8) -> Option<Option<PlainEdns>> {
    if additionals == 0 {
        return rest.is_empty().then_some(None);
    }
    let rest = rest.strip_prefix(&OPT)?;
    let [high, low, _, 0, flags, _, 0, 0] = *rest else { return None };
    let payload = u16::from_be_bytes([high, low]);
    Some(Some(PlainEdns { payload, dnssec_ok: flags & 0x80 != 0 }))
}
