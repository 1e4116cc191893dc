//! The text of hosts files (hosts(5)).

use std::net::IpAddr;

use super::key::Key;
use super::table::{HostTable, MAX_ENTRIES};

/// What of a hosts file could not be used.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Mistakes {
    /// The number of lines.
    pub(super) count: usize,
    /// The first, counted from 1, and what is wrong with it.
    pub(super) first: Option<(usize, String)>,
}

/// Says that a hosts file is too large, with the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: more than {MAX_ENTRIES} entries; split the file between server blocks")]
pub(super) struct TooLong {
    line: usize,
}

/// Adds the entries of a hosts file whose names are in one of these zones to a table.
///
/// A line that is no entry is left out, like everybody who reads hosts files does.
///
/// ```text
/// 192.0.2.1 www.example.org www   # comment
/// fe80::1%lo0 *.example.org
/// ```
pub(super) fn read(
    octets: &[u8],
    zones: &[Key],
    table: &mut HostTable,
) -> Result<Mistakes, TooLong> {
    let mut mistakes = Mistakes::default();
    for (at, line) in octets.split(|octet| *octet == b'\n').enumerate() {
        let line = line.split(|octet| *octet == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(address) = words.next() else { continue };
        if let Err(problem) = read_line(address, words, zones, table) {
            let problem = problem.ok_or(TooLong { line: at + 1 })?;
            mistakes.count += 1;
            mistakes.first.get_or_insert((at + 1, problem));
        }
    }
    table.shrink();
    Ok(mistakes)
}

/// Adds the entries of a line; an error without text means that the table is full.
fn read_line<'a>(
    address: &[u8],
    names: impl Iterator<Item = &'a [u8]>,
    zones: &[Key],
    table: &mut HostTable,
) -> Result<(), Option<String>> {
    let show = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let Some(ip) = parse_address(address) else {
        return Err(Some(format!("'{}' is no address", show(address))));
    };
    let (mut problem, mut has_name) = (None, false);
    for name in names {
        has_name = true;
        let Ok(key) = Key::parse(name) else {
            problem = Some(format!("'{}' is no host name", show(name)));
            continue;
        };
        if zones.iter().any(|zone| key.is_in(zone)) {
            table.insert(&key, ip).map_err(|_| None)?;
        }
    }
    if !has_name {
        problem = Some(format!("'{}' has no name", show(address)));
    }
    problem.map_or(Ok(()), |problem| Err(Some(problem)))
}

/// Reads an address; the zone of an IPv6 address is left out, and an IPv4 address in it is one.
pub(super) fn parse_address(word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    let text = text.split('%').next()?;
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn entries_comments_and_mistakes() {
        let text = b"# hosts\r\n127.0.0.1\tlocalhost  Local.example # comment\r\n\n\
                     ::ffff:10.0.0.2 mapped\nfe80::1%lo0 linked#x\nnonsense here\n10.0.0.3\n\
                     10.0.0.4 bad..name good\n10.0.0.5 other.test\n10.0.0.256 x";
        let zones = ["localhost", "example", "mapped", "linked", "good", "bad"].map(key);
        let mut table = HostTable::new(true);
        let mistakes = read(text, &zones, &mut table).unwrap();
        for (name, address) in [
            ("localhost", "127.0.0.1"),
            ("local.example", "127.0.0.1"),
            ("mapped", "10.0.0.2"),
            ("linked", "fe80::1"),
            ("good", "10.0.0.4"),
        ] {
            let addresses: Vec<String> =
                table.addresses(&key(name)).map(|ip| ip.to_string()).collect();
            assert_eq!(addresses, [address], "{name}");
        }
        assert!(!table.has(&key("other.test")), "not in a zone");
        assert_eq!(mistakes.count, 4);
        assert_eq!(mistakes.first, Some((6, "'nonsense' is no address".into())));
    }
}
