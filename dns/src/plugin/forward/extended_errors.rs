//! The Extended DNS Errors of an upstream, which clients get with its answer (RFC 8914 §3).

use crate::wire::{MAX_EXTRA_TEXT, OPTION_EXTENDED_ERROR};

/// How many errors of one reply are passed on.
const MOST: usize = 2;

/// Octets of an option before its data, and of an error before its text.
const HEAD: usize = 4;
const INFO_CODE: usize = 2;

/// Returns the errors among the options of an OPT record, each as the data of its option. Their texts are cut as the
/// server's own are; what is not UTF-8 in them is left out with what follows.
pub(super) fn read(mut options: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut errors = Vec::new();
    while let Some((head, rest)) = options.split_first_chunk::<HEAD>() {
        let [code, length] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        let Some((data, after)) = rest.split_at_checked(length.into()) else { break };
        if code == OPTION_EXTENDED_ERROR && data.len() >= INFO_CODE && errors.len() < MOST {
            errors.push((code, cut(data)));
        }
        options = after;
    }
    errors
}

fn cut(data: &[u8]) -> Vec<u8> {
    let (info_code, text) = data.split_at(INFO_CODE);
    let text = &text[..text.len().min(MAX_EXTRA_TEXT)];
    let valid = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    [info_code, &text[..valid]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(code: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
    }

    #[test]
    fn errors_among_other_options() {
        let options = [option(10, &[1; 8]), option(15, b"\x00\x06bogus"), option(3, b"x")].concat();
        assert_eq!(read(&options), [(15, b"\x00\x06bogus".to_vec())]);
        assert!(read(&option(15, &[0])).is_empty(), "no INFO-CODE");
        assert_eq!(read(&option(15, &[0, 9]).repeat(5)).len(), MOST);
        for length in 0..options.len() {
            assert!(read(&options[..length]).len() <= 1);
        }
    }

    #[test]
    fn a_text_is_cut_to_whole_characters() {
        let long = ["\0\x06".to_owned(), "ä".repeat(100)].concat();
        let cut = read(&option(15, long.as_bytes())).remove(0).1;
        assert_eq!(cut.len(), 2 + 128);
        assert_eq!(read(&option(15, b"\0\x06a\xff\xfe")), [(15, b"\0\x06a".to_vec())]);
    }
}
