//! The texts of licences, which have to go with the binaries.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::packages::{Package, Packages};

/// What files with such texts begin with, in small letters.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// Returns every text, once, with the packages that it is of; and of packages without one what they say of themselves.
///
/// # Errors
/// The folder of a package cannot be read.
pub(crate) fn of(packages: &Packages) -> Result<Vec<u8>> {
    let mut texts = BTreeMap::<String, Vec<&str>>::new();
    let mut all = String::from("Portolan is built with these packages.\n\n");
    for (reference, package) in packages.0.iter().filter(|(_, package)| !package.is_own) {
        let _ = writeln!(all, "{reference}: {}", package.licence);
        for text in texts_of(package)? {
            texts.entry(text).or_default().push(reference);
        }
    }
    for (text, of) in texts {
        let _ = write!(all, "\n{}\n{}\n\n{text}\n", "-".repeat(80), of.join(", "));
    }
    Ok(all.into_bytes())
}

fn texts_of(package: &Package) -> Result<Vec<String>> {
    let folder = &package.folder;
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}; run `cargo fetch`", folder.display()))?;
    let mut texts = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            let octets = fs::read(entry.path())?;
            texts.push(String::from_utf8_lossy(&octets).replace('\r', "").trim().to_owned());
        }
    }
    texts.sort();
    Ok(texts)
}
