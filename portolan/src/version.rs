//! `portolan version`: which program this is, and how it was built.

use anyhow::Result;
use serde_json::{Value, json};

use crate::print;

/// The commit; who builds an image sets it.
pub(crate) const REVISION: &str = match option_env!("PORTOLAN_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Prints it.
///
/// # Errors
/// The standard output cannot be written to.
pub(crate) fn run(as_json: bool) -> Result<()> {
    let facts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("revision", REVISION.to_owned()),
        ("platform", platform()),
        ("compiler", env!("PORTOLAN_COMPILER").to_owned()),
        ("linking", word(cfg!(target_feature = "crt-static"), "static", "dynamic")),
        ("profile", word(cfg!(debug_assertions), "debug", "release")),
    ];
    if as_json {
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
        return print::answer(&format!("{:#}\n", Value::Object(facts.collect())));
    }
    let lines = facts.map(|(name, value)| format!("{name:9} {value}\n"));
    print::answer(&lines.concat())
}

/// Returns the operating system and the architecture by the names that images have for them, which are Go's.
pub(crate) fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}/{architecture}", std::env::consts::OS)
}

fn word(is: bool, yes: &str, no: &str) -> String {
    if is { yes.to_owned() } else { no.to_owned() }
}
