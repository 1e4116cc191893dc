//! Reads zone files (RFC 1035 §5, RFC 2308 §4, RFC 3597 §5).
//!
//! ```text
//! $ORIGIN example.org.
//! $TTL 1h
//! @    IN SOA ns1 admin ( 2024010101 2h 30m 2w 5m )
//!         NS  ns1
//! ns1     A   192.0.2.1
//! ```

pub(crate) mod data;
mod generate;
mod lexer;
mod reader;
mod types;
mod word;

use std::path::{Path, PathBuf};

use hickory_proto::rr::{Name, RData, Record, RecordType};

use self::lexer::Lexer;
use crate::corefile::Files;

/// Says what is wrong with a zone file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}:{line} - {problem}", file.display())]
pub struct ZoneFileError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

/// The most files that a zone file may include, and how deep.
const MAX_INCLUDES: usize = 100;
const MAX_DEPTH: usize = 7;

/// The most records of a zone file with what it includes.
const MAX_RECORDS: usize = 2_000_000;

/// Reads a zone file whose relative names continue with `origin`, and gives each record to `receive`, in their
/// order, which may refuse one.
///
/// # Errors
/// The first thing that is wrong, with the file and the line.
pub fn parse(
    path: &Path,
    octets: &[u8],
    origin: &Name,
    files: &dyn Files,
    receive: &mut dyn FnMut(Record) -> Result<(), String>,
) -> Result<(), ZoneFileError> {
    reader::read(path, octets, origin, files, receive)
}

/// Reads the data of one record as it stands in a zone file; relative names continue with `origin`.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(crate) fn parse_data(
    record_type: RecordType,
    text: &str,
    origin: &Name,
) -> Result<RData, String> {
    if !types::is_data(record_type) {
        return Err(format!("there are no records of type {record_type}"));
    }
    let mut lexer = Lexer::new(text.as_bytes());
    let mut next = || lexer.next_entry().map_err(|error| error.problem.to_owned());
    let words = next()?.map(|entry| entry.words).unwrap_or_default();
    if next()?.is_some() {
        return Err("there is more than one line; put parentheses around them".to_owned());
    }
    data::parse(record_type, &words, origin)
}

#[cfg(test)]
mod tests;
