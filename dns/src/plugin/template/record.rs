//! Resource records from a line of a zone file (RFC 1035 §5.1).

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable, BinEncoder};
use hickory_proto::serialize::txt::parse_ttl;

use crate::plugin::mnemonic::{self, parse_class, parse_record_type};
use crate::plugin::name_text::parse_name;
use crate::plugin::target_name::change_target;

/// The TTL of a record that has none, in seconds: CoreDNS's.
const DEFAULT_TTL: u32 = 3600;

/// Reads `OWNER [TTL] [CLASS] TYPE DATA`; none of a text without anything in it. Names are complete with and
/// without their final dot. TTL and class may change places; the class is IN by default.
///
/// # Errors
/// Says what is wrong with the text.
pub(super) fn parse_record(text: &str) -> Result<Option<Record>, String> {
    let (owner, mut rest) = word(text);
    if owner.is_empty() || owner.starts_with(';') {
        return Ok(None);
    }
    let name = parse_name(owner).ok_or_else(|| format!("'{owner}' is no domain name"))?;
    let (mut ttl, mut class) = (None, None);
    let record_type = loop {
        let (next, after) = word(rest);
        rest = after;
        if next.is_empty() {
            return Err("the type is missing".to_owned());
        }
        // A type has no digit at its start, and no class is called as a type.
        if ttl.is_none() && next.starts_with(|first: char| first.is_ascii_digit()) {
            ttl = Some(parse_ttl(next).map_err(|_| format!("'{next}' is no TTL"))?);
        } else if class.is_none() && parse_class(next).is_some_and(|class| class != DNSClass::ANY) {
            class = parse_class(next);
        } else {
            break parse_record_type(next).ok_or_else(|| format!("'{next}' is no type"))?;
        }
    };
    let data = data(record_type, rest)?;
    let mut record = Record::from_rdata(name, ttl.unwrap_or(DEFAULT_TTL), data);
    record.dns_class = class.unwrap_or(DNSClass::IN);
    let read = as_others_read(record);
    let error =
        || format!("'{}' is no data of {}", rest.trim(), mnemonic::record_type(record_type));
    read.map(Some).ok_or_else(error)
}

/// Returns a record as it is read from a message; none when it cannot be read. Of rarer types hickory's parser
/// takes more than its decoder, and octets may be any.
fn as_others_read(record: Record) -> Option<Record> {
    let record_type = record.record_type();
    let is_common = fields(record_type).is_some() || record_type == RecordType::TXT;
    if is_common && !matches!(record.data, RData::Unknown { .. }) {
        return Some(record);
    }
    Record::from_bytes(&record.to_bytes().ok()?).ok()
}

/// Takes a word off the front.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

fn data(record_type: RecordType, text: &str) -> Result<RData, String> {
    if let Some(octets) = text.trim().strip_prefix("\\#") {
        return unknown(record_type, octets);
    }
    let shown = mnemonic::record_type(record_type);
    let plain = text.replace(['(', ')'], " ");
    let lines = plain.lines().map(|line| line.split(';').next().unwrap_or_default());
    let found: usize = lines.map(|line| line.split_whitespace().count()).sum();
    if found == 0 {
        return Err(format!("the data of {shown} is missing"));
    }
    if let Some(count) = fields(record_type).filter(|count| *count != found) {
        return Err(format!("{shown} needs {count} fields, and there are {found}"));
    }
    if record_type == RecordType::DNAME {
        let target = text.trim();
        let name = parse_name(target).ok_or_else(|| format!("'{target}' is no domain name"))?;
        return dname(&name);
    }
    let mut data = RData::try_from_str(record_type, text)
        .map_err(|error| format!("'{}' is no data of {shown}: {error}", text.trim()))?;
    // Names without their final dot are complete, too.
    change_target(&mut data, completed);
    if let RData::SOA(soa) = &mut data {
        soa.rname.set_fqdn(true);
    }
    Ok(data)
}

fn completed(name: &Name) -> Option<Name> {
    let mut name = name.clone();
    name.set_fqdn(true);
    Some(name)
}

/// Returns the number of fields that the data of a type has, of those that have a fixed one.
fn fields(record_type: RecordType) -> Option<usize> {
    match record_type {
        RecordType::A
        | RecordType::AAAA
        | RecordType::CNAME
        | RecordType::DNAME
        | RecordType::NS
        | RecordType::PTR => Some(1),
        RecordType::MX => Some(2),
        RecordType::SRV => Some(4),
        RecordType::SOA => Some(7),
        _ => None,
    }
}

