//! Resource records from a line of a zone file (RFC 1035 §5.1).

use hickory_proto::rr::{DNSClass, Name, Record};
use hickory_proto::serialize::txt::parse_ttl;

use crate::plugin::mnemonic::{self, parse_class, parse_record_type};
use crate::plugin::name_text::parse_name;
use crate::zone_file::parse_data;

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
    let data = parse_data(record_type, rest, &Name::root()).map_err(|error| {
        format!("'{}' is no data of {}: {error}", rest.trim(), mnemonic::record_type(record_type))
    })?;
    let mut record = Record::from_rdata(name, ttl.unwrap_or(DEFAULT_TTL), data);
    record.dns_class = class.unwrap_or(DNSClass::IN);
    Ok(Some(record))
}

/// Takes a word off the front. Escaped blanks belong to it (RFC 1035 §5.1).
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut is_escaped = false;
    let end = text.find(|character: char| {
        let ends = character.is_whitespace() && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

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
            (
                "My\\ Printer.a 60 IN CNAME \\255\\\"x.b",
                "My\\040Printer.a. 60 IN CNAME \\377\\\"x.b.",
            ),
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
            ("a A 10.0.0.256", "'10.0.0.256' is no data of A: "),
            ("a A <no value>", "is no data of A: "),
            ("a A 10.0.0.1 x", "is no data of A: "),
            ("a TXT ; nothing", "is no data of TXT: "),
            ("a AAAA \\# 2 abcd", "is no data of AAAA: "),
            ("a CAA 0 . alpn=h2", "'0 . alpn=h2' is no data of CAA: '.' is no tag"),
            ("a CNAME a..b", "is no data of CNAME: "),
            ("a SOA a b 1 2 3 4", "is no data of SOA: "),
            ("a TYPE4711 \\# 3 abcd", "is no data of TYPE4711: "),
            ("a TYPE4711 abcd", "is no data of TYPE4711: "),
            ("a ANY x", "is no data of ANY: there are no records of type"),
            ("a TXT b\nc TXT d", "more than one line"),
        ] {
            let error = parse_record(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
