//! The documentation: its commands run, and its tables say what there is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod commands;
mod differences;
mod flags;
mod markdown;
mod metrics;
mod options;
mod plugins;
mod security;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the project's directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the text of a page.
fn page(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
