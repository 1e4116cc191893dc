//! What goes beside the program: completions for shells, and manual pages. Both are made of the command line itself.

use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::print;

/// Prints the completions for a shell.
///
/// # Errors
/// The standard output cannot be written to.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portolan", &mut text);
    print::answer(&String::from_utf8(text).context("the completions are no text")?)
}

/// Writes a page for the program and one for each of its commands.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn pages(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("cannot write to {}", folder.display()))
}
