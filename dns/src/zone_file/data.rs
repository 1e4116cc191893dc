//! The data of records: from words to octets, and from octets to what the server works with.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER_PERMISSIVE};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{
    BinDecodable, BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict,
};

use super::lexer::Word;
use super::types::{self, ALGORITHMS, Field};

/// Reads the data of a record of a type.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn parse(rtype: RecordType, words: &[Word<'_>], origin: &Name) -> Result<RData, String> {
    let octets = match words {
        [first, rest @ ..] if first.octets == b"\\#" && !first.is_quoted => generic(rest)?,
        _ => {
            let fields = types::fields(rtype).ok_or_else(|| {
                format!("the data of type {rtype} has no notation here; write it as \\# LENGTH HEX")
            })?;
            let mut reader = Reader { words, octets: Vec::new(), origin };
            fields.iter().try_for_each(|field| reader.field(*field))?;
            if let Some(extra) = reader.words.first() {
                return Err(format!("'{}' is one word too many; remove it", extra.show()));
            }
            reader.octets
        }
    };
    let length = u16::try_from(octets.len());
    let length = length.map_err(|_| "the data is longer than 65535 octets; shorten it")?;
    decode(rtype, octets, length)
}

/// Reads data in the notation for unknown types: a length and hexadecimal digits (RFC 3597 §5).
fn generic(words: &[Word<'_>]) -> Result<Vec<u8>, String> {
    let [length, digits @ ..] = words else {
        return Err("\\# needs a length; write \\# LENGTH HEX".into());
    };
    let octets = hex(digits)?;
    if length.number::<usize>()? != octets.len() {
        return Err(format!("{} octets, not {}; correct the length", octets.len(), length.show()));
    }
    Ok(octets)
}

/// Returns data as the library reads it, if it would write the same octets again; else as octets.
fn decode(rtype: RecordType, octets: Vec<u8>, length: u16) -> Result<RData, String> {
    let is_no_dname = rtype == RecordType::DNAME && name_in(&octets).is_none();
    // No type with a notation has empty data; resolvers refuse a message with some.
    if is_no_dname || octets.is_empty() && types::fields(rtype).is_some() {
        return Err(format!("the octets are no data of type {rtype}; correct them"));
    }
    let decoded = RData::read(&mut BinDecoder::new(&octets), rtype, Restrict::new(length));
    let decoded = decoded.ok().filter(|data| encoded(data).as_ref() == Some(&octets));
    let needs_meaning = matches!(
        rtype,
        RecordType::A
            | RecordType::AAAA
            | RecordType::CNAME
            | RecordType::MX
            | RecordType::NS
            | RecordType::PTR
            | RecordType::SOA
            | RecordType::SRV
    );
    match decoded {
        Some(data) => Ok(data),
        None if needs_meaning => {
            Err(format!("the octets are no data of type {rtype}; correct them"))
        }
        None if octets.is_empty() => Ok(RData::Unknown { code: rtype, rdata: NULL::new() }),
        None => Ok(RData::Unknown { code: rtype, rdata: NULL::with(octets) }),
    }
}

fn encoded(data: &RData) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    Some(octets)
}

/// Returns the name that octets of data consist of.
pub(crate) fn name_in(octets: &[u8]) -> Option<Name> {
    let name = Name::read(&mut BinDecoder::new(octets)).ok()?;
    // The library takes the end of the octets for the root, and follows pointers.
    let length = name.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
    (length == octets.len()).then_some(name)
}

/// Reads fields off the front of the words.
struct Reader<'a, 'w> {
    words: &'w [Word<'a>],
    octets: Vec<u8>,
    origin: &'w Name,
}

