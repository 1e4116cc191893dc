//! `portolan check`: every mistake of a Corefile, and what is allowed and hardly meant.
//!
//! Files are read, and nothing else is done: no socket, no connection to a cluster.

mod report;

use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use dns::config::Surroundings;
use dns::config::lints::lints;
use dns::config::mistakes::{Examined, examine};
use dns::corefile::limits::MAX_FILE_BYTES;
use dns::corefile::{CorefileError, DiskFiles, Position};
use dns::edge::interfaces::interfaces;
use dns::edge::needed_files::read_needed_files;

use crate::cli::CheckArguments;
use crate::print;
use report::{Finding, Report};

/// Checks a Corefile and prints what was found; the exit code is 1 for mistakes, with `--strict` for warnings, too.
///
/// # Errors
/// The Corefile cannot be read.
pub(crate) fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let (name, text) = read(&arguments.corefile)?;
    let report = check(&name, &text, arguments.port)?;
    if arguments.json {
        print::answer(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print::answer(&report.text())?;
    }
    let is_refused = report.has_mistakes() || arguments.strict && report.has_warnings();
    Ok(if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Returns the name and the text of a Corefile; one octet more than it may have shows that it is too large.
fn read(path: &Path) -> Result<(PathBuf, Vec<u8>)> {
    if !["-", "stdin"].map(Path::new).contains(&path) {
        let text = std::fs::read(path).with_context(|| {
            format!("cannot read the Corefile {}; name an existing file", path.display())
        })?;
        return Ok((path.to_owned(), text));
    }
    let mut text = Vec::new();
    stdin().take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(("stdin".into(), text))
}

fn check(name: &Path, text: &[u8], default_port: u16) -> Result<Report> {
    let interfaces = interfaces().context("cannot list the network interfaces")?;
    let around = Surroundings { files: &DiskFiles, interfaces: &interfaces, default_port };
    let environment = |variable: &str| std::env::var(variable).ok();
    let examined = match examine((name, text), around, &environment) {
        Ok(examined) => examined,
        Err(error) => return Ok(Report::new(name, vec![Finding::mistake(&error)], Vec::new())),
    };
    let Examined { corefile, mut mistakes, sound } = examined;
    if corefile.blocks.is_empty() && mistakes.is_empty() {
        mistakes.push(without_blocks(name));
    }
    let files = read_needed_files(&corefile, default_port);
    let mistakes = mistakes.iter().chain(&files.mistakes).map(Finding::mistake).collect();
    let doubts = sound.map(|sound| lints(&sound, around)).unwrap_or_default();
    let warnings = corefile.warnings.iter().chain(&files.warnings).chain(&doubts);
    Ok(Report::new(name, mistakes, warnings.map(Finding::warning).collect()))
}

fn without_blocks(name: &Path) -> CorefileError {
    let position = Position { file: name.into(), line: 1 };
    CorefileError::Syntax {
        position,
        text: "no server block; write for example `.:53 { … }`".into(),
    }
}
