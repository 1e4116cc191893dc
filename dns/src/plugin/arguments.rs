//! Reads the arguments that many plugins take: counts, durations, rcodes, zones.
//!
//! Every function turns a token into a value or into an error that names the token's line, the problem and the
//! remedy.

use std::ops::RangeInclusive;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Name};

use crate::corefile::{self, CorefileError, Directive, Token};

/// The rcodes that have a mnemonic, as the Corefile and the metrics spell them (RFC 6895 §2.3).
const RCODES: [(&str, ResponseCode); 19] = [
    ("NOERROR", ResponseCode::NoError),
    ("FORMERR", ResponseCode::FormErr),
    ("SERVFAIL", ResponseCode::ServFail),
    ("NXDOMAIN", ResponseCode::NXDomain),
    ("NOTIMP", ResponseCode::NotImp),
    ("REFUSED", ResponseCode::Refused),
    ("YXDOMAIN", ResponseCode::YXDomain),
    ("YXRRSET", ResponseCode::YXRRSet),
    ("NXRRSET", ResponseCode::NXRRSet),
    ("NOTAUTH", ResponseCode::NotAuth),
    ("NOTZONE", ResponseCode::NotZone),
    ("BADSIG", ResponseCode::BADSIG),
    ("BADKEY", ResponseCode::BADKEY),
    ("BADTIME", ResponseCode::BADTIME),
    ("BADMODE", ResponseCode::BADMODE),
    ("BADNAME", ResponseCode::BADNAME),
    ("BADALG", ResponseCode::BADALG),
    ("BADTRUNC", ResponseCode::BADTRUNC),
    ("BADCOOKIE", ResponseCode::BADCOOKIE),
];

/// The units of a duration and their nanoseconds; `ms` stands before the `m` that it begins with.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Returns the only argument.
pub(crate) fn single(directive: &Directive) -> Result<&Token, CorefileError> {
    let name = &directive.name.text;
    match directive.args.as_slice() {
        [argument] => Ok(argument),
        [] => Err(directive.error(format!("{name} needs an argument; add one"))),
        [_, extra, ..] => {
            Err(extra.error(format!("{name} takes one argument; remove '{}'", extra.text)))
        }
    }
}

/// Returns the arguments, of which there has to be at least one.
pub(crate) fn some(directive: &Directive) -> Result<&[Token], CorefileError> {
    match directive.args.as_slice() {
        [] => {
            let name = &directive.name.text;
            Err(directive.error(format!("{name} needs at least one argument; add it")))
        }
        arguments => Ok(arguments),
    }
}

/// Refuses arguments.
pub(crate) fn none(directive: &Directive) -> Result<(), CorefileError> {
    let Some(extra) = directive.args.first() else { return Ok(()) };
    let name = &directive.name.text;
    Err(extra.error(format!("{name} takes no argument; remove '{}'", extra.text)))
}

/// Refuses a block in braces.
pub(crate) fn no_block(directive: &Directive) -> Result<(), CorefileError> {
    if directive.block.is_none() {
        return Ok(());
    }
    Err(directive.error(format!("{} takes no block; remove the braces", directive.name.text)))
}

/// Reads a whole number from 0 to 4294967295.
pub(crate) fn number(token: &Token) -> Result<u32, CorefileError> {
    let text = &token.text;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| {
        token.error(format!("'{text}' is no whole number; write one from 0 to {}", u32::MAX))
    })
}

/// Reads a whole number within a range of a unit.
pub(crate) fn number_in(
    token: &Token,
    range: RangeInclusive<u32>,
    unit: &str,
) -> Result<u32, CorefileError> {
    let (first, last) = range.clone().into_inner();
    let number = number(token).map_err(|_| {
        let text = &token.text;
        token.error(format!("'{text}' is no whole number; write one from {first} to {last} {unit}"))
    })?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(token.error(format!("{number} is out of range; write {first} to {last} {unit}")))
}

/// Reads a duration as Go writes it, such as `500ms`, `1.5h` or `1m30s`; `0` needs no unit.
pub(crate) fn duration(token: &Token) -> Result<Duration, CorefileError> {
    let text = &token.text;
    parse_duration(text).ok_or_else(|| {
        token.error(format!(
            "'{text}' is no duration; write numbers with units, such as 500ms, 2s or 1m30s"
        ))
    })
}

/// Reads the name of a response code; letter case does not matter.
pub(crate) fn rcode(token: &Token) -> Result<ResponseCode, CorefileError> {
    let text = &token.text;
    let found = RCODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, rcode)| *rcode).ok_or_else(|| {
        token.error(format!("'{text}' is no rcode; write a name such as SERVFAIL or NXDOMAIN"))
    })
}

