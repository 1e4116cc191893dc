//! The map of a range: a bit for each address that is held or released, and how many bits of each chunk are set.
//!
//! A chunk is a page of bits, so that finding a free address of a /8 takes the 1 KiB of its counts and one page.

use super::layout::{CHUNK, CHUNK_OCTETS, Map};
use super::transaction::Transaction;
use crate::failure::Failure;

/// Returns the first free offset from `from` to `to`, both inside of the map.
///
/// # Errors
/// The index cannot be read.
pub(super) fn first_free(
    transaction: &Transaction<'_>,
    map: Map,
    from: u64,
    to: u64,
) -> Result<Option<u64>, Failure> {
    let mut counts = vec![0; usize::try_from(2 * map.chunks).unwrap_or_default()];
    transaction.read_into(map.counts, &mut counts)?;
    for chunk in from / CHUNK..=to / CHUNK {
        let first = chunk * CHUNK;
        let length = CHUNK.min(map.addresses - first);
        let at = usize::try_from(2 * chunk).unwrap_or(usize::MAX);
        let taken =
            counts.get(at..at + 2).map_or(0, |octets| u16::from_le_bytes([octets[0], octets[1]]));
        if u64::from(taken) >= length {
            continue;
        }
        let bits: [u8; CHUNK_OCTETS] = transaction.read(map.bits + chunk * CHUNK_OCTETS as u64)?;
        let (low, high) = (from.max(first) - first, to.min(first + length - 1) - first);
        if let Some(found) = first_zero(&bits, low, high) {
            return Ok(Some(first + found));
        }
    }
    Ok(None)
}

/// Sets or clears the bit of an offset, and returns whether it changed.
///
/// # Errors
/// The index cannot be read.
pub(super) fn put(
    transaction: &mut Transaction<'_>,
    map: Map,
    offset: u64,
    is_taken: bool,
) -> Result<bool, Failure> {
    let (at, mask) = (map.bits + offset / 8, 1 << (offset % 8));
    let [octet] = transaction.read(at)?;
    if (octet & mask != 0) == is_taken {
        return Ok(false);
    }
    transaction.write(at, &[octet ^ mask]);
    let at = map.counts + 2 * (offset / CHUNK);
    let count = u16::from_le_bytes(transaction.read(at)?);
    let count = if is_taken { count.saturating_add(1) } else { count.saturating_sub(1) };
    transaction.write(at, &count.to_le_bytes());
    Ok(true)
}

/// Returns the first zero bit from `low` to `high`.
fn first_zero(bits: &[u8; CHUNK_OCTETS], low: u64, high: u64) -> Option<u64> {
    let word =
        |at: usize| u64::from_le_bytes(bits[8 * at..8 * at + 8].try_into().expect("eight octets"));
    for at in low / 64..=high / 64 {
        let mut taken = word(usize::try_from(at).ok()?);
        if at == low / 64 {
            taken |= (1 << (low % 64)) - 1;
        }
        let free = 64 * at + u64::from(taken.trailing_ones());
        if taken != u64::MAX {
            return (free <= high).then_some(free);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_zero_is_found_within_bounds() {
        let mut bits = [0xff; CHUNK_OCTETS];
        for free in [3, 64, 127, 4096, 32767] {
            bits[free / 8] &= !(1 << (free % 8));
        }
        for (low, high, found) in [
            (0, 32767, Some(3)),
            (3, 3, Some(3)),
            (4, 63, None),
            (4, 64, Some(64)),
            (65, 32767, Some(127)),
            (128, 4095, None),
            (128, 4096, Some(4096)),
            (4097, 32767, Some(32767)),
            (4097, 32766, None),
        ] {
            assert_eq!(first_zero(&bits, low, high), found, "{low} to {high}");
        }
    }
}
