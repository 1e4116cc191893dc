//! From a message that arrived to a reply, if it is one to our question.
//!
//! A message is believed only when its id, QR, opcode and question are those of the question that was sent
//! (RFC 5452 §9.1); where it came from is checked by the connected socket. Everything else is not an error of
//! the upstream but somebody's attempt or noise, and the caller goes on waiting: giving up would let anyone
//! stop resolution without guessing an id (CVE-2023-28452).

use hickory_proto::op::{Header, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::records;
use super::sending::Sending;
use crate::Reply;

/// Says why a message is no reply to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// Another id: a late reply, or a guess.
    #[error("wrong id")]
    Id,
    /// A query, or another opcode.
    #[error("no reply to a query")]
    Kind,
    /// A reply to another question.
    #[error("wrong question")]
    Question,
    /// A reply to our question with letters in another case, although `case_randomization` asks for the same.
    #[error("question in another letter case")]
    LetterCase,
    /// No DNS message.
    #[error("malformed message")]
    Malformed,
}

/// How much of a message arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Its beginning; the rest did not fit the buffer.
    Beginning,
}

/// Reads a message as the reply to a question that was sent. Its names are in the case in which it was asked.
///
/// Of a message of which only the beginning arrived the reply has no records and the TC bit.
pub(crate) fn read(bytes: &[u8], sent: &Sending<'_>, extent: Extent) -> Result<Reply, NotOurs> {
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).map_err(malformed)?;
    if header.metadata.id != sent.id() {
        return Err(NotOurs::Id);
    }
    let metadata = &header.metadata;
    if metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Query {
        return Err(NotOurs::Kind);
    }
    check_question(&header, &mut decoder, sent, bytes)?;
    let restored;
    if sent.has_random_case() {
        // A question ends within 271 octets.
        let at = u16::try_from(decoder.index()).map_err(|_| NotOurs::Malformed)?;
        restored = sent.restored(bytes);
        decoder = BinDecoder::new(&restored).clone(at);
    }
    let mut reply = Reply::new(metadata.response_code);
    reply.authoritative = metadata.authoritative;
    reply.recursion_available = metadata.recursion_available;
    reply.authentic_data = metadata.authentic_data;
    reply.truncated = metadata.truncation;
    match extent {
        Extent::Whole => {
            sections(&header, &mut decoder, metadata.truncation, &mut reply).map_err(malformed)?;
        }
        Extent::Beginning => reply.truncated = true,
    }
    reply.repeat_case_of(&sent.question().name);
    sent.keep(bytes);
    Ok(reply)
}

fn check_question(
    header: &Header,
    decoder: &mut BinDecoder<'_>,
    sent: &Sending<'_>,
    bytes: &[u8],
) -> Result<(), NotOurs> {
    match header.counts.queries {
        1 => {
            let question = Question::read(decoder).map_err(malformed)?;
            if !sent.is_asking(&question) {
                return Err(NotOurs::Question);
            }
            if sent.has_random_case() && !sent.is_repeated_in(bytes) {
                return Err(NotOurs::LetterCase);
            }
            Ok(())
        }
        0 if is_bare_error(header) && !sent.has_random_case() => Ok(()),
        _ => Err(NotOurs::Question),
    }
}

/// Says whether a header alone says all: servers that do not understand a question may not repeat it. It has no
/// data that could be wrong; whoever guesses id and port can make the query fail with it, and nothing else. With
/// random case it is not believed: it repeats none of the letters.
fn is_bare_error(header: &Header) -> bool {
    let counts = &header.counts;
    let is_error = matches!(
        header.metadata.response_code,
        ResponseCode::FormErr
            | ResponseCode::NotImp
            | ResponseCode::ServFail
            | ResponseCode::Refused
    );
    is_error && counts.answers == 0 && counts.authorities == 0
}

fn sections(
    header: &Header,
    decoder: &mut BinDecoder<'_>,
    is_truncated: bool,
    reply: &mut Reply,
) -> Result<(), DecodeError> {
    let counts = &header.counts;
    match all_sections(counts, decoder) {
        Ok(sections) => {
            reply.answers = sections.answers;
            reply.authorities = sections.authorities;
            reply.additionals = sections.additionals;
            if let Some(opt) = sections.opt {
                reply.rcode = ResponseCode::from(opt.rcode_high, reply.rcode.low());
                reply.options = opt.errors;
            }
            Ok(())
        }
        // Some servers cut a truncated message in the middle of a record; the bit is what matters.
        Err(_) if is_truncated => Ok(()),
        Err(error) => Err(error),
    }
}

/// The records of a reply, and what is kept of its OPT record.
struct Sections {
    answers: Vec<hickory_proto::rr::Record>,
    authorities: Vec<hickory_proto::rr::Record>,
    additionals: Vec<hickory_proto::rr::Record>,
    opt: Option<records::KeptOpt>,
}

fn all_sections(
    counts: &hickory_proto::op::HeaderCounts,
    decoder: &mut BinDecoder<'_>,
) -> Result<Sections, DecodeError> {
    let (answers, _) = records::read(decoder, counts.answers)?;
    let (authorities, _) = records::read(decoder, counts.authorities)?;
    let (additionals, opt) = records::read(decoder, counts.additionals)?;
    Ok(Sections { answers, authorities, additionals, opt })
}

fn malformed(_: DecodeError) -> NotOurs {
    NotOurs::Malformed
}
