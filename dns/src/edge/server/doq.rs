//! The octets of a stream of DNS over QUIC, and the errors that connections end with (RFC 9250 §4). Plain functions.

use hickory_proto::rr::rdata::opt::EdnsCode;

use crate::Query;

/// The longest stream: a message and its length, in octets.
pub(super) const MAX_STREAM: usize = 2 + 65_535;

/// What a connection or a stream ends with (RFC 9250 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    /// Nothing is wrong.
    NoError,
    /// The client does what RFC 9250 does not allow.
    ProtocolError,
    /// A limit is reached.
    ExcessiveLoad,
    /// There is no reply, and nothing else that says why.
    Unspecified,
}

impl Code {
    /// Returns the number.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::NoError => 0,
            Self::ProtocolError => 2,
            Self::ExcessiveLoad => 4,
            Self::Unspecified => 5,
        }
    }

    /// Returns the number as CoreDNS's metrics spell it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::NoError => "0x0",
            Self::ProtocolError => "0x2",
            Self::ExcessiveLoad => "0x4",
            Self::Unspecified => "0x5",
        }
    }
}

/// Returns the one message of a stream that the client has ended (RFC 9250 §4.2).
///
/// # Errors
/// There is less or more than one message, or its id is not 0 (§4.2.1).
pub(super) fn message_of(stream: &[u8]) -> Result<&[u8], Code> {
    let (length, message) = stream.split_first_chunk::<2>().ok_or(Code::ProtocolError)?;
    let is_one = usize::from(u16::from_be_bytes(*length)) == message.len();
    match message {
        [0, 0, ..] if is_one => Ok(message),
        _ => Err(Code::ProtocolError),
    }
}

/// Checks that a query has no option that is for TCP alone (RFC 9250 §5.5.2).
///
/// # Errors
/// It has edns-tcp-keepalive.
pub(super) fn check(query: &Query) -> Result<(), Code> {
    let edns = query.edns.as_ref();
    match edns.and_then(|edns| edns.option(EdnsCode::Keepalive)) {
        None => Ok(()),
        Some(_) => Err(Code::ProtocolError),
    }
}

/// Returns a reply as its stream carries it; none when no length can be given.
pub(super) fn framed(reply: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(reply.len()).ok()?;
    let mut stream = Vec::with_capacity(2 + reply.len());
    stream.extend(length.to_be_bytes());
    stream.extend(reply);
    Some(stream)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Edns;
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::opt::EdnsOption;

    use super::*;
    use crate::plugin::testing::query;

    #[test]
    fn a_stream_has_one_message_with_the_id_0() {
        assert_eq!(message_of(&[0, 3, 0, 0, 7]), Ok(&[0, 0, 7][..]));
        for stream in [
            &[][..],
            &[0],
            &[0, 0],
            &[0, 1, 0],
            &[0, 4, 0, 0, 7],
            &[0, 2, 0, 0, 7],
            &[0, 3, 0, 1, 7],
            &[0, 3, 1, 0, 7],
            // A second message.
            &[0, 3, 0, 0, 7, 0, 3, 0, 0, 7],
        ] {
            assert_eq!(message_of(stream), Err(Code::ProtocolError), "{stream:?}");
        }
        let longest = framed(&[0; 65_535]).unwrap();
        assert_eq!(
            (longest.len(), message_of(&longest).map(<[u8]>::len)),
            (MAX_STREAM, Ok(65_535))
        );
        assert_eq!(framed(&[0; 65_536]), None);
    }

    #[test]
    fn the_option_of_tcp_is_an_error() {
        for (code, expected) in [(11, Err(Code::ProtocolError)), (12, Ok(()))] {
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(code, vec![0, 1]));
            let query = Query { edns: Some(edns), ..query("a.", RecordType::A) };
            assert_eq!(check(&query), expected);
        }
        assert_eq!(check(&query("a.", RecordType::A)), Ok(()));
    }
}
