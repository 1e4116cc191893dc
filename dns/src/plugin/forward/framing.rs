//! Whether record data keeps to the form of its type, where hickory asks for more than the form.
//!
//! What these types may hold grows: ids of ALPN need not be text (RFC 8701), reserved flags are to be ignored
//! (RFC 7477 §2.1.1.2), new tags come (RFC 8659 §4.1). A forwarder that refuses them would fail where the client
//! would not. None of them has compressed names, so their octets can be passed on as they are.

use hickory_proto::rr::RecordType;

/// Says whether this data has the form of its type; no for types that hickory judges alone.
pub(super) fn holds(rtype: RecordType, data: &[u8]) -> bool {
    match rtype {
        RecordType::SVCB | RecordType::HTTPS => is_svcb(data).is_some(),
        // Type, key tag, algorithm, certificate (RFC 4398 §2).
        RecordType::CERT => data.len() >= 5,
        // SOA serial, flags, bit maps (RFC 7477 §2.1.1).
        RecordType::CSYNC => data.get(6..).is_some_and(is_type_bit_maps),
        // Flags, length of the tag, tag, value (RFC 8659 §4.1).
        RecordType::CAA => match data {
            [_, length @ 1..=255, rest @ ..] => rest.len() >= usize::from(*length),
            _ => false,
        },
        _ => false,
    }
}

/// Priority, target, parameters in strictly increasing order (RFC 9460 §2.2).
fn is_svcb(data: &[u8]) -> Option<()> {
    let mut rest = without_name(data.get(2..)?)?;
    let mut last = None;
    while !rest.is_empty() {
        let (key, after) = number(rest)?;
        let (length, after) = number(after)?;
        if last.is_some_and(|last| key <= last) {
            return None;
        }
        last = Some(key);
        rest = after.get(usize::from(length)..)?;
    }
    Some(())
}

/// Takes an uncompressed name off the front.
fn without_name(mut data: &[u8]) -> Option<&[u8]> {
    let whole = data.len();
    loop {
        let (length, rest) = data.split_first()?;
        match length {
            0 if whole - rest.len() <= 255 => return Some(rest),
            1..=63 => data = rest.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
}

/// Windows with 1 to 32 octets each (RFC 4034 §4.1.2).
fn is_type_bit_maps(mut data: &[u8]) -> bool {
    while let [_, length @ 1..=32, rest @ ..] = data {
        let Some(after) = rest.get(usize::from(*length)..) else { return false };
        data = after;
    }
    data.is_empty()
}

fn number(data: &[u8]) -> Option<(u16, &[u8])> {
    let (octets, rest) = data.split_first_chunk()?;
    Some((u16::from_be_bytes(*octets), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (rtype, data, expected) in [
            (RecordType::HTTPS, &[0, 1, 0][..], true),
            (RecordType::HTTPS, &[0, 1, 1, b'a', 0, 0, 1, 0, 3, 2, 0xfa, 0xfa], true),
            (RecordType::SVCB, &[0, 1, 0, 0, 1, 0, 0, 0, 3, 0, 2, 1, 187], true),
            (RecordType::SVCB, &[0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 1, 0, 0], false),
            (RecordType::SVCB, &[0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0], false),
            (RecordType::HTTPS, &[0, 1, 0, 0, 3, 0, 3, 1, 187], false),
            (RecordType::HTTPS, &[0, 1, 0xc0, 12], false),
            (RecordType::HTTPS, &[0, 1, 5, b'a', 0], false),
            (RecordType::HTTPS, &[0, 1], false),
            (RecordType::CERT, &[0, 1, 0, 0, 0], true),
            (RecordType::CERT, &[0, 1, 0, 0], false),
            (RecordType::CSYNC, &[0, 0, 0, 1, 0xff, 0xff, 0, 1, 0x40], true),
            (RecordType::CSYNC, &[0, 0, 0, 1, 0, 3], true),
            (RecordType::CSYNC, &[0, 0, 0, 1, 0, 3, 0, 2, 0x40], false),
            (RecordType::CSYNC, &[0, 0, 0, 1, 0, 3, 0, 0], false),
            (RecordType::CAA, &[0, 1, b'-'], true),
            (RecordType::CAA, &[0, 0, b'a'], false),
            (RecordType::CAA, &[0, 2, b'a'], false),
            (RecordType::A, &[192, 0, 2, 1], false),
        ] {
            assert_eq!(holds(rtype, data), expected, "{rtype} {data:?}");
        }
        let long: Vec<u8> = [&[0, 1][..], &[1, b'a'].repeat(127), &[0]].concat();
        assert!(holds(RecordType::HTTPS, &long), "255 octets");
        let longer: Vec<u8> = [&[0, 1][..], &[1, b'a'].repeat(128), &[0]].concat();
        assert!(!holds(RecordType::HTTPS, &longer));
    }
}
