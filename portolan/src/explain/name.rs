//! Names as zone files write them (RFC 1035 §5.1): `\.` and `\DDD`, in decimal.
//!
//! hickory-proto reads and writes `\DDD` in octal, and refuses most escaped characters.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use hickory_proto::rr::Name;

/// Reads a name; with or without the final dot it is fully qualified.
///
/// # Errors
/// An escape is broken, a label is empty or longer than 63 octets, or the name longer than 255.
pub(super) fn parse(text: &str) -> Result<Name> {
    let mut labels = split(text).with_context(|| format!("{text:?} is no domain name"))?;
    // The final dot.
    if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
        labels.pop();
    }
    if text == "." {
        labels.clear();
    }
    if labels.iter().any(Vec::is_empty) {
        bail!("{text:?} is no domain name: a label between two dots is empty");
    }
    let name = Name::from_labels(labels.iter().map(Vec::as_slice));
    let mut name = name.with_context(|| format!("{text:?} is no domain name"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Returns the labels as octets.
fn split(text: &str) -> Result<Vec<Vec<u8>>> {
    let mut labels = vec![Vec::new()];
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'.' {
            labels.push(Vec::new());
            continue;
        }
        let octet = match octet {
            b'\\' => escaped(&mut octets)?,
            octet if octet.is_ascii() => octet,
            _ => bail!("write names of other scripts as their xn-- form, or octets as \\DDD"),
        };
        if let Some(label) = labels.last_mut() {
            label.push(octet);
        }
    }
    Ok(labels)
}

/// Reads what follows a backslash: three digits, or any other character.
fn escaped(octets: &mut impl Iterator<Item = u8>) -> Result<u8> {
    let broken = "a backslash needs three digits up to 255, or one character, after it";
    let first = octets.next().context(broken)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut number = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).context(broken)?;
        number = number * 10 + u16::from(digit - b'0');
    }
    u8::try_from(number).context(broken)
}

/// Returns the text that [`parse`] reads as this name, with the final dot.
pub(super) fn write(name: &Name) -> String {
    let mut text = String::new();
    for label in name.iter() {
        for octet in label {
            // Writing to a String cannot fail.
            let _ = match octet {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    write!(text, "\\{}", char::from(*octet))
                }
                0x21..=0x7e => write!(text, "{}", char::from(*octet)),
                _ => write!(text, "\\{octet:03}"),
            };
        }
        text.push('.');
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_and_write() {
        for (text, written) in [
            ("Web.example", "Web.example."),
            (".", "."),
            ("a.", "a."),
            ("_http._tcp.web.svc", "_http._tcp.web.svc."),
            ("*.example.org", "*.example.org."),
            (r"first\.second.example", r"first\.second.example."),
            (r"a\032b\000.example", r"a\032b\000.example."),
            (r"\097\\\;.example", r"a\\\;.example."),
            (r"\255.example", r"\255.example."),
            ("a/b:c.example", "a/b:c.example."),
            ("xn--bcher-kva.example", "xn--bcher-kva.example."),
        ] {
            let name = parse(text).unwrap();
            assert_eq!(write(&name), written);
            assert_eq!(parse(written).unwrap(), name);
        }
        let labels: Vec<Vec<u8>> = parse(r"a\.b.c").unwrap().iter().map(<[u8]>::to_vec).collect();
        assert_eq!(labels, [b"a.b".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn what_is_no_name() {
        for (text, part) in [
            ("a..b", "is empty"),
            (".a", "is empty"),
            ("..", "is empty"),
            ("a\\", "after it"),
            (r"\25", "after it"),
            (r"\256", "after it"),
            (r"\1a2", "after it"),
            ("bücher.example", "xn--"),
            (&"a".repeat(64), "is no domain name"),
            (&"a.".repeat(128), "is no domain name"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
