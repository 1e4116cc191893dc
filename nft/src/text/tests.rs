use super::*;
use crate::sample;

/// The file that shows [`sample::everything`]; `PORTOLAN_GOLDEN=write` writes it.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/everything.nft");

#[test]
fn everything_is_written_as_in_the_file() {
    let text = sample::everything().to_string();
    if std::env::var("PORTOLAN_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (number, (line, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(line, expected, "line {} of {GOLDEN}", number + 1);
    }
    assert_eq!(text, golden);
}

#[test]
fn an_empty_table_is_a_table() {
    assert_eq!(Ruleset::new(sample::name("t")).to_string(), "table inet t {\n}\n");
}

#[test]
fn states_without_a_name_are_numbers() {
    assert_eq!(Value::CtState(0x48).to_string(), "new,untracked");
    assert_eq!(Value::CtState(0x108).to_string(), "new,0x100");
    assert_eq!(Value::CtState(0).to_string(), "0x0");
}
