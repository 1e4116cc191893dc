//! Replies to octets.

use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::names::{Compression, write_uncompressed};
use super::rejection::{BareReply, Rejection};
use super::{HEADER, TYPE_OPT, flags, padding};
use crate::cookie::{Cookie, OPTION_COOKIE};
use crate::{ExtendedErrorCode, MIN_PAYLOAD, Protocol, Query, Reply};

/// A reply as it goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The message.
    pub message: Vec<u8>,
    /// The TC bit: something was left out, the client has to ask again over TCP.
    pub truncated: bool,
}

/// The option code of Extended DNS Errors (RFC 8914 §2).
pub(crate) const OPTION_EXTENDED_ERROR: u16 = 15;

/// The longest EXTRA-TEXT that is sent, in octets.
pub(crate) const MAX_EXTRA_TEXT: usize = 128;

/// The most octets of options in a reply, so that the question always fits beside them.
const MAX_OPTIONS: usize = 220;

/// Octets of an option before its data.
const OPTION_HEADER: usize = 4;

/// Octets of an OPT record without options.
const EMPTY_OPT: usize = 11;

/// Encodes a reply so that it fits into what the client can take.
///
/// Records are written whole, in order, until one does not fit; the rest of all sections is left out
/// then and TC is set. OPT always stays (RFC 6891 §7).
///
/// Behind an answer the additional section is what a client may ask for itself: there an `RRset` that does not fit
/// is left out whole with the rest, and TC is not set for it (RFC 2181 §9). Without an answer it is the reply, as
/// the glue of a referral is (RFC 9471 §3.1). CoreDNS sets TC for whatever is left out.
pub fn encode(query: &Query, reply: &Reply) -> Encoded {
    let opt = opt_of(query, reply);
    let limit = usize::from(limit_of(query, reply)).saturating_sub(opt.len());
    let mut writer =
        Writer { message: vec![0; HEADER], compression: Compression::default(), limit };
    writer.compression.write(&mut writer.message, &query.name);
    writer.u16(query.qtype.into());
    writer.u16(query.qclass.into());
    let mut counts = [0; 3];
    let [answers, authorities, additionals] = &mut counts;
    let mut complete =
        writer.section(&reply.answers, answers) && writer.section(&reply.authorities, authorities);
    if complete && reply.answers.is_empty() {
        complete = writer.section(&reply.additionals, additionals);
    } else if complete {
        *additionals = writer.whole_sets(&reply.additionals);
    }
    let mut message = writer.message;
    counts[2] += u16::from(!opt.is_empty());
    let start_of_opt = message.len();
    message.extend(opt);
    if padding::is_wanted(query) {
        padding::pad(&mut message, start_of_opt, usize::from(limit_of(query, reply)));
    }
    let truncated = reply.truncated || !complete;
    write_header(&mut message, query.id, flags_of(query, reply, truncated), 1, counts);
    Encoded { message, truncated }
}

/// Encodes the answer to a message that is no query: a header, and OPT if the message had it; none when nothing is
/// to be sent.
pub fn encode_rejection(rejection: &Rejection) -> Option<Vec<u8>> {
    let Rejection::Answered(reply) = rejection else { return None };
    let BareReply { id, flags, rcode, opt, error } = *reply;
    let mut message = vec![0; HEADER];
    if let Some(opt) = opt {
        let mut options = Vec::new();
        push_cookie(&mut options, opt.cookie);
        if let Some((code, text)) = error {
            push_extended_error(&mut options, code, text);
        }
        message.extend(opt_record(opt.payload, rcode.high(), false, &options));
    }
    let echoed = flags & (flags::OPCODE | flags::RECURSION_DESIRED);
    let flags = flags::RESPONSE | echoed | u16::from(rcode.low());
    write_header(&mut message, id, flags, 0, [0, 0, opt.is_some().into()]);
    Some(message)
}

fn write_header(message: &mut [u8], id: u16, flags: u16, questions: u16, counts: [u16; 3]) {
    let [answers, authorities, additionals] = counts;
    let words = [id, flags, questions, answers, authorities, additionals];
    for (place, word) in message.chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

fn flags_of(query: &Query, reply: &Reply, truncated: bool) -> u16 {
    let flags = [
        (true, flags::RESPONSE),
        (reply.authoritative, flags::AUTHORITATIVE),
        (truncated, flags::TRUNCATED),
        (reply.recursion_desired.unwrap_or(query.recursion_desired), flags::RECURSION_DESIRED),
        (reply.recursion_available, flags::RECURSION_AVAILABLE),
        (reply.authentic_data, flags::AUTHENTIC_DATA),
        (query.checking_disabled, flags::CHECKING_DISABLED),
    ];
    let set = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag);
    set.sum::<u16>() | u16::from(reply.rcode.low())
}

/// Returns the OPT record of a reply; empty for clients without EDNS.
fn opt_of(query: &Query, reply: &Reply) -> Vec<u8> {
    let Some(edns) = &query.edns else { return Vec::new() };
    let mut options = Vec::new();
    push_cookie(&mut options, query.cookie);
    for (code, data) in &reply.options {
        push_option(&mut options, *code, data);
    }
    if let Some(error) = &reply.extended_error {
        push_extended_error(&mut options, error.code, &error.text);
    }
    let payload = edns.max_payload().min(reply.size_limit.unwrap_or(u16::MAX));
    opt_record(payload, reply.rcode.high(), query.dnssec_ok(), &options)
}

