//! Reads resource records of a message that is passed on, not used.
//!
//! A forwarder must not fail on types that it does not know (RFC 3597 §3): their RDATA is kept as the octets it
//! is. Only domain names that point back into the message cannot be kept so, because they would point elsewhere
//! in another message; they are written out. RDATA of a known type that cannot be read makes the whole message
//! malformed: nobody could use the record, and no honest server sends it. Of types whose content grows the form
//! decides, see [`framing`].

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{
    BinDecodable, BinDecoder, BinEncodable, BinEncoder, DecodeError, NameEncoding, Restrict,
};

use super::{extended_errors, framing};

/// The smallest record: the root's name, type, class, TTL and no data.
const MIN_RECORD: usize = 11;

/// What is kept of an OPT record.
#[derive(Default)]
pub(super) struct KeptOpt {
    /// The upper bits of the rcode (RFC 6891 §6.1.3).
    pub(super) rcode_high: u8,
    /// The Extended DNS Errors: code and data of their options.
    pub(super) errors: Vec<(u16, Vec<u8>)>,
}

/// Reads a section. OPT and TSIG are between two servers and left out (RFC 6891 §6.1.1, RFC 8945 §5.5), but for
/// what tells about the answer.
pub(super) fn read(
    decoder: &mut BinDecoder<'_>,
    count: u16,
) -> Result<(Vec<Record>, Option<KeptOpt>), DecodeError> {
    // The count is the sender's claim; the octets bound what there can be.
    let capacity = usize::from(count).min(decoder.len() / MIN_RECORD);
    let (mut records, mut opt) = (Vec::with_capacity(capacity), None);
    for _ in 0..count {
        let head = Head::read(decoder)?;
        match head.rtype {
            RecordType::OPT => {
                let [rcode_high, ..] = head.ttl.to_be_bytes();
                let options = decoder.read_slice(usize::from(head.length))?.unverified();
                opt = Some(KeptOpt { rcode_high, errors: extended_errors::read(options) });
            }
            RecordType::TSIG => {
                decoder.read_slice(usize::from(head.length))?;
            }
            _ => records.push(head.record(decoder)?),
        }
    }
    Ok((records, opt))
}

/// A record without its data (RFC 1035 §4.1.3).
struct Head {
    name: Name,
    rtype: RecordType,
    class: DNSClass,
    ttl: u32,
    length: u16,
}

impl Head {
    fn read(decoder: &mut BinDecoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: Name::read(decoder)?,
            rtype: RecordType::read(decoder)?,
            class: DNSClass::read(decoder)?,
            ttl: decoder.read_u32()?.unverified(),
            length: decoder.read_u16()?.unverified(),
        })
    }

    fn record(self, decoder: &mut BinDecoder<'_>) -> Result<Record, DecodeError> {
        let data = rdata(decoder, self.rtype, self.length)?;
        let mut record = Record::from_rdata(self.name, self.ttl, data);
        record.dns_class = self.class;
        Ok(record)
    }
}

/// Reads data: typed where hickory knows the type, else as octets.
fn rdata(
    decoder: &mut BinDecoder<'_>,
    rtype: RecordType,
    length: u16,
) -> Result<RData, DecodeError> {
    let octets = usize::from(length);
    if octets > decoder.len() {
        return Err(DecodeError::InsufficientBytes);
    }
    // The place is within 65535 octets: a message is no longer.
    let start = u16::try_from(decoder.index()).map_err(|_| DecodeError::InsufficientBytes)?;
    let mut of_record = decoder.clone(start);
    let raw = decoder.read_slice(octets)?.unverified();
    if let Some(layout) = Layout::of(rtype) {
        return layout.written_out(&mut of_record, octets).map(|data| untyped(rtype, data));
    }
    if octets == 0 {
        return if may_be_empty(rtype) {
            Ok(RData::Update0(rtype))
        } else {
            Err(DecodeError::InsufficientBytes)
        };
    }
    match RData::read(&mut of_record, rtype, Restrict::new(length)) {
        Ok(data) if data.record_type() == rtype => Ok(data),
        Err(error) if !framing::holds(rtype, raw) => Err(error),
        Ok(_) | Err(_) => Ok(untyped(rtype, raw.to_vec())),
    }
}

fn untyped(code: RecordType, data: Vec<u8>) -> RData {
    RData::Unknown { code, rdata: NULL::with(data) }
}

/// Says whether a record of this type may be without data: where the type says nothing else, as NULL and APL
/// (RFC 1035 §3.3.10, RFC 3123 §4), and where it is not known. TXT has one character-string at least (RFC 1035
/// §3.3.14).
fn may_be_empty(rtype: RecordType) -> bool {
    !matches!(
        rtype,
        RecordType::A
            | RecordType::AAAA
            | RecordType::CAA
            | RecordType::CERT
            | RecordType::CNAME
            | RecordType::CSYNC
            | RecordType::HINFO
            | RecordType::HTTPS
            | RecordType::MX
            | RecordType::NAPTR
            | RecordType::NS
            | RecordType::OPENPGPKEY
            | RecordType::PTR
            | RecordType::SMIMEA
            | RecordType::SOA
            | RecordType::SRV
            | RecordType::SSHFP
            | RecordType::SVCB
            | RecordType::TLSA
            | RecordType::TXT
    )
}

/// Where the domain names are in data of a type that hickory does not know: after some octets.
#[derive(Clone, Copy)]
struct Layout {
    octets: usize,
    names: usize,
}

impl Layout {
    /// Returns the layout of the types whose names receivers have to decompress (RFC 3597 §4), and of DNAME,
    /// where old servers compress (RFC 6672 §2.5).
    fn of(rtype: RecordType) -> Option<Self> {
        let layout = |octets, names| Some(Self { octets, names });
        match u16::from(rtype) {
            // MD, MF, MB, MG, MR (RFC 1035 §3.3), DNAME (RFC 6672).
            3 | 4 | 7 | 8 | 9 | 39 => layout(0, 1),
            // MINFO (RFC 1035 §3.3.7), RP (RFC 1183 §2.2).
            14 | 17 => layout(0, 2),
            // AFSDB, RT (RFC 1183), KX (RFC 2230).
            18 | 21 | 36 => layout(2, 1),
            // PX (RFC 2163).
            26 => layout(2, 2),
            // SIG (RFC 2535 §4.1).
            24 => layout(18, 1),
            // NXT (RFC 2535 §5.2).
            30 => layout(0, 1),
            _ => None,
        }
    }

    /// Returns the data with its names written out.
    fn written_out(
        self,
        decoder: &mut BinDecoder<'_>,
        length: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let end = decoder.index() + length;
        let mut data = decoder.read_slice(self.octets)?.unverified().to_vec();
        for _ in 0..self.names {
            data.extend(wire_form(&Name::read(decoder)?)?);
        }
        let rest = end.checked_sub(decoder.index()).ok_or(DecodeError::InsufficientBytes)?;
        data.extend(decoder.read_slice(rest)?.unverified());
        match u16::try_from(data.len()) {
            Ok(_) => Ok(data),
            Err(_) => Err(DecodeError::InsufficientBytes),
        }
    }
}

/// Encodes a name without pointers.
fn wire_form(name: &Name) -> Result<Vec<u8>, DecodeError> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    name.emit(&mut encoder).map_err(|_| DecodeError::InsufficientBytes)?;
    Ok(octets)
}
