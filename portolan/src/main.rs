//! `portolan`: the roles of the appliance behind one command line.

mod check;
mod cli;
mod coredns_flags;
mod dns_role;
mod explain;
mod logging;
mod output;
mod resolv_conf;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ExplainCommand};

fn main() -> ExitCode {
    let arguments = coredns_flags::normalize(std::env::args_os().collect());
    let result = match Cli::parse_from(arguments).command {
        Command::Dns(arguments) => dns_role::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Check(arguments) => check::run(&arguments),
        Command::ResolvConf(arguments) => resolv_conf::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Explain { what: ExplainCommand::Dns(arguments) } => {
            explain::run(arguments).map(|()| ExitCode::SUCCESS)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            logging::fatal(&error);
            ExitCode::FAILURE
        }
    }
}
