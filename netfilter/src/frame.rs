//! The header of netlink messages (`struct nlmsghdr`, netlink(7)), and errors and acknowledgements.

use std::io;

use nft::attribute::find;

/// The octets of the header.
const HEADER: usize = 16;

/// The octets of the header of nfnetlink (`struct nfgenmsg`), which is the first behind that of netlink.
pub(crate) const NFNETLINK: usize = 4;

/// Kinds of messages of netlink itself.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Flags of requests.
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

/// Flags of answers.
const DUMP_INTERRUPTED: u16 = 0x10;
const CAPPED: u16 = 0x100;
const ACK_TLVS: u16 = 0x200;

/// The attribute of an error that has a text (`NLMSGERR_ATTR_MSG`).
const ERROR_TEXT: u16 = 1;

/// Writes a message behind others, padded to 4 octets.
pub(crate) fn write(to: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, body: &[u8]) {
    // Bodies are cut to a part of 64 KiB where they are made.
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(flags.to_ne_bytes());
    to.extend(sequence.to_ne_bytes());
    to.extend(0_u32.to_ne_bytes());
    to.extend(body);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// One message that was received.
pub(crate) struct Frame<'a> {
    /// Its kind: the subsystem and the kind within it, unless it is of netlink itself.
    pub(crate) kind: u16,
    flags: u16,
    /// The number of the request that it answers.
    pub(crate) sequence: u32,
    /// The socket that the request, or the event's cause, came from.
    pub(crate) port: u32,
    /// What is behind the header.
    pub(crate) body: &'a [u8],
}

/// What a message says of a request.
pub(crate) enum Answer<'a> {
    /// A part of a dump, or an object.
    Part(Frame<'a>),
    /// A dump is over.
    Done,
    /// A request was carried out.
    Acknowledged,
    /// A request was refused.
    Refused(io::Error, Option<String>),
}

impl<'a> Frame<'a> {
    /// Says whether objects changed while they were listed, so that some may be missing.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.flags & DUMP_INTERRUPTED != 0
    }

    /// Reads what it says.
    pub(crate) fn answer(self) -> Answer<'a> {
        match self.kind {
            DONE => match error_number(self.body) {
                Some(0) | None => Answer::Done,
                Some(number) => Answer::Refused(io::Error::from_raw_os_error(number), None),
            },
            ERROR => match error_number(self.body) {
                Some(0) => Answer::Acknowledged,
                Some(number) => {
                    Answer::Refused(io::Error::from_raw_os_error(number), self.error_text())
                }
                None => Answer::Refused(io::ErrorKind::InvalidData.into(), None),
            },
            _ => Answer::Part(self),
        }
    }

    /// Returns the kernel's text, behind the error number and the request, of which there may be but the header.
    fn error_text(&self) -> Option<String> {
        let request = self.body.get(4..)?;
        let length = usize::try_from(u32::from_ne_bytes(*request.first_chunk()?)).ok()?;
        let length = if self.flags & CAPPED != 0 { HEADER } else { length.next_multiple_of(4) };
        let attributes = request.get(length..).filter(|_| self.flags & ACK_TLVS != 0)?;
        find(attributes, ERROR_TEXT)?.text().map(str::to_owned)
    }
}

/// Returns the error number that a message of netlink begins with; it is negative there.
fn error_number(body: &[u8]) -> Option<i32> {
    body.first_chunk().map(|octets| i32::from_ne_bytes(*octets).saturating_neg())
}

/// Reads the messages of a datagram, up to the end or the first that is cut off.
pub(crate) fn read(mut octets: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let header = octets.first_chunk::<HEADER>()?;
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|octet| header[at + octet]));
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let length = usize::try_from(word(0)).ok()?;
        let frame = Frame {
            kind: half(4),
            flags: half(6),
            sequence: word(8),
            port: word(12),
            body: octets.get(HEADER..length)?,
        };
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let mut octets = Vec::new();
        write(&mut octets, 0x0a0f, REQUEST, 7, &[1, 2, 3]);
        write(&mut octets, ERROR, 0, 8, &(-2_i32).to_ne_bytes());
        let frames: Vec<_> =
            read(&octets).map(|frame| (frame.kind, frame.sequence, frame.body)).collect();
        assert_eq!(frames, [(0x0a0f, 7, &[1, 2, 3][..]), (ERROR, 8, &(-2_i32).to_ne_bytes())]);
        for cut in 0..octets.len() {
            assert!(read(&octets[..cut]).count() < 2, "{cut}");
        }
    }

    #[test]
    fn errors_have_their_number_and_the_kernels_text() {
        let mut body = (-17_i32).to_ne_bytes().to_vec();
        write(&mut body, 0x0a09, REQUEST, 1, &[0; 4]);
        body.extend([9, 0, 1, 0, b'b', b'u', b's', b'y', 0]);
        for (flags, expected) in [(ACK_TLVS, Some("busy")), (0, None)] {
            let mut octets = Vec::new();
            write(&mut octets, ERROR, flags, 1, &body);
            let Answer::Refused(error, text) = read(&octets).next().unwrap().answer() else {
                panic!("it is a refusal")
            };
            assert_eq!((error.raw_os_error(), text.as_deref()), (Some(17), expected));
        }
    }
}
