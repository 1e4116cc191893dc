//! The answer of a command on the standard output, and remarks beside it on the standard error.
//!
//! A reader such as `head` may close the pipe when it has enough: the command then ends as if all had been read.

use std::io::{ErrorKind, Write, stderr, stdout};

use anyhow::{Context, Result};

/// Writes the answer of a command.
///
/// # Errors
/// It cannot be written, for example because the disk is full. A reader that has gone is no error.
pub(crate) fn answer(text: &str) -> Result<()> {
    let mut output = stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a remark. Where nobody can read it, there is nobody to tell either.
pub(crate) fn remark(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}
