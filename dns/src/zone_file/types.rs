//! The types of records and how their data is written.

use hickory_proto::rr::RecordType;

use Field::*;

/// One field of a record's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    /// A domain name.
    Domain,
    /// A number of 8 bits.
    U8,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// A time in seconds, perhaps with units.
    Seconds,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A text with its length (RFC 1035 §3.3, character-string).
    Text,
    /// Like `Text`, letters and digits alone (RFC 8659 §4.1).
    Tag,
    /// Like `Tag`, or empty (RFC 3403 §4.1).
    Flags,
    /// One `Text` or more.
    Texts,
    /// A text without its length, to the end of the data.
    LongText,
    /// Hexadecimal digits to the end, with blanks anywhere.
    Hex,
    /// Hexadecimal digits with their length in octets; `-` for none.
    Salt,
    /// Base64 to the end, with blanks anywhere.
    Base64,
    /// Base32 with extended hexadecimal alphabet and its length in octets (RFC 5155 §3.3).
    Base32,
    /// A point in time: YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 §3.2).
    Time,
    /// A type of records.
    Type,
    /// Types of records to the end, as a bit map (RFC 4034 §4.1.2).
    Types,
    /// The number or the mnemonic of a DNSSEC algorithm.
    Algorithm,
    /// Octets of an EUI as hexadecimal digits with hyphens (RFC 7043 §3.2).
    Eui,
    /// Everything of an SVCB or HTTPS record after the priority (RFC 9460 §2.1).
    Service,
}

/// The types that can be written with their mnemonics: name, number, fields.
const TYPES: [(&str, u16, &[Field]); 41] = [
    ("A", 1, &[V4]),
    ("NS", 2, &[Domain]),
    ("CNAME", 5, &[Domain]),
    ("SOA", 6, &[Domain, Domain, U32, Seconds, Seconds, Seconds, Seconds]),
    ("PTR", 12, &[Domain]),
    ("HINFO", 13, &[Text, Text]),
    ("MINFO", 14, &[Domain, Domain]),
    ("MX", 15, &[U16, Domain]),
    ("TXT", 16, &[Texts]),
    ("RP", 17, &[Domain, Domain]),
    ("AFSDB", 18, &[U16, Domain]),
    ("X25", 19, &[Text]),
    ("ISDN", 20, &[Texts]),
    ("RT", 21, &[U16, Domain]),
    ("KEY", 25, &[U16, U8, Algorithm, Base64]),
    ("PX", 26, &[U16, Domain, Domain]),
    ("AAAA", 28, &[V6]),
    ("SRV", 33, &[U16, U16, U16, Domain]),
    ("NAPTR", 35, &[U16, U16, Flags, Text, Text, Domain]),
    ("KX", 36, &[U16, Domain]),
    ("CERT", 37, &[U16, U16, Algorithm, Base64]),
    ("DNAME", 39, &[Domain]),
    ("DS", 43, &[U16, Algorithm, U8, Hex]),
    ("SSHFP", 44, &[U8, U8, Hex]),
    ("RRSIG", 46, &[Type, Algorithm, U8, Seconds, Time, Time, U16, Domain, Base64]),
    ("NSEC", 47, &[Domain, Types]),
    ("DNSKEY", 48, &[U16, U8, Algorithm, Base64]),
    ("DHCID", 49, &[Base64]),
    ("NSEC3", 50, &[U8, U8, U16, Salt, Base32, Types]),
    ("NSEC3PARAM", 51, &[U8, U8, U16, Salt]),
    ("TLSA", 52, &[U8, U8, U8, Hex]),
    ("SMIMEA", 53, &[U8, U8, U8, Hex]),
    ("CDS", 59, &[U16, Algorithm, U8, Hex]),
    ("CDNSKEY", 60, &[U16, U8, Algorithm, Base64]),
    ("OPENPGPKEY", 61, &[Base64]),
    ("CSYNC", 62, &[U32, U16, Types]),
    ("ZONEMD", 63, &[U32, U8, U8, Hex]),
    ("SVCB", 64, &[Service]),
    ("HTTPS", 65, &[Service]),
    ("SPF", 99, &[Texts]),
    ("CAA", 257, &[U8, Tag, LongText]),
];

/// More of them, of the same form.
const RARE_TYPES: [(&str, u16, &[Field]); 3] =
    [("EUI48", 108, &[Eui]), ("EUI64", 109, &[Eui]), ("URI", 256, &[U16, U16, LongText])];

/// The mnemonics of DNSSEC algorithms (IANA registry "DNS Security Algorithm Numbers").
pub(super) const ALGORITHMS: [(&str, u8); 11] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
];

fn all() -> impl Iterator<Item = &'static (&'static str, u16, &'static [Field])> {
    TYPES.iter().chain(&RARE_TYPES)
}

/// Returns the type of a mnemonic, or of `TYPE` and a number; letter case does not matter.
pub(super) fn by_name(name: &str) -> Option<RecordType> {
    let known = all().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    let number = || {
        let (word, digits) = name.split_at_checked(4)?;
        let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number && word.eq_ignore_ascii_case("TYPE"))
    };
    known.map(|(_, code, _)| *code).or_else(number).map(RecordType::from)
}

/// Returns the fields of a type; none when its data has no notation of its own here.
pub(super) fn fields(rtype: RecordType) -> Option<&'static [Field]> {
    let code = u16::from(rtype);
    all().find(|(_, known, _)| *known == code).map(|(.., fields)| *fields)
}

/// Says whether a zone can have records of a type: no question types, no OPT, no TSIG (RFC 6895 §3.1).
pub(super) fn is_data(rtype: RecordType) -> bool {
    !matches!(u16::from(rtype), 0 | 41 | 128..=255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_and_numbers() {
        for (name, code) in
            [("a", 1), ("CAA", 257), ("Uri", 256), ("type65280", 65280), ("TYPE1", 1)]
        {
            assert_eq!(by_name(name).map(u16::from), Some(code), "{name}");
        }
        for name in ["", "TYP", "TYPE", "TYPE65536", "TYPE+1", "ANY", "LOC", "\u{e9}\u{e9}1"] {
            assert_eq!(by_name(name), None, "{name}");
        }
        let mut codes: Vec<u16> = all().map(|(_, code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all().count());
        assert!(all().all(|(_, code, _)| is_data(RecordType::from(*code))));
        assert!(![0, 41, 250, 255].iter().any(|code| is_data(RecordType::from(*code))));
    }
}
