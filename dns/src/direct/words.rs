//! Eight octets at a time: names are too short for what the compiler makes of a loop over octets, which does sixteen or
//! more of them at once and the rest, which is most of a name, one by one.

/// Octets of a word.
pub(super) const WORD: usize = 8;

const ONES: u64 = u64::MAX / 0xff;

/// The first bit of each octet.
const HIGH: u64 = ONES << 7;

/// Returns the octets with ASCII letters in lower case, as [`u8::to_ascii_lowercase`].
pub(super) fn lower(word: u64) -> u64 {
    // Sums of seven bits do not reach the next octet; their eighth bit says whether they are as large as a letter is.
    let low = word & !HIGH;
    let from_a = low + ONES * u64::from(0x80 - b'A');
    let above_z = low + ONES * u64::from(0x7f - b'Z');
    let is_upper = from_a & !above_z & !word & HIGH;
    // The bit between the cases.
    word | (is_upper >> 2)
}

/// Says whether an octet is one of the word's.
pub(super) fn has(octet: u8, word: u64) -> bool {
    // An octet of zero is the only one that borrows from its first bit.
    let differing = word ^ (ONES * u64::from(octet));
    differing.wrapping_sub(ONES) & !differing & HIGH != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{has, lower};

    proptest! {
        #[test]
        fn words_are_their_octets(octets in any::<[u8; 8]>(), near in 0..8_usize, octet: u8) {
            for octets in [octets, octets.map(|octet| octet & 0x7f), octets.map(|octet| octet % 64 + 40)] {
                let word = u64::from_le_bytes(octets);
                prop_assert_eq!(lower(word).to_le_bytes(), octets.map(|octet| octet.to_ascii_lowercase()));
                for octet in [octet, octets[near], octets[near].wrapping_add(1), b'.'] {
                    prop_assert_eq!(has(octet, word), octets.contains(&octet), "{} in {:?}", octet, octets);
                }
            }
        }
    }
}
