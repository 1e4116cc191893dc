//! Writes names, with compression (RFC 1035 §4.1.4).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hickory_proto::rr::Name;

/// Pointers have 14 bits.
const MAX_POINTER: usize = 0x3fff;

/// Remembers where in a message which ends of names stand.
///
/// Only ends of equal case are shared, so that every owner keeps the case in which it was asked.
#[derive(Debug, Default)]
pub(super) struct Compression {
    hasher: RandomState,
    ends: HashMap<u64, u16>,
}

impl Compression {
    /// Appends a name, as short as what stands in the message before allows.
    pub(super) fn write(&mut self, message: &mut Vec<u8>, name: &Name) {
        let labels: Vec<&[u8]> = name.iter().collect();
        let shared = self.longest_shared(message, &labels);
        let own = shared.map_or(labels.len(), |(at, _)| at);
        for at in 0..own {
            self.remember(message.len(), &labels[at..]);
            write_label(message, labels[at]);
        }
        match shared {
            Some((_, pointer)) => message.extend((0xc000 | pointer).to_be_bytes()),
            None => message.push(0),
        }
    }

    fn longest_shared(&self, message: &[u8], labels: &[&[u8]]) -> Option<(usize, u16)> {
        (0..labels.len()).find_map(|at| {
            let pointer = *self.ends.get(&self.hasher.hash_one(&labels[at..]))?;
            // Two ends may have one hash.
            stands_at(message, usize::from(pointer), &labels[at..]).then_some((at, pointer))
        })
    }

    fn remember(&mut self, position: usize, labels: &[&[u8]]) {
        if let Some(pointer) =
            u16::try_from(position).ok().filter(|p| usize::from(*p) <= MAX_POINTER)
        {
            self.ends.entry(self.hasher.hash_one(labels)).or_insert(pointer);
        }
    }
}

/// Appends a name in full, for records whose data must not be compressed (RFC 3597 §4).
pub(super) fn write_uncompressed(message: &mut Vec<u8>, name: &Name) {
    for label in name {
        write_label(message, label);
    }
    message.push(0);
}

fn write_label(message: &mut Vec<u8>, label: &[u8]) {
    // A label of a `Name` has at most 63 octets.
    message.push(u8::try_from(label.len()).unwrap_or(0));
    message.extend_from_slice(label);
}

/// Says whether a name that was written to the message at a position has these labels. Pointers lead back
/// only, so that this ends.
fn stands_at(message: &[u8], mut at: usize, labels: &[&[u8]]) -> bool {
    for label in labels {
        while let Some(pointer) = pointer_at(message, at) {
            at = pointer;
        }
        let end = at + 1 + label.len();
        if message.get(at).map(|length| usize::from(*length)) != Some(label.len())
            || message.get(at + 1..end) != Some(label)
        {
            return false;
        }
        at = end;
    }
    while let Some(pointer) = pointer_at(message, at) {
        at = pointer;
    }
    message.get(at) == Some(&0)
}

fn pointer_at(message: &[u8], at: usize) -> Option<usize> {
    let [high, low] = message.get(at..at + 2)? else { return None };
    (high & 0xc0 == 0xc0).then(|| usize::from(u16::from_be_bytes([high & 0x3f, *low])))
}
