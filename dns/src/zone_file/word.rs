//! What single words of a zone file mean: names, texts, numbers, types.

use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::txt::parse_ttl;

use super::lexer::Word;
use super::types;

/// The largest TTL (RFC 2181 §8).
pub(super) const MAX_TTL: u32 = (1 << 31) - 1;

/// An octet, whether it was escaped, and the text after it.
type NextOctet<'a> = (u8, bool, &'a [u8]);

impl Word<'_> {
    /// Returns the word for a message to people.
    pub(super) fn show(&self) -> String {
        let text = String::from_utf8_lossy(self.octets);
        let shown: String = text.chars().take(80).collect();
        shown.escape_debug().to_string()
    }

    /// Returns the octets that a text stands for: escapes are resolved.
    pub(super) fn text(&self) -> Result<Vec<u8>, String> {
        let mut octets = Vec::with_capacity(self.octets.len());
        let mut rest = self.octets;
        while let Some((octet, is_escaped, after)) = self.next_octet(rest)? {
            // The quotation marks within a word are no part of it.
            if is_escaped || octet != b'"' {
                octets.push(octet);
            }
            rest = after;
        }
        Ok(octets)
    }

    /// Reads a domain name; a relative one continues with the origin, and `@` is the origin.
    pub(super) fn name(&self, origin: &Name) -> Result<Name, String> {
        if self.octets == b"@" {
            return Ok(origin.clone());
        }
        if self.octets == b"." {
            return Ok(Name::root());
        }
        let (labels, is_absolute) = self.labels()?;
        let relative = labels.iter().map(Vec::as_slice);
        let labels = relative.chain(origin.iter().take(if is_absolute { 0 } else { usize::MAX }));
        let mut name =
            Name::from_labels(labels).map_err(|error| self.no_name(&error.to_string()))?;
        name.set_fqdn(true);
        Ok(name)
    }

    fn labels(&self) -> Result<(Vec<Vec<u8>>, bool), String> {
        let (mut labels, mut label) = (Vec::new(), Vec::new());
        let mut rest = self.octets;
        let mut is_absolute = false;
        while let Some((octet, is_escaped, after)) = self.next_octet(rest)? {
            is_absolute = octet == b'.' && !is_escaped;
            match is_absolute {
                true if label.is_empty() => return Err(self.no_name("a label is empty")),
                true => labels.push(std::mem::take(&mut label)),
                false => label.push(octet),
            }
            rest = after;
        }
        if !is_absolute {
            if label.is_empty() {
                return Err(self.no_name("it is empty"));
            }
            labels.push(label);
        }
        Ok((labels, is_absolute))
    }

    /// Takes an octet off the front, and says whether it was escaped.
    fn next_octet<'b>(&self, text: &'b [u8]) -> Result<Option<NextOctet<'b>>, String> {
        match text {
            [] => Ok(None),
            [b'\\', a, b, c, rest @ ..] if [a, b, c].iter().all(|octet| octet.is_ascii_digit()) => {
                let digits = [a, b, c].map(|octet| u32::from(octet - b'0'));
                let number = digits[0] * 100 + digits[1] * 10 + digits[2];
                let octet = u8::try_from(number).map_err(|_| {
                    format!("'{}' escapes more than \\255; correct it", self.show())
                })?;
                Ok(Some((octet, true, rest)))
            }
            [b'\\', octet, rest @ ..] if !octet.is_ascii_digit() => Ok(Some((*octet, true, rest))),
            [b'\\', ..] => Err(format!("'{}' has half an escape; write \\DDD", self.show())),
            [octet, rest @ ..] => Ok(Some((*octet, false, rest))),
        }
    }

    fn no_name(&self, why: &str) -> String {
        format!("'{}' is no domain name: {why}; correct it", self.show())
    }

    /// Reads a time in seconds, such as `3600` or `1h30m`.
    pub(super) fn seconds(&self) -> Result<u32, String> {
        let seconds = self.ascii().and_then(|text| parse_ttl(text).ok());
        seconds.ok_or_else(|| {
            format!("'{}' is no time; write seconds, or units such as 1h30m", self.show())
        })
    }

    /// Reads a TTL.
    pub(super) fn ttl(&self) -> Result<u32, String> {
        let ttl = self.seconds()?;
        if ttl > MAX_TTL {
            return Err(format!("the TTL {ttl} is out of range; write 0 to {MAX_TTL}"));
        }
        Ok(ttl)
    }

    /// Says whether the word can be nothing but a TTL where a TTL, a class or a type may stand.
    pub(super) fn is_ttl(&self) -> bool {
        !self.is_quoted && self.octets.first().is_some_and(u8::is_ascii_digit)
    }

    /// Reads a whole number.
    pub(super) fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        let digits = self.ascii().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
            format!("'{}' is no number that fits; write digits within its range", self.show())
        })
    }

    /// Reads the mnemonic of a type, or `TYPE` and its number (RFC 3597 §5).
    pub(super) fn record_type(&self) -> Option<RecordType> {
        types::by_name(self.ascii().filter(|_| !self.is_quoted)?)
    }

    /// Returns the word if it is ASCII text.
    pub(super) fn ascii(&self) -> Option<&str> {
        std::str::from_utf8(self.octets).ok().filter(|text| text.is_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word<'_> {
        Word { octets: text.as_bytes(), is_quoted: false }
    }

    #[test]
    fn names() {
        let origin = Name::from_ascii("Example.org.").unwrap();
        for (text, expected) in [
            ("@", "Example.org."),
            (".", "."),
            ("www", "www.Example.org."),
            ("www.a", "www.a.Example.org."),
            ("www.", "www."),
            ("*.a", "*.a.Example.org."),
            ("\\065b.", "Ab."),
        ] {
            let name = word(text).name(&origin).unwrap();
            assert!(name.eq_case(&Name::from_ascii(expected).unwrap()), "{text}: {name}");
        }
        let at = word("\\@").name(&origin).unwrap();
        assert_eq!(at.iter().next(), Some(b"@".as_slice()));
        let dot = word("a\\.b.c.").name(&origin).unwrap();
        assert_eq!(dot.iter().next(), Some(b"a.b".as_slice()));
        let long = format!("{}.", "a".repeat(64));
        for (text, problem) in [
            ("a..b", "a label is empty"),
            (".a", "a label is empty"),
            ("", "it is empty"),
            ("\\256", "escapes more than"),
            ("\\1", "half an escape"),
            (long.as_str(), "is no domain name"),
        ] {
            let error = word(text).name(&origin).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
        assert!(word(&"a.".repeat(127)).name(&origin).is_ok());
        assert!(word(&"a.".repeat(128)).name(&origin).is_err());
    }

    #[test]
    fn texts_times_and_numbers() {
        assert_eq!(word("a\\\"b\\059\"c\"").text().unwrap(), b"a\"b;c");
        assert_eq!(word("\\200").text().unwrap(), [200]);
        assert_eq!(word("1h30m").seconds().unwrap(), 5400);
        assert!(word("x").seconds().is_err() && word("").seconds().is_err());
        assert_eq!(word("2147483647").ttl().unwrap(), MAX_TTL);
        assert!(word("2147483648").ttl().unwrap_err().contains("out of range"));
        assert_eq!(word("65535").number::<u16>().unwrap(), 65535);
        assert!(word("65536").number::<u16>().is_err() && word("+1").number::<u16>().is_err());
    }
}
