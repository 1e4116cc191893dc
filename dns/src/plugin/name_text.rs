//! Names in presentation format, for rules that match on their text (RFC 1035 §5.1).

use hickory_proto::rr::Name;

/// The longest text: every octet of a name of 255 octets takes at most four characters.
const CAPACITY: usize = 4 * 255;

/// The octets that have a meaning in zone files, which are written with a backslash before them.
const SPECIAL: &[u8] = b".\\ '@;()\"";

/// The text of a name, in lower case by [`NameText::of`], with its final dot, without memory of its own.
#[derive(Debug)]
pub(crate) struct NameText {
    octets: [u8; CAPACITY],
    length: usize,
}

impl NameText {
    /// Writes a name.
    pub(crate) fn of(name: &Name) -> Self {
        Self::with(name, |octet| octet.to_ascii_lowercase())
    }

    fn with(name: &Name, letter: fn(u8) -> u8) -> Self {
        let mut text = Self { octets: [0; CAPACITY], length: 0 };
        for label in name {
            label.iter().for_each(|octet| text.octet(letter(*octet)));
            text.push(b'.');
        }
        if text.length == 0 {
            text.push(b'.');
        }
        text
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        // Only ASCII is pushed.
        self.octets.get(..self.length).and_then(|text| str::from_utf8(text).ok()).unwrap_or(".")
    }

    fn octet(&mut self, octet: u8) {
        if SPECIAL.contains(&octet) {
            self.push(b'\\');
            self.push(octet);
        } else if octet.is_ascii_graphic() {
            self.push(octet);
        } else {
            self.push(b'\\');
            for digit in [octet / 100, octet / 10 % 10, octet % 10] {
                self.push(b'0' + digit);
            }
        }
    }

    fn push(&mut self, character: u8) {
        if let Some(place) = self.octets.get_mut(self.length) {
            *place = character;
            self.length += 1;
        }
    }
}

/// Returns the text of a name in the letter case that it has.
///
/// Unlike hickory's, the escapes are decimal, as other software reads them.
pub(crate) fn presentation(name: &Name) -> String {
    NameText::with(name, |octet| octet).as_str().to_owned()
}

/// Reads a name, always as a complete one; none when a label is empty or longer than 63 octets, or the name
/// is longer than 255.
pub(crate) fn parse_name(text: &str) -> Option<Name> {
    if text == "." {
        return Some(Name::root());
    }
    let (mut labels, mut label) = (Vec::new(), Vec::new());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'.' if label.is_empty() => return None,
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => label.push(escaped(&mut rest)?),
            octet => label.push(octet),
        }
    }
    if !label.is_empty() {
        labels.push(label);
    }
    if labels.is_empty() {
        return None;
    }
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Reads what follows a backslash: three digits, or a character that stands for itself.
fn escaped(rest: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = rest.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let odd = Name::from_labels([&b"a.b"[..], b"C D", &[0, 255], b"_x"]).unwrap();
        let text = NameText::of(&odd);
        assert_eq!(text.as_str(), "a\\.b.c\\ d.\\000\\255._x.");
        assert_eq!(NameText::of(&parse_name(text.as_str()).unwrap()).as_str(), text.as_str());
        assert_eq!(NameText::of(&Name::root()).as_str(), ".");
        let longest = Name::from_labels(vec![vec![0; 63], vec![0; 63], vec![0; 63], vec![0; 61]]);
        let text = NameText::of(&longest.unwrap());
        assert_eq!(text.as_str().len(), 4 * 250 + 4);
        assert_eq!(parse_name(text.as_str()).unwrap().len(), 254);
    }

    #[test]
    fn what_is_no_name() {
        for text in ["", "a..b", ".a", "a\\", "a\\25", "a\\256", &"a".repeat(64), &"a.".repeat(128)]
        {
            assert_eq!(parse_name(text), None, "{text}");
        }
        assert!(parse_name("Www.Example").unwrap().is_fqdn());
        assert_eq!(parse_name("a."), parse_name("a"));
    }
}
