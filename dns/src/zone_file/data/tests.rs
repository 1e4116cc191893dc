//! Data of every notation.

use super::*;
use crate::zone_file::lexer::Lexer;

fn read(text: &str) -> Result<RData, String> {
    let mut lexer = Lexer::new(text.as_bytes());
    let entry = lexer.next_entry().unwrap().unwrap();
    let (rtype, words) = entry.words.split_first().unwrap();
    let origin = Name::from_ascii("example.org.").unwrap();
    parse(rtype.record_type().ok_or("no type")?, words, &origin)
}

fn octets(text: &str) -> String {
    let data = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    HEXLOWER_PERMISSIVE.encode(&encoded(&data).unwrap())
}

#[test]
fn data_that_the_server_works_with() {
    for (text, expected) in [
        ("A 192.0.2.1", "192.0.2.1"),
        ("AAAA 2001:db8::1", "2001:db8::1"),
        ("NS ns1", "ns1.example.org."),
        ("CNAME @", "example.org."),
        ("PTR Host.Example.NET.", "Host.Example.NET."),
        ("MX 10 mail", "10 mail.example.org."),
        ("SRV 1 2 3 .", "1 2 3 ."),
        (
            "SOA ns1 admin (1 2h 30m ; comment\n 2w 5m)",
            "ns1.example.org. admin.example.org. 1 7200 1800 1209600 300",
        ),
        ("TXT a \"b c\"", "ab c"),
    ] {
        let data = read(text).unwrap();
        assert!(!matches!(data, RData::Unknown { .. }), "{text}");
        assert_eq!(data.to_string().replace('"', ""), expected, "{text}");
    }
}

#[test]
fn octets_of_the_other_notations() {
    for (text, expected) in [
        ("TXT \"a\\\"\\200\" ''", "0361 22c8 022727"),
        ("TXT \"\"", "00"),
        ("HINFO PC \"my os\"", "025043 056d79206f73"),
        ("NAPTR 1 2 \"\" a b .", "0001 0002 00 0161 0162 00"),
        ("NAPTR 1 2 u E2U+sip \"!a!b!\" .", "0001 0002 0175 074532552b736970 0521612162 21 00"),
        ("CAA 0 issue \"ca.example\"", "00 056973737565 63612e6578616d706c65"),
        ("URI 1 2 \"http://a\"", "0001 0002 687474703a2f2f61"),
        ("DNAME d.", "016400"),
        ("RP m. t.", "016d00 017400"),
        ("DS 1 RSASHA256 2 AB cd", "0001 08 02 abcd"),
        ("DNSKEY 257 3 13 AQ ID", "0101 03 0d 010203"),
        ("SSHFP 4 2 aabb", "0402aabb"),
        ("TLSA 3 1 1 00ff", "03010100ff"),
        (
            "NSEC a. A MX RRSIG NSEC TYPE1234",
            "016100 0006400100000003 041b 000000000000000000000000000000000000000000000000000020",
        ),
        ("NSEC3 1 0 5 - 04 A", "01 00 0005 00 0101 000140"),
        ("NSEC3PARAM 1 0 5 aabb", "01 00 0005 02aabb"),
        (
            "RRSIG A 13 2 1h 20240301000000 19700101000001 7 . AQ==",
            "0001 0d 02 00000e10 65e11a80 00000001 0007 00 01",
        ),
        (
            "RRSIG A 13 2 60 4294967295 1 7 . AQ==",
            "0001 0d 02 0000003c ffffffff 00000001 0007 00 01",
        ),
        ("SVCB 0 a.", "0000 016100"),
        ("HTTPS 1 . alpn=\"h2\" port=443", "0001 00 0001 0003 026832 0003 0002 01bb"),
        ("EUI48 00-11-22-aa-bb-cc", "001122aabbcc"),
        ("TYPE65280 \\# 3 ab cdef", "abcdef"),
        ("TYPE65280 \\# 0", ""),
        ("A \\# 4 c0000201", "c0000201"),
        ("TYPE1 192.0.2.1", "c0000201"),
    ] {
        assert_eq!(octets(text), expected.replace(' ', ""), "{text}");
    }
}

#[test]
fn what_is_refused() {
    let long = format!("TXT {}", "a".repeat(256));
    let too_long = format!("TXT {}", "a ".repeat(32_768));
    for (text, problem) in [
        ("A", "the data ends too early"),
        ("A 192.0.2.1 x", "'x' is one word too many"),
        ("A 192.0.2", "is no IPv4 address"),
        ("AAAA 192.0.2.1", "is no IPv6 address"),
        ("MX mail", "is no number"),
        ("MX 65536 mail", "is no number that fits"),
        ("NS a..b", "is no domain name"),
        ("TXT", "the data ends too early"),
        (&long, "longer than 255"),
        (&too_long, "longer than 65535"),
        ("DS 1 8 2 abc", "hexadecimal digits are wrong"),
        ("DS 1 8 2", "the data ends too early"),
        ("DNSKEY 257 3 13 A", "base64 text is wrong"),
        ("RRSIG A 13 2 60 20241301000000 1 7 . AQ==", "is no time"),
        ("RRSIG A 13 2 60 x 1 7 . AQ==", "is no time"),
        ("NSEC a. FOO", "'FOO' is no type"),
        ("NSEC3 1 0 5 - !! A", "is no base32hex"),
        ("HTTPS 1 . port=x", "correct the parameters"),
        ("NAPTR 1 2 { http x .", "'{' is no flag"),
        ("TYPE29 1 2", "has no notation here"),
        ("TYPE29 \\# 2 ab", "1 octets, not 2"),
        ("TYPE29 \\#", "needs a length"),
        ("A \\# 3 c00002", "are no data of type A"),
        ("TXT \\# 0", "are no data of type TXT"),
        ("DNAME \\# 2 0161", "are no data of type DNAME"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn names_alone() {
    assert_eq!(name_in(b"\x01a\0").unwrap().to_string(), "a.");
    assert_eq!(name_in(b"\x01a\0\0"), None);
    assert_eq!(name_in(b"\x01"), None);
}
