//! `portolan`: the roles of the appliance behind one command line.

mod check;
mod cli;
mod coredns_flags;
mod dns_role;
mod explain;
mod ipam;
mod logging;
mod netpol_role;
mod output;
mod print;
mod resolv_conf;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ExplainCommand};
use logging::LineForm;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if ipam::is_plugin(&arguments) {
        return ipam::plugin();
    }
    let arguments = match coredns_flags::normalize(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return failed(&error, LineForm::Text),
    };
    match Cli::parse_from(arguments).command {
        Command::Dns(arguments) => {
            let form = match LineForm::chosen(arguments.log_format) {
                Ok(form) => form,
                Err(error) => return failed(&error, LineForm::Text),
            };
            let ended = dns_role::run(arguments, form);
            ended.map_or_else(|error| failed(&error, form), |()| ExitCode::SUCCESS)
        }
        Command::Check(arguments) => {
            check::run(&arguments).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::ResolvConf(arguments) => resolv_conf::run(&arguments)
            .map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS),
        Command::Netpol(arguments) => {
            let form = match LineForm::chosen(arguments.log_format) {
                Ok(form) => form,
                Err(error) => return failed(&error, LineForm::Text),
            };
            let ended = netpol_role::run(&arguments, form);
            ended.map_or_else(|error| failed(&error, form), |()| ExitCode::SUCCESS)
        }
        Command::Ipam { what } => {
            ipam::run(&what).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::Explain { what: ExplainCommand::Dns(arguments) } => explain::run(arguments)
            .map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS),
        Command::Explain { what: ExplainCommand::Flow(arguments) } => {
            ended(netpol_role::questions::flow(&arguments))
        }
        Command::Explain { what: ExplainCommand::Matrix(arguments) } => {
            ended(netpol_role::questions::matrix(&arguments))
        }
        Command::Explain { what: ExplainCommand::Policies(arguments) } => {
            ended(netpol_role::questions::policies(&arguments))
        }
        Command::Explain { what: ExplainCommand::Ip(arguments) } => ipam::explain(&arguments)
            .map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS),
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    result.map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error, form: LineForm) -> ExitCode {
    logging::fatal(error, form);
    ExitCode::FAILURE
}