/// Returns an OPT record (RFC 6891 §6.1.2).
fn opt_record(payload: u16, rcode_high: u8, dnssec_ok: bool, options: &[u8]) -> Vec<u8> {
    let mut opt = Vec::with_capacity(EMPTY_OPT + options.len());
    opt.push(0);
    opt.extend(TYPE_OPT.to_be_bytes());
    opt.extend(payload.max(MIN_PAYLOAD).to_be_bytes());
    opt.extend([rcode_high, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
    opt.extend(u16::try_from(options.len()).unwrap_or(0).to_be_bytes());
    opt.extend_from_slice(options);
    opt
}

/// Appends the client's cookie and the server's, for clients that sent one.
fn push_cookie(options: &mut Vec<u8>, cookie: Option<Cookie>) {
    let Some(Cookie { client, checked: Some(checked), .. }) = cookie else { return };
    let mut data = [0; 24];
    data[..8].copy_from_slice(&client);
    data[8..].copy_from_slice(&checked.reply);
    push_option(options, OPTION_COOKIE, &data);
}

/// Appends an option; one that leaves no room for a question and an answer is left out.
fn push_option(options: &mut Vec<u8>, code: u16, data: &[u8]) {
    if options.len() + OPTION_HEADER + data.len() > MAX_OPTIONS {
        return;
    }
    let Ok(length) = u16::try_from(data.len()) else { return };
    options.extend(code.to_be_bytes());
    options.extend(length.to_be_bytes());
    options.extend_from_slice(data);
}

/// Appends an Extended DNS Error (RFC 8914 §2), its text cut to the room that is left.
fn push_extended_error(options: &mut Vec<u8>, code: ExtendedErrorCode, text: &str) {
    let room = MAX_OPTIONS.saturating_sub(options.len() + OPTION_HEADER + 2);
    let mut end = text.len().min(MAX_EXTRA_TEXT).min(room);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut data = (code as u16).to_be_bytes().to_vec();
    data.extend_from_slice(&text.as_bytes()[..end]);
    push_option(options, OPTION_EXTENDED_ERROR, &data);
}

/// Returns the most octets that the reply's message may have.
fn limit_of(query: &Query, reply: &Reply) -> u16 {
    let limit = query.max_reply_size();
    match (query.protocol, reply.size_limit) {
        (Protocol::Udp, Some(cap)) => limit.min(cap).max(MIN_PAYLOAD),
        _ => limit,
    }
}

struct Writer {
    message: Vec<u8>,
    compression: Compression,
    limit: usize,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        self.message.extend(value.to_be_bytes());
    }

    /// Writes records as long as they fit, counts them, and says whether all do.
    fn section(&mut self, records: &[Record], count: &mut u16) -> bool {
        for record in records {
            if !self.record(record) {
                return false;
            }
            *count += 1;
        }
        true
    }

    /// Writes records up to those of the first `RRset` that does not fit whole, and says how many.
    fn whole_sets(&mut self, records: &[Record]) -> u16 {
        let mut starts = Vec::with_capacity(records.len());
        for record in records {
            starts.push(self.message.len());
            if self.record(record) {
                continue;
            }
            let is_of_set = |other: &Record| {
                other.name == record.name && other.record_type() == record.record_type()
            };
            let first = records.iter().position(is_of_set).unwrap_or(0);
            // Names in what is taken back were remembered, but nothing that has names is written after it.
            self.message.truncate(starts.get(first).copied().unwrap_or(self.message.len()));
            return u16::try_from(first).unwrap_or(0);
        }
        u16::try_from(records.len()).unwrap_or(u16::MAX)
    }

    /// Writes a record; says whether it fits. One that does not leaves no trace in the message; that
    /// names in it were remembered does no harm, as nothing is written after it.
    fn record(&mut self, record: &Record) -> bool {
        let start = self.message.len();
        self.compression.write(&mut self.message, &record.name);
        self.u16(record.record_type().into());
        self.u16(record.dns_class.into());
        self.message.extend(record.ttl.to_be_bytes());
        let length_at = self.message.len();
        self.u16(0);
        let written = self.data(&record.data);
        let length = u16::try_from(self.message.len() - length_at - 2).ok();
        let fits = self.message.len() <= self.limit;
        let Some(length) = length.filter(|_| written && fits) else {
            self.message.truncate(start);
            return false;
        };
        self.message[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        true
    }

    /// Writes the data of a record; says whether it can be written.
    fn data(&mut self, data: &RData) -> bool {
        match data {
            RData::A(a) => self.message.extend(a.0.octets()),
            RData::AAAA(aaaa) => self.message.extend(aaaa.0.octets()),
            RData::CNAME(name) => self.name(&name.0),
            RData::NS(name) => self.name(&name.0),
            RData::PTR(name) => self.name(&name.0),
            RData::MX(mx) => {
                self.u16(mx.preference);
                self.name(&mx.exchange);
            }
            RData::SRV(srv) => {
                self.u16(srv.priority);
                self.u16(srv.weight);
                self.u16(srv.port);
                // RFC 2782: "name compression is not to be used for this field".
                write_uncompressed(&mut self.message, &srv.target);
            }
            RData::SOA(soa) => {
                self.name(&soa.mname);
                self.name(&soa.rname);
                self.message.extend(soa.serial.to_be_bytes());
                for timer in [soa.refresh, soa.retry, soa.expire] {
                    self.message.extend(timer.to_be_bytes());
                }
                self.message.extend(soa.minimum.to_be_bytes());
            }
            other => return self.other_data(other),
        }
        true
    }

    fn name(&mut self, name: &Name) {
        self.compression.write(&mut self.message, name);
    }

    /// Writes data of the rarer types, without compression, which all of them allow.
    fn other_data(&mut self, data: &RData) -> bool {
        let mut octets = Vec::new();
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        let written = data.emit(&mut encoder).is_ok();
        self.message.extend(octets);
        written
    }
}

#[cfg(test)]
mod tests;