/// Reads data of any type, as `\# 4 0A000001` (RFC 3597 §5).
fn unknown(record_type: RecordType, text: &str) -> Result<RData, String> {
    let error = || format!("'\\#{text}' is no data of a type; write \\# LENGTH HEXADECIMAL");
    let (length, digits) = word(text);
    let digits: String = digits.split_whitespace().collect();
    let octets: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let is_whole = digits.len().is_multiple_of(2);
    let is_right = |octets: &Vec<u8>| !octets.is_empty() && length.parse() == Ok(octets.len());
    let octets = octets.filter(|octets| is_whole && is_right(octets));
    let octets = octets.ok_or_else(error)?;
    if matches!(record_type, RecordType::OPT | RecordType::ANY) {
        return Err(error());
    }
    Ok(RData::Unknown { code: record_type, rdata: NULL::with(octets) })
}

fn dname(name: &Name) -> Result<RData, String> {
    let mut octets = Vec::new();
    name.emit(&mut BinEncoder::new(&mut octets)).map_err(|error| error.to_string())?;
    Ok(RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(octets) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse_record(text).unwrap_or_else(|error| panic!("{text}: {error}")).unwrap().to_string()
    }

    #[test]
    fn records_as_zone_files_have_them() {
        for (text, expected) in [
            ("a.example 60 IN A 10.0.0.1", "a.example. 60 IN A 10.0.0.1"),
            ("  A.example. in 1h a 10.0.0.1 ; a comment", "A.example. 3600 IN A 10.0.0.1"),
            ("a.example AAAA 2001:db8::1", "a.example. 3600 IN AAAA 2001:db8::1"),
            ("a 0 CH TXT \"a b\" c", "a. 0 CH TXT a bc"),
            ("foogle.com 60 IN CNAME google.com", "foogle.com. 60 IN CNAME google.com."),
            ("a 60 IN MX 10 mail", "a. 60 IN MX 10 mail."),
            ("_x._tcp.a 60 SRV 1 2 3 b", "_x._tcp.a. 60 IN SRV 1 2 3 b."),
            (
                "invalid. 60 IN SOA ns.invalid host.invalid (1 60 60\n 60 60)",
                "invalid. 60 IN SOA ns.invalid. host.invalid. 1 60 60 60 60",
            ),
            ("a 60 IN PTR ip-10-0-0-1.example.", "a. 60 IN PTR ip-10-0-0-1.example."),
            ("a 60 IN NS ns0", "a. 60 IN NS ns0."),
            ("a 60 IN A \\# 4 0A 00 00 01", "a. 60 IN A 10.0.0.1"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let dname = parse_record("a 60 DNAME b.example").unwrap().unwrap();
        assert_eq!(dname.record_type(), RecordType::DNAME);
        let other = parse_record("a 60 TYPE4711 \\# 2 abcd").unwrap().unwrap();
        assert_eq!(other.record_type(), RecordType::from(4711));
        for nothing in ["", " \n", "; nothing"] {
            assert_eq!(parse_record(nothing).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_record() {
        for (text, part) in [
            ("a..b A 10.0.0.1", "'a..b' is no domain name"),
            ("a", "the type is missing"),
            ("a 60 IN", "the type is missing"),
            ("a 1y A 10.0.0.1", "'1y' is no TTL"),
            ("a 60 60 A 10.0.0.1", "'60' is no type"),
            ("a 60 IN IN A 10.0.0.1", "'IN' is no type"),
            ("a A 10.0.0.256", "is no data of A"),
            ("a A <no value>", "A needs 1 fields, and there are 2"),
            ("a A 10.0.0.1 x", "A needs 1 fields, and there are 2"),
            ("a TXT ; nothing", "the data of TXT is missing"),
            ("a TYPE4711 \\# 0", "write \\# LENGTH HEXADECIMAL"),
            ("a AAAA \\# 2 abcd", "is no data of AAAA"),
            ("a CAA 0 . alpn=h2", "'0 . alpn=h2' is no data of CAA"),
            ("a CNAME a..b", "is no data of CNAME"),
            ("a DNAME a..b", "'a..b' is no domain name"),
            ("a SOA a b 1 2 3 4", "SOA needs 7 fields"),
            ("a TYPE4711 \\# 3 abcd", "write \\# LENGTH HEXADECIMAL"),
            ("a TYPE4711 abcd", "is no data of TYPE4711"),
            ("a ANY x", "is no data of ANY"),
        ] {
            let error = parse_record(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
