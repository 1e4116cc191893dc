//! `make bench`: every server on the same data in turn, on one processor, with its client on another.

mod api;
mod arguments;
mod changes;
mod cluster;
mod compare;
mod connections;
mod dnsperf;
mod doh;
mod flame;
mod goals;
mod latency;
mod list;
mod machine;
mod measure;
mod memory;
mod process;
mod question;
mod report;
mod results;
mod scene;
mod servers;
mod start;
mod statistics;
mod trial;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => compare::compare(&arguments.comparison),
        Some(Command::Flame(wanted)) => flame::record(&wanted),
        Some(Command::List { kubeconfig, requests }) => list::list(&kubeconfig, requests),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a command line says what failed")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