impl<'a, 'w> Reader<'a, 'w> {
    fn field(&mut self, field: Field) -> Result<(), String> {
        match field {
            Field::Domain => {
                let name = self.word()?.name(self.origin)?;
                self.push_name(&name);
            }
            Field::U8 => {
                let number: u8 = self.word()?.number()?;
                self.octets.push(number);
            }
            Field::U16 => {
                let number: u16 = self.word()?.number()?;
                self.octets.extend(number.to_be_bytes());
            }
            Field::U32 => {
                let number: u32 = self.word()?.number()?;
                self.octets.extend(number.to_be_bytes());
            }
            Field::Seconds => {
                let seconds = self.word()?.seconds()?;
                self.octets.extend(seconds.to_be_bytes());
            }
            Field::V4 => {
                let address: Ipv4Addr = self.address("IPv4")?;
                self.octets.extend(address.octets());
            }
            Field::V6 => {
                let address: Ipv6Addr = self.address("IPv6")?;
                self.octets.extend(address.octets());
            }
            other => return self.rarer_field(other),
        }
        Ok(())
    }

    fn rarer_field(&mut self, field: Field) -> Result<(), String> {
        match field {
            Field::Text => {
                let text = self.word()?.text()?;
                return self.push_with_length(&text);
            }
            Field::Tag | Field::Flags => {
                let word = self.word()?;
                let text = word.text()?;
                let is_missing = text.is_empty() && field == Field::Tag;
                if is_missing || !text.iter().all(u8::is_ascii_alphanumeric) {
                    let (shown, what) =
                        (word.show(), if field == Field::Tag { "tag" } else { "flag" });
                    return Err(format!("'{shown}' is no {what}; write letters and digits"));
                }
                return self.push_with_length(&text);
            }
            Field::Texts => {
                let text = self.word()?.text()?;
                self.push_with_length(&text)?;
                while let Some(word) = self.optional_word() {
                    self.push_with_length(&word.text()?)?;
                }
            }
            Field::LongText => {
                let text = self.word()?.text()?;
                self.octets.extend(text);
            }
            Field::Hex => {
                let octets = hex(self.rest()?)?;
                self.octets.extend(octets);
            }
            Field::Base64 => {
                let octets = base64(self.rest()?)?;
                self.octets.extend(octets);
            }
            Field::Salt => {
                let word = self.word()?;
                let octets = if word.octets == b"-" { Vec::new() } else { hex(&[word])? };
                return self.push_with_length(&octets);
            }
            Field::Base32 => {
                let word = self.word()?;
                let octets = BASE32HEX_NOPAD.decode(&word.octets.to_ascii_uppercase());
                let octets =
                    octets.map_err(|_| format!("'{}' is no base32hex; correct it", word.show()))?;
                return self.push_with_length(&octets);
            }
            Field::Service => return self.service(),
            other => return self.security_field(other),
        }
        Ok(())
    }

    fn security_field(&mut self, field: Field) -> Result<(), String> {
        let word = match field {
            Field::Types => return self.types(),
            _ => self.word()?,
        };
        match field {
            Field::Time => self.octets.extend(time(&word)?.to_be_bytes()),
            Field::Type => {
                let rtype = word.record_type();
                let rtype = rtype.ok_or_else(|| format!("'{}' is no type", word.show()))?;
                self.octets.extend(u16::from(rtype).to_be_bytes());
            }
            Field::Algorithm => {
                let is_it = |name: &str| word.octets.eq_ignore_ascii_case(name.as_bytes());
                let known = ALGORITHMS.iter().find(|(name, _)| is_it(name));
                let number = known.map_or_else(|| word.number(), |(_, number)| Ok(*number))?;
                self.octets.push(number);
            }
            _ => {
                let digits: Vec<u8> =
                    word.octets.iter().copied().filter(|octet| *octet != b'-').collect();
                let octets = hex(&[Word { octets: &digits, is_quoted: false }])?;
                self.octets.extend(octets);
            }
        }
        Ok(())
    }

