//! `portolan-ipam`: the IPAM plugin as a program of its own.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = portolan_cni_ipam::command::run(|name| std::env::var_os(name), std::io::stdin().lock());
    // Nobody is left to tell when these cannot be written.
    let _ = std::io::stderr().write_all(outcome.stderr.as_bytes());
    let is_written = std::io::stdout().write_all(outcome.stdout.as_bytes()).is_ok();
    if is_written { ExitCode::from(outcome.code) } else { ExitCode::FAILURE }
}
