//! The record of a change: written whole before anything else is, so that a change that was cut short can be finished.
//!
//! | at | octets | what |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 8 | number of the change |
//! | 16 | 4 | octets of the content |
//! | 20 | 4 | CRC-32 of octets 8 to 20 and the content |
//! | 24 | | number of slots (4); of each its place (4) and content; number of parts of the index (4); of each its place (8), length (4) and content |

use crate::lease::SLOT;
use crate::table::transaction::Changes;

/// Octets before the content.
pub const RECORD_HEADER: usize = 24;

/// Octets that a journal has from the start: what the change of a few addresses takes.
pub const JOURNAL: u64 = 16 * 1024;

/// Longest content that is read.
pub const MAX_CONTENT: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"ptlnJNL\n";

/// Writes a record.
pub fn encode(sequence: u64, changes: &Changes) -> Vec<u8> {
    let mut octets = vec![0; RECORD_HEADER];
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    octets.extend(word(changes.slots.len()));
    for (slot, content) in &changes.slots {
        octets.extend(slot.to_le_bytes());
        octets.extend(content);
    }
    octets.extend(word(changes.index.len()));
    for (at, content) in &changes.index {
        octets.extend(at.to_le_bytes());
        octets.extend(word(content.len()));
        octets.extend(content);
    }
    let length = word(octets.len() - RECORD_HEADER);
    octets[..8].copy_from_slice(MAGIC);
    octets[8..16].copy_from_slice(&sequence.to_le_bytes());
    octets[16..20].copy_from_slice(&length);
    let sum = checksum(&octets[8..20], &octets[RECORD_HEADER..]).to_le_bytes();
    octets[20..24].copy_from_slice(&sum);
    octets
}

/// Reads the number of a change and the length of its content from the first [`RECORD_HEADER`] octets; none: there is no
/// record.
pub fn header(octets: &[u8; RECORD_HEADER]) -> Option<(u64, usize)> {
    let length = u32::from_le_bytes(octets[16..20].try_into().expect("four octets"));
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_CONTENT)?;
    let sequence = u64::from_le_bytes(octets[8..16].try_into().expect("eight octets"));
    (octets[..8] == *MAGIC).then_some((sequence, length))
}

/// Reads the changes of a record; none: it is torn.
pub fn decode(header: &[u8; RECORD_HEADER], content: &[u8]) -> Option<Changes> {
    if checksum(&header[8..20], content).to_le_bytes() != header[20..24] {
        return None;
    }
    let mut rest = content;
    let mut changes = Changes::default();
    for _ in 0..word(&mut rest)? {
        let slot = word(&mut rest)?;
        changes.slots.insert(slot, take(&mut rest, SLOT)?.try_into().ok()?);
    }
    for _ in 0..word(&mut rest)? {
        let at = u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?);
        let length = usize::try_from(word(&mut rest)?).ok()?;
        changes.index.push((at, take(&mut rest, length)?.to_vec()));
    }
    rest.is_empty().then_some(changes)
}

fn checksum(numbers: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(numbers);
    hasher.update(content);
    hasher.finalize()
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Changes {
        let slots = [(7, [3; SLOT]), (u32::MAX, [4; SLOT])].into_iter().collect();
        Changes { slots, index: vec![(9, vec![1, 2, 3]), (0, vec![]), (u64::MAX, vec![0; 70])] }
    }

    fn read(octets: &[u8]) -> Option<(u64, Changes)> {
        let (head, rest) = octets.split_at_checked(RECORD_HEADER)?;
        let head = head.try_into().unwrap();
        let (sequence, length) = header(head)?;
        Some((sequence, decode(head, rest.get(..length)?)?))
    }

    #[test]
    fn a_record_is_read_as_it_was_written_or_not_at_all() {
        let octets = encode(u64::MAX - 1, &changes());
        assert_eq!(read(&octets), Some((u64::MAX - 1, changes())));
        for length in 0..octets.len() {
            assert_eq!(read(&octets[..length]), None, "{length} octets");
            let mut torn = octets.clone();
            torn[length..].fill(0xa5);
            assert_eq!(read(&torn), None, "torn after {length} octets");
        }
    }
}