    /// Reads types to the end, as windows of bits (RFC 4034 §4.1.2).
    fn types(&mut self) -> Result<(), String> {
        let mut codes = Vec::new();
        while let Some(word) = self.optional_word() {
            let rtype = word.record_type();
            codes.push(u16::from(rtype.ok_or_else(|| format!("'{}' is no type", word.show()))?));
        }
        codes.sort_unstable();
        codes.dedup();
        for window in codes.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut bits = [0_u8; 32];
            let mut length = 0;
            for code in window {
                let [_, low] = code.to_be_bytes();
                bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
                length = low / 8 + 1;
            }
            let [high, _] = window.first().copied().unwrap_or_default().to_be_bytes();
            self.octets.extend([high, length]);
            self.octets.extend(&bits[..usize::from(length)]);
        }
        Ok(())
    }

    /// Reads an SVCB record with the library, which knows the parameters.
    fn service(&mut self) -> Result<(), String> {
        let (priority, target) = (self.word()?, self.word()?.name(self.origin)?);
        // The root in the place of the target, because the library does not take every name as text.
        let mut text = format!("{} .", priority.number::<u16>()?);
        while let Some(word) = self.optional_word() {
            let word = word.ascii().ok_or_else(|| format!("'{}' is not ASCII", word.show()))?;
            text.push(' ');
            text.push_str(word);
        }
        let data = RData::try_from_str(RecordType::SVCB, &text)
            .map_err(|error| format!("{error}; correct the parameters"))?;
        let octets = encoded(&data).ok_or("the parameters cannot be encoded; correct them")?;
        let (priority, rest) = octets.split_at_checked(2).ok_or("the record is too short")?;
        self.octets.extend(priority);
        self.push_name(&target);
        self.octets.extend(rest.get(1..).unwrap_or_default());
        Ok(())
    }

    fn address<T: std::str::FromStr>(&mut self, kind: &str) -> Result<T, String> {
        let word = self.word()?;
        let address = word.ascii().and_then(|text| text.parse().ok());
        address.ok_or_else(|| format!("'{}' is no {kind} address; correct it", word.show()))
    }

    fn word(&mut self) -> Result<Word<'a>, String> {
        self.optional_word().ok_or_else(|| "the data ends too early; complete it".into())
    }

    fn optional_word(&mut self) -> Option<Word<'a>> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(*word)
    }

    /// Takes every word that is left, at least one.
    fn rest(&mut self) -> Result<&'w [Word<'a>], String> {
        let rest = std::mem::take(&mut self.words);
        if rest.is_empty() { Err("the data ends too early; complete it".into()) } else { Ok(rest) }
    }

    fn push_name(&mut self, name: &Name) {
        for label in name {
            // A label of a `Name` has at most 63 octets.
            self.octets.push(u8::try_from(label.len()).unwrap_or(0));
            self.octets.extend(label);
        }
        self.octets.push(0);
    }

    fn push_with_length(&mut self, octets: &[u8]) -> Result<(), String> {
        let length = u8::try_from(octets.len());
        self.octets.push(length.map_err(|_| "a text is longer than 255 octets; split it")?);
        self.octets.extend(octets);
        Ok(())
    }
}

fn joined(words: &[Word<'_>]) -> Vec<u8> {
    words.iter().flat_map(|word| word.octets).copied().collect()
}

fn hex(words: &[Word<'_>]) -> Result<Vec<u8>, String> {
    let octets = HEXLOWER_PERMISSIVE.decode(&joined(words));
    octets.map_err(|_| "the hexadecimal digits are wrong; write pairs of 0 to 9 and a to f".into())
}

fn base64(words: &[Word<'_>]) -> Result<Vec<u8>, String> {
    BASE64.decode(&joined(words)).map_err(|_| "the base64 text is wrong; correct it".into())
}

/// Reads a point in time as seconds since 1970, modulo 2^32 (RFC 4034 §3.1.5).
fn time(word: &Word<'_>) -> Result<u32, String> {
    let text = word.ascii().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
    let seconds = match text {
        Some(text) if text.len() == 14 => calendar_time(text),
        Some(text) => text.parse().ok(),
        None => None,
    };
    seconds.ok_or_else(|| format!("'{}' is no time; write YYYYMMDDHHmmSS", word.show()))
}

/// Reads `YYYYMMDDHHmmSS`.
fn calendar_time(text: &str) -> Option<u32> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(8..10)?, part(10..12)?, part(12..14)?);
    let is_valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    // Days before the first of March of a year, so that the leap day is the last of its year.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = ((days - 719_468) * 24 + hour) * 3600 + minute * 60 + second;
    u32::try_from(seconds.rem_euclid(1 << 32)).ok().filter(|_| is_valid)
}

#[cfg(test)]
mod tests;
