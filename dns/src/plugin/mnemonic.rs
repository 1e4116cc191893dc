//! The names of types, classes and response codes in logs.

use std::borrow::Cow;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use super::arguments::rcode_name;

/// Returns the mnemonic of a type; `TYPE1234` without one (RFC 3597 §5).
pub(crate) fn record_type(record_type: RecordType) -> Cow<'static, str> {
    match record_type {
        RecordType::Unknown(code) => format!("TYPE{code}").into(),
        known => <&str>::from(known).into(),
    }
}

/// The types of IANA's registry that hickory has no name for, as CoreDNS spells them.
const MORE_TYPES: [(&str, u16); 28] = [
    ("MD", 3),
    ("MF", 4),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("MINFO", 14),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("PX", 26),
    ("GPOS", 27),
    ("LOC", 29),
    ("KX", 36),
    ("APL", 42),
    ("DHCID", 49),
    ("HIP", 55),
    ("TALINK", 58),
    ("ZONEMD", 63),
    ("SPF", 99),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("URI", 256),
];

/// Reads the mnemonic of a type in any letter case, or `TYPE1234` (RFC 3597 §5); none of what is neither.
pub(crate) fn parse_record_type(text: &str) -> Option<RecordType> {
    let text = text.to_ascii_uppercase();
    if text == "IXFR" {
        return Some(RecordType::IXFR);
    }
    if let Some((_, code)) = MORE_TYPES.iter().find(|(name, _)| *name == text) {
        return Some(RecordType::from(*code));
    }
    match numbered(&text, "TYPE") {
        Some(code) => Some(RecordType::from(code)),
        None => text.parse().ok().filter(|_| text != "*"),
    }
}

/// Returns the mnemonic of a class; `CLASS1234` without one (RFC 3597 §5).
pub(crate) fn class(class: DNSClass) -> Cow<'static, str> {
    match class {
        DNSClass::Unknown(code) | DNSClass::OPT(code) => format!("CLASS{code}").into(),
        known => <&str>::from(known).into(),
    }
}

/// Returns the mnemonic of a response code; `RCODE1234` without one.
pub(crate) fn response_code(code: ResponseCode) -> Cow<'static, str> {
    match rcode_name(code) {
        "other" => format!("RCODE{}", u16::from(code)).into(),
        name => name.into(),
    }
}

/// Reads the mnemonic of a class in any letter case, or `CLASS1234` (RFC 3597 §5).
pub(crate) fn parse_class(text: &str) -> Option<DNSClass> {
    let text = text.to_ascii_uppercase();
    text.parse().ok().or_else(|| Some(DNSClass::from(numbered(&text, "CLASS")?)))
}

fn numbered(text: &str, prefix: &str) -> Option<u16> {
    let digits = text.strip_prefix(prefix)?;
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_from_text() {
        let cases = [("A", 1), ("aaaa", 28), ("ANY", 255), ("IXFR", 251), ("AXFR", 252)];
        for (text, code) in cases.into_iter().chain([("Loc", 29), ("TYPE65280", 65280)]) {
            assert_eq!(parse_record_type(text).map(u16::from), Some(code), "{text}");
        }
        for text in ["", "*", "TYPE", "TYPE65536", "TYPE+1", "NOPE"] {
            assert_eq!(parse_record_type(text), None, "{text}");
        }
        for (name, code) in MORE_TYPES {
            assert!(matches!(RecordType::from(code), RecordType::Unknown(_)), "{name}");
        }
    }

    #[test]
    fn read_in_any_case() {
        assert_eq!(parse_record_type("aaaa"), Some(RecordType::AAAA));
        assert_eq!(parse_record_type("TYPE65"), Some(RecordType::HTTPS));
        assert_eq!(parse_record_type("TYPE+5"), None);
        assert_eq!(parse_record_type("XY"), None);
        assert_eq!(parse_class("ch"), Some(DNSClass::CH));
        assert_eq!(parse_class("CLASS4711"), Some(DNSClass::from(4711)));
        assert_eq!(parse_class("CLASS65536"), None);
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(record_type(RecordType::AAAA), "AAAA");
        assert_eq!(record_type(RecordType::ANY), "ANY");
        assert_eq!(record_type(RecordType::from(4711)), "TYPE4711");
        assert_eq!(class(DNSClass::IN), "IN");
        assert_eq!(class(DNSClass::CH), "CH");
        assert_eq!(class(DNSClass::from(4711)), "CLASS4711");
        assert_eq!(response_code(ResponseCode::NXDomain), "NXDOMAIN");
        assert_eq!(response_code(ResponseCode::from(0, 13)), "RCODE13");
    }
}
