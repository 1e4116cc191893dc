//! Padding of replies to clients that pad, so that their length tells little (RFC 7830, RFC 8467).

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsCode;

use crate::Query;

/// The option code of Padding (RFC 7830 §3).
const OPTION: u16 = 12;

/// Octets of an option before its data.
const OPTION_HEADER: usize = 4;

/// What the length of a reply is a multiple of, in octets (RFC 8467 §4.1).
const BLOCK: usize = 468;

/// Octets of an OPT record up to the length of its options.
const BEFORE_LENGTH: usize = 9;

/// Says whether a reply is to be padded: the client has done so, and nobody can read along (RFC 7830 §6).
pub(super) fn is_wanted(query: &Query) -> bool {
    let has_option = |edns: &Edns| edns.option(EdnsCode::Padding).is_some();
    query.protocol.is_encrypted() && query.edns.as_ref().is_some_and(has_option)
}

/// Pads a message up to the next multiple of 468 octets, at most to `limit`. `opt` is where its OPT record begins,
/// the last one.
pub(super) fn pad(message: &mut Vec<u8>, opt: usize, limit: usize) {
    let least = message.len() + OPTION_HEADER;
    let padded = least.next_multiple_of(BLOCK).min(limit);
    let Some(length) = padded.checked_sub(least) else { return };
    let options = message.len().saturating_sub(opt + BEFORE_LENGTH + 2) + OPTION_HEADER + length;
    let (Ok(length), Ok(options)) = (u16::try_from(length), u16::try_from(options)) else { return };
    let Some(place) = message.get_mut(opt + BEFORE_LENGTH..opt + BEFORE_LENGTH + 2) else { return };
    place.copy_from_slice(&options.to_be_bytes());
    message.extend(OPTION.to_be_bytes());
    message.extend(length.to_be_bytes());
    message.resize(padded, 0);
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::opt::EdnsOption;

    use super::*;
    use crate::plugin::testing::query;
    use crate::wire::encode;
    use crate::{ExtendedErrorCode, Protocol, Reply};

    fn padding(protocol: Protocol) -> Query {
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(OPTION, vec![0; 7]));
        Query { protocol, edns: Some(edns), ..query("a.example.", RecordType::A) }
    }

    #[test]
    fn who_pads_where_nobody_reads_along_gets_padding() {
        for (protocol, length) in [
            (Protocol::Tls, BLOCK),
            (Protocol::Https, BLOCK),
            (Protocol::Quic, BLOCK),
            (Protocol::Https3, BLOCK),
            (Protocol::Tcp, 27 + 11),
            (Protocol::Udp, 27 + 11),
        ] {
            let octets = encode(&padding(protocol), &Reply::default()).message;
            assert_eq!(octets.len(), length, "{protocol:?}");
            assert!(Message::from_vec(&octets).unwrap().edns.is_some());
        }
        let plain = Query { edns: Some(Edns::new()), ..padding(Protocol::Tls) };
        assert_eq!(encode(&plain, &Reply::default()).message.len(), 27 + 11);
    }

    #[test]
    fn other_options_stay() {
        let reply = Reply::server_failure(ExtendedErrorCode::Other, "nothing works today");
        let octets = encode(&padding(Protocol::Tls), &reply).message;
        let edns = Message::from_vec(&octets).unwrap().edns.unwrap();
        assert_eq!(octets.len(), BLOCK);
        assert!(
            edns.option(EdnsCode::Padding).is_some()
                && edns.option(EdnsCode::Unknown(15)).is_some()
        );
    }

    #[test]
    fn lengths() {
        let opt = |length: usize| {
            let mut message = vec![0; length];
            message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
            message
        };
        // A message of 464 octets has just room for an empty option.
        for (before, limit, after) in [
            (453, 65_535, 468),
            (454, 65_535, 936),
            (65_510, 65_535, 65_535),
            (65_524, 65_535, 65_535),
        ] {
            let mut message = opt(before);
            pad(&mut message, before, limit);
            assert_eq!(message.len(), after, "{before}");
            if after > before + 11 {
                let length =
                    usize::from(u16::from_be_bytes([message[before + 9], message[before + 10]]));
                assert_eq!(before + 11 + length, after);
            }
        }
    }
}