/// Returns the name of a response code as the metrics spell it; `other` for those without a mnemonic, so that
/// an upstream cannot invent label values.
pub fn rcode_name(rcode: ResponseCode) -> &'static str {
    let code = u16::from(rcode);
    // By number, because 16 is BADVERS as well as BADSIG (RFC 6895 §2.3).
    let found = RCODES.iter().find(|(_, known)| u16::from(*known) == code);
    found.map_or("other", |(name, _)| name)
}

/// Reads zones; a network stands for the reverse zones that cover it.
pub(crate) fn zones(tokens: &[Token]) -> Result<Vec<LowerName>, CorefileError> {
    let mut zones = Vec::new();
    for token in tokens {
        for zone in corefile::zones(&token.text).map_err(|error| token.error(error.to_string()))? {
            zones.push(LowerName::new(&name_of(&zone, token)?));
        }
    }
    Ok(zones)
}

/// Reads a domain name, with or without its final dot.
pub(crate) fn domain(token: &Token) -> Result<Name, CorefileError> {
    name_of(&token.text, token)
}

fn name_of(text: &str, token: &Token) -> Result<Name, CorefileError> {
    let mut name = Name::from_ascii(text).map_err(|error| {
        token.error(format!("'{}' is no domain name: {error}; correct it", token.text))
    })?;
    name.set_fqdn(true);
    Ok(name)
}

pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let (nanoseconds, after) = duration_part(rest)?;
        total = total.checked_add(nanoseconds)?;
        rest = after;
    }
    Some(Duration::from_nanos(total))
}

/// Takes one number with its unit off the front of the text.
fn duration_part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) =
        UNITS.iter().find_map(|(name, unit)| Some((*unit, rest.strip_prefix(name)?)))?;
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let whole = whole.checked_mul(unit)?;
    Some((whole.checked_add(part_of(unit, fraction))?, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Returns the decimals of one unit in nanoseconds, rounded down.
fn part_of(unit: u64, fraction: &str) -> u64 {
    let (mut part, mut scale) = (0, unit);
    for digit in fraction.bytes() {
        part += scale * u64::from(digit - b'0') / 10;
        // Becomes 0 where digits are less than a nanosecond.
        scale /= 10;
    }
    part
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corefile::Position;

    fn token(text: &str) -> Token {
        let position = Position { file: Path::new("Corefile").into(), line: 7 };
        Token { text: text.into(), position, quoted: false }
    }

    #[test]
    fn durations_as_go_writes_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500_000_000),
            ("0.5s", 500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("2h45m1s7ms3us9ns", 9_901_007_003_009),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("0.000000001s", 1),
            ("0.0000000019s", 1),
        ] {
            assert_eq!(duration(&token(text)).unwrap().as_nanos(), nanoseconds, "{text}");
        }
        for text in ["", "5", "s", ".s", "-1s", "+1s", "1x", "1s2", "1 s", "99999999999999999999s"]
        {
            let error = duration(&token(text)).unwrap_err().to_string();
            assert!(error.starts_with("Corefile:7 - "), "{error}");
            assert!(error.contains("is no duration"), "{error}");
        }
        assert!(duration(&token("6000000h")).is_err(), "more than u64 nanoseconds");
    }

    #[test]
    fn numbers() {
        assert_eq!(number(&token("0")).unwrap(), 0);
        assert_eq!(number(&token("4294967295")).unwrap(), u32::MAX);
        for text in ["", "-1", "+1", "1.0", "4294967296", "ten"] {
            assert!(number(&token(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn rcodes_by_name() {
        assert_eq!(rcode(&token("ServFail")).unwrap(), ResponseCode::ServFail);
        assert!(rcode(&token("OOPS")).unwrap_err().to_string().contains("is no rcode"));
        for (name, rcode) in RCODES {
            assert_eq!(rcode_name(rcode), name);
        }
        assert_eq!(rcode_name(ResponseCode::BADVERS), "BADSIG");
        assert_eq!(rcode_name(ResponseCode::Unknown(3841)), "other");
    }

    #[test]
    fn zones_and_domains() {
        let parsed = zones(&[token("Example.ORG"), token("10.0.0.0/23")]).unwrap();
        let shown: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["example.org.", "0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa."]);
        assert!(zones(&[token("a..b")]).is_err());
        assert_eq!(domain(&token("probe.example")).unwrap().to_string(), "probe.example.");
        assert!(domain(&token("a..b")).is_err());
    }
}
