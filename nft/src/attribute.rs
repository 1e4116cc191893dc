//! Attributes of netlink messages: length, type, octets, padded to 4 (`struct nlattr`; RFC 3549 §2.2 for the idea).

/// The bit of a type that says that attributes are inside (`NLA_F_NESTED`).
const NESTED: u16 = 1 << 15;

/// The bits of a type that are its number (`NLA_TYPE_MASK`).
const NUMBER: u16 = (1 << 14) - 1;

/// Attributes that are being written. Numbers are in network order, as nfnetlink has them.
#[derive(Default, Debug)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// Begins behind what is already there.
    pub fn behind(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Returns what was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Returns the number of octets written.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes attributes that are written already.
    pub fn append(&mut self, attributes: &[u8]) {
        self.0.extend(attributes);
    }

    /// Writes octets.
    pub fn octets(&mut self, kind: u16, octets: &[u8]) {
        self.nest(kind, |inside| inside.0.extend(octets));
    }

    /// Writes a text with its NUL.
    pub fn text(&mut self, kind: u16, text: &str) {
        self.nest(kind, |inside| {
            inside.0.extend(text.as_bytes());
            inside.0.push(0);
        });
    }

    /// Writes a number of 16 bits.
    pub fn u16(&mut self, kind: u16, number: u16) {
        self.octets(kind, &number.to_be_bytes());
    }

    /// Writes a number of 32 bits.
    pub fn u32(&mut self, kind: u16, number: u32) {
        self.octets(kind, &number.to_be_bytes());
    }

    /// Writes a number of 64 bits.
    pub fn u64(&mut self, kind: u16, number: u64) {
        self.octets(kind, &number.to_be_bytes());
    }

    /// Writes attributes inside of one.
    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        self.nest(kind | NESTED, write);
    }

    /// Writes an attribute. One of more than 65,535 octets gets a length that the kernel refuses; those that
    /// can grow, lists of elements, are cut into messages before.
    fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0, 0]);
        self.0.extend(kind.to_ne_bytes());
        write(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// One attribute that was read.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// The number of its type, without flags.
    pub kind: u16,
    /// What is in it.
    pub octets: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Returns a number of 16 bits in network order.
    pub fn u16(self) -> Option<u16> {
        self.octets.try_into().ok().map(u16::from_be_bytes)
    }

    /// Returns a number of 32 bits in network order.
    pub fn u32(self) -> Option<u32> {
        self.octets.try_into().ok().map(u32::from_be_bytes)
    }

    /// Returns a number of 64 bits in network order.
    pub fn u64(self) -> Option<u64> {
        self.octets.try_into().ok().map(u64::from_be_bytes)
    }

    /// Returns the text before the first NUL.
    pub fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.octets.split(|octet| *octet == 0).next()?).ok()
    }

    /// Returns the attributes inside.
    pub fn nested(self) -> impl Iterator<Item = Attribute<'a>> {
        read(self.octets)
    }
}

/// Reads attributes, up to the end or the first that is cut off.
pub fn read(mut octets: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = octets.split_first_chunk::<2>()?;
        let kind = u16::from_ne_bytes(*rest.first_chunk()?) & NUMBER;
        let length = usize::from(u16::from_ne_bytes(*length));
        let inside = octets.get(4..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind, octets: inside })
    })
}

/// Returns the first attribute of a kind.
pub fn find(octets: &[u8], kind: u16) -> Option<Attribute<'_>> {
    read(octets).find(|attribute| attribute.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let mut attributes = Attributes::default();
        attributes.text(1, "abcd");
        attributes.nested(2, |inside| {
            inside.u16(3, 0x0102);
            inside.u64(4, 5);
        });
        attributes.u32(6, 7);
        let octets = attributes.finish();
        assert_eq!(octets[..12], [9, 0, 1, 0, b'a', b'b', b'c', b'd', 0, 0, 0, 0]);
        assert_eq!(octets[14..16], [2, 0x80], "the flag of nested attributes");
        assert_eq!(find(&octets, 1).unwrap().text(), Some("abcd"));
        let inside: Vec<_> = find(&octets, 2).unwrap().nested().collect();
        assert_eq!((inside[0].u16(), inside[1].u64()), (Some(0x0102), Some(5)));
        assert_eq!(find(&octets, 6).unwrap().u32(), Some(7));
        assert_eq!(find(&octets, 6).unwrap().u16(), None);
        for cut in 0..octets.len() {
            let kinds: Vec<u16> = read(&octets[..cut]).map(|attribute| attribute.kind).collect();
            assert!(kinds.len() < 3 && [1, 2, 6].starts_with(&kinds), "{cut}: {kinds:?}");
        }
    }
}
