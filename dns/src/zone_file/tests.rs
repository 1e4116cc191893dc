//! Whole zone files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;

use super::*;

/// Files in memory, by their path.
struct Memory(BTreeMap<&'static str, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = path.to_str().and_then(|path| self.0.get(path));
        text.map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn read_with(text: &str, files: &[(&'static str, &str)]) -> Result<Vec<String>, String> {
    let files = Memory(files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect());
    let mut records = Vec::new();
    let origin = Name::from_ascii("example.org.").unwrap();
    let mut receive = |record: Record| {
        if record.ttl == 666 {
            return Err("refused by the receiver".to_owned());
        }
        records.push(record.to_string());
        Ok(())
    };
    parse(Path::new("/zones/db"), text.as_bytes(), &origin, &files, &mut receive)
        .map_err(|error| error.to_string())?;
    Ok(records)
}

fn read(text: &str) -> Vec<String> {
    read_with(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn owners_origins_and_order_of_fields() {
    let text = "@ 60 IN A 10.0.0.1\n IN 61 A 10.0.0.2\nwww 62 A 10.0.0.3\n\tA 10.0.0.4\n\
                $ORIGIN sub\na.example.net. in 5 a 10.0.0.5\n@ a 10.0.0.6\nb A 10.0.0.7\n\
                $origin .\nc CLASS1 A 10.0.0.8\n";
    let expected = [
        "example.org. 60 IN A 10.0.0.1",
        "example.org. 61 IN A 10.0.0.2",
        "www.example.org. 62 IN A 10.0.0.3",
        "www.example.org. 62 IN A 10.0.0.4",
        "a.example.net. 5 IN A 10.0.0.5",
        "sub.example.org. 5 IN A 10.0.0.6",
        "b.sub.example.org. 5 IN A 10.0.0.7",
        "c. 5 IN A 10.0.0.8",
    ];
    assert_eq!(read(text), expected);
}

#[test]
fn ttls_come_from_the_record_then_above() {
    let soa = "@ SOA a b 1 2 3 4 77";
    let ttls = |text: &str| -> Vec<u32> {
        let records = read(text);
        records.iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect()
    };
    assert_eq!(ttls(&format!("{soa}\na A 10.0.0.1\na 9 A 10.0.0.2\na A 10.0.0.3")), [77, 77, 9, 9]);
    let text = format!("$TTL 1m\n{soa}\na 9 A 10.0.0.1\na A 10.0.0.2\n$TTL 2m\na A 10.0.0.3");
    assert_eq!(ttls(&text), [60, 9, 60, 120]);
    assert_eq!(ttls("a 1h A 10.0.0.1"), [3600]);
}

#[test]
fn included_files_start_where_they_are_included_and_leave_nothing() {
    let files = [
        ("/zones/part", "x A 10.0.0.2\n$ORIGIN other.\n$TTL 9\n$INCLUDE deep/more sub.example.\n"),
        ("/zones/deep/more", " A 10.0.0.3\ny A 10.0.0.4\n$INCLUDE /abs\n"),
        ("/abs", "z A 10.0.0.5\n"),
    ];
    let text = "$TTL 60\na A 10.0.0.1\n$INCLUDE \"part\" in\n A 10.0.0.6\n";
    let expected = [
        "a.example.org. 60 IN A 10.0.0.1",
        "x.in.example.org. 60 IN A 10.0.0.2",
        "x.in.example.org. 9 IN A 10.0.0.3",
        "y.sub.example. 9 IN A 10.0.0.4",
        "z.sub.example. 9 IN A 10.0.0.5",
        "a.example.org. 60 IN A 10.0.0.6",
    ];
    assert_eq!(read_with(text, &files).unwrap(), expected);
    let itself = read_with("\n$INCLUDE db", &[("/zones/db", "\n$INCLUDE db")]).unwrap_err();
    assert!(itself.starts_with("/zones/db:2 - more than 100 included files"), "{itself}");
    let wide = "$INCLUDE empty\n".repeat(101);
    let wide = read_with(&wide, &[("/zones/empty", "")]).unwrap_err();
    assert!(wide.starts_with("/zones/db:101 - more than 100"), "{wide}");
    let inner = read_with("\n$INCLUDE part", &[("/zones/part", "\n\na A x")]).unwrap_err();
    assert_eq!(
        inner,
        "/zones/part:3 - the record has no TTL; write one, or $TTL above".replace(
            "the record has no TTL; write one, or $TTL above",
            "'x' is no IPv4 address; correct it"
        )
    );
}

#[test]
fn generated_records() {
    let text = "$TTL 60\n$GENERATE 1-3/2 host${10,3} A 10.0.0.$\n$GENERATE 7-7 $ 9 IN PTR h-$\n x A 10.0.0.9";
    let error = read_with(text, &[]).unwrap_err();
    assert!(error.starts_with("/zones/db:4 - 'x' is no type"), "{error}");
    let expected = [
        "host011.example.org. 60 IN A 10.0.0.1",
        "host013.example.org. 60 IN A 10.0.0.3",
        "7.example.org. 9 IN PTR h-7.example.org.",
    ];
    assert_eq!(read(&text.replace(" x A 10.0.0.9", "")), expected);
}

#[test]
fn mistakes_have_their_file_and_line() {
    for (text, expected) in [
        ("$TTL 1\n\na A (\n x )", "/zones/db:3 - 'x' is no IPv4 address; correct it"),
        (" A 10.0.0.1", "/zones/db:1 - no record is above"),
        ("a A 10.0.0.1", "/zones/db:1 - the record has no TTL"),
        ("a 60 CH A 10.0.0.1", "/zones/db:1 - only the class IN is served"),
        ("a 60 FOO x", "/zones/db:1 - 'FOO' is no type of records"),
        ("a 60 61 A 10.0.0.1", "/zones/db:1 - '61' is no type of records"),
        ("a 60", "/zones/db:1 - a record needs a type"),
        ("a", "/zones/db:1 - a record needs a type"),
        ("a 60 TYPE255 \\# 0", "/zones/db:1 - a zone has no records of type"),
        ("a 2147483648 A 10.0.0.1", "/zones/db:1 - the TTL 2147483648 is out of range"),
        ("a 666 A 10.0.0.1", "/zones/db:1 - refused by the receiver"),
        ("a..b 60 A 10.0.0.1", "/zones/db:1 - 'a..b' is no domain name"),
        ("$TTL x", "/zones/db:1 - 'x' is no time"),
        ("$TTL", "/zones/db:1 - write $TTL SECONDS"),
        ("$ORIGIN a b", "/zones/db:1 - write $ORIGIN NAME"),
        ("$INCLUDE", "/zones/db:1 - write $INCLUDE FILE"),
        ("$INCLUDE nope", "/zones/db:1 - cannot read /zones/nope"),
        ("$GENERATE 1-2 a", "/zones/db:1 - a record needs a type"),
        ("$GENERATE 2-1 a A 10.0.0.1", "/zones/db:1 - the range is FIRST-LAST"),
        ("$FOO", "/zones/db:1 - unknown directive '$FOO'"),
        ("a 60 A 10.0.0.1 )", "/zones/db:1 - a closing parenthesis"),
    ] {
        let error = read_with(text, &[]).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
