//! `portolan`: the roles of the appliance behind one command line.

mod admin;
mod admin_client;
mod check;
mod cli;
mod coredns_flags;
mod dns_role;
mod explain;
mod ipam;
mod ipam_role;
mod logging;
mod manual;
mod netpol_role;
mod node_blocks;
mod node_file;
mod output;
mod print;
mod resolv_conf;
mod signals;
mod source_metrics;
mod status;
mod version;
mod words;

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
            role(arguments.log_format, |form| dns_role::run(arguments, form))
        }
        Command::Check(arguments) => {
            check::run(&arguments).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::ResolvConf(arguments) => resolv_conf::run(&arguments)
            .map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS),
        Command::Netpol(arguments) => {
            role(arguments.log_format, |form| netpol_role::run(&arguments, form))
        }
        Command::Ipam { what } => {
            ipam::run(&what).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::NodeBlocks(arguments) => {
            role(arguments.log_format, |form| node_file::run(&arguments, form))
        }
        Command::IpamController(arguments) if arguments.dry_run => {
            ipam_role::dry_run(&arguments).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::IpamController(arguments) => {
            role(arguments.log_format, |form| ipam_role::run(&arguments, form))
        }
        Command::Status(arguments) => {
            status::run(&arguments).unwrap_or_else(|error| failed(&error, LineForm::Text))
        }
        Command::Version { json } => ended(version::run(json)),
        Command::Completions { shell } => ended(manual::completions(shell)),
        Command::ManPages { folder } => ended(manual::pages(&folder)),
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
        Command::Explain { what: ExplainCommand::Node(arguments) } => {
            ended(node_blocks::explain(&arguments))
        }
    }
}

/// Runs a role, whose log lines have a form.
fn role(form: Option<LineForm>, run: impl FnOnce(LineForm) -> anyhow::Result<()>) -> ExitCode {
    match LineForm::chosen(form) {
        Ok(form) => run(form).map_or_else(|error| failed(&error, form), |()| ExitCode::SUCCESS),
        Err(error) => failed(&error, LineForm::Text),
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    result.map_or_else(|error| failed(&error, LineForm::Text), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error, form: LineForm) -> ExitCode {
    logging::fatal(error, form);
    ExitCode::FAILURE
}
