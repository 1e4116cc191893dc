//! Properties over arbitrary input: no panic, and printing is the inverse of parsing.

use std::path::Path;

use proptest::prelude::*;

use super::files::memory::MemoryFiles;
use super::outline::{environment, outline, parse_with};
use super::{Corefile, NameKind, parse, recover, zone_keys};

fn files() -> MemoryFiles {
    MemoryFiles::new([
        ("/etc/coredns/f", "a b {\n c\n}\nimport g\n"),
        ("/etc/coredns/g", "d \"e\nf\""),
        ("/etc/coredns/h", "}\nx {\n import s\n"),
        ("/etc/coredns/i", "import f\nimport i"),
    ])
}

/// Pieces that make grammatical text likely.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "a", "b.org", ".:53", "{", "}", " {\n", "\n}\n", "\n", " ", ",", "(s)", "(s) {\n", "import s\n",
            "import f\n", "import g\n", "import h\n", "import i\n", "import *\n", "\"", "\\", "\\\"", "\"\"",
            "\"import\"", "#", "\r", "\u{feff}", "\u{a0}", "{$ZONE}", "{$UNSET}", "{$BRACE}", "{$IMPORT}",
            "{$LIST}", "{$}", "{%ZONE%}", "{{", "}}", "(", ")", "[x]", "?",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// One argument: a plain word or anything in quotes that has a notation.
fn word() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "[a-z0-9./:-]{1,8}",
        "[a-z{}()\\\\,\"]{1,6}".prop_map(|text| format!("x{text}")),
        "([a-z #{}\n\r\t]|\\\\\"|\\\\[a-z]){0,8}".prop_map(|text| format!("\"{text}\"")),
    ]
}

/// Makes a word one that can name a directive or a zone: not empty, no comma and no opening brace at its end.
fn prefixed(word: &str) -> String {
    let word = word.replace(',', ";").replace('{', "(");
    match word.strip_prefix('"') {
        Some(rest) => format!("\"n{rest}"),
        None => format!("n{word}"),
    }
}

/// The lines of a block, blocks inside them.
fn lines() -> impl Strategy<Value = String> {
    let line = (word(), prop::collection::vec(word(), 0..3))
        .prop_map(|(name, args)| format!("{} {}", prefixed(&name), args.join(" ")));
    let leaf = line.clone().prop_map(|line| format!("{line}\n"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let block = (line.clone(), prop::collection::vec(inner, 0..4));
        block.prop_map(|(line, lines)| format!("{line} {{\n{}}}\n", lines.concat()))
    })
}

fn assert_prints_back(corefile: &Corefile) -> Result<(), TestCaseError> {
    let printed = corefile.to_string();
    let again = parse_with(&printed, &MemoryFiles::default());
    let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
    prop_assert_eq!(outline(&again), outline(corefile), "{}", printed);
    prop_assert_eq!(again.to_string(), printed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse(Path::new("Corefile"), &bytes, &files(), &environment);
    }

    #[test]
    fn token_soup_never_panics(text in soup()) {
        let _ = parse_with(&text, &files()).map(|corefile| corefile.to_string());
    }

    #[test]
    fn token_soup_is_read_past_its_mistakes(text in soup()) {
        let names = |name: &str| if name == "a" { NameKind::Plugin } else { NameKind::Other };
        let entry = Path::new("/etc/coredns/Corefile");
        let recovered = recover(entry, text.as_bytes(), &files(), &environment, &names);
        let recovered = recovered.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(recovered.is_partial.len(), recovered.corefile.blocks.len());
        prop_assert!(recovered.corefile.blocks.iter().all(|block| !block.keys.is_empty()));
        if parse_with(&text, &files()).is_err() {
            prop_assert!(!recovered.errors.is_empty());
        }
    }

    // Without environment references: not every value of one has a notation.
    #[test]
    fn token_soup_prints_back(text in soup()) {
        if let Ok(corefile) = parse_with(&text.replace(['$', '%'], "x"), &files()) {
            assert_prints_back(&corefile)?;
        }
    }

    #[test]
    fn blocks_print_back(blocks in prop::collection::vec((word(), prop::collection::vec(lines(), 0..4)), 1..4)) {
        let block = |(key, lines): &(String, Vec<String>)| format!("{} {{\n{}}}\n", prefixed(key), lines.concat());
        let text: String = blocks.iter().map(block).collect();
        let corefile = parse_with(&text, &MemoryFiles::default());
        let corefile = corefile.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(corefile.blocks.len(), blocks.len());
        assert_prints_back(&corefile)?;
    }

    #[test]
    fn zones_are_normal(text in "(tls://)?[ -~ȶ]{0,12}(/[0-9]{1,3})?(:[0-9]{1,5})?") {
        for key in zone_keys(&text, 53).unwrap_or_default() {
            prop_assert!(key.zone.ends_with('.'));
            prop_assert_eq!(key.zone.to_ascii_lowercase(), key.zone.clone());
            let again = zone_keys(&format!("{}://{}:{}", key.transport.scheme(), key.zone, key.port), 1);
            prop_assert_eq!(again, Ok(vec![key]));
        }
    }

    #[test]
    fn networks_have_zones(address: u32, length in 0_u8..=32, wide: u128, wide_length in 0_u8..=128) {
        let network = format!("{}/{length}", std::net::Ipv4Addr::from(address));
        let count = zone_keys(&network, 53).map(|keys| keys.len());
        prop_assert_eq!(count, Ok(1 << (length.next_multiple_of(8) - length)));
        // The first hexadecimal digit is set: such a network starts neither with ':' nor with '0'.
        let wide = std::net::Ipv6Addr::from(wide | 1 << 127);
        let count = zone_keys(&format!("{wide}/{wide_length}"), 53).map(|keys| keys.len());
        prop_assert_eq!(count, Ok(1 << (wide_length.next_multiple_of(4) - wide_length)));
    }
}
