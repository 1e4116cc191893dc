//! What would be written, and why.

use std::process::ExitCode;

use anyhow::Result;
use ipam_controller::blocks::{Action, Input};
use ipam_controller::services::{HealthCheck, ServiceAction, ServiceInput};

use super::life::{check_service_cidrs, controller, service_controller};
use super::services;
use crate::cli::IpamControllerArguments;
use crate::node_blocks::read;
use crate::print;

/// Prints every write that the controller would begin with, and what it would report. The exit code is 1 when something is
/// wrong.
///
/// # Errors
/// The objects cannot be read, or a flag cannot be used.
pub(super) fn run(arguments: &IpamControllerArguments) -> Result<ExitCode> {
    let mut lines = Vec::new();
    let mut is_wrong = false;
    if arguments.allocate_node_cidrs {
        let mut controller = controller(arguments)?;
        let found = read::objects(&arguments.blocks)?;
        for problem in &found.problems {
            print::remark(&format!("portolan: {problem}\n"));
        }
        is_wrong |= !found.problems.is_empty();
        found.inputs.into_iter().for_each(|input| controller.apply(input));
        controller.apply(Input::Synced);
        let actions = controller.actions(now(), usize::MAX);
        is_wrong |= actions.iter().any(Action::is_problem);
        lines.extend(actions.iter().map(in_words));
    }
    if arguments.service_addresses {
        let mut controller = service_controller(arguments);
        check_service_cidrs(arguments)?;
        for (kind, followed) in services::KINDS.iter().enumerate() {
            let origin = &arguments.blocks.origin;
            let name = (followed.resource.api_version, followed.kind, followed.resource.plural);
            let (objects, problems) = read::written(origin, name)?;
            for problem in problems {
                is_wrong = true;
                print::remark(&format!("portolan: {problem}\n"));
            }
            for object in objects {
                match services::input(kind, &object) {
                    Ok(input) => controller.apply(input),
                    Err(problem) => {
                        is_wrong = true;
                        print::remark(&format!("portolan: {}: {problem}\n", object.place));
                    }
                }
            }
        }
        controller.apply(ServiceInput::Synced);
        let actions = controller.actions(now(), usize::MAX);
        is_wrong |= actions.iter().any(|action| matches!(action, ServiceAction::Report { .. }));
        lines.extend(actions.iter().map(service_in_words));
    }
    lines.sort();
    if lines.is_empty() {
        lines.push("nothing is to be written".to_owned());
    }
    print::answer(&(lines.join("\n") + "\n"))?;
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn in_words(action: &Action) -> String {
    let listed = |blocks: &[ipam_controller::blocks::Choice]| {
        blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match action {
        Action::Assign { node, blocks, .. } => {
            format!("Node {node}: spec.podCIDRs: {}; it has none", listed(blocks))
        }
        Action::Put(record) => {
            let why = match (record.released_at, record.resource_version.is_empty()) {
                (Some(_), _) => "its Node is gone, and the blocks go to nobody for the quarantine",
                (None, true) => "its Node has them, and there is no record",
                (None, false) => "its Node has others than the record says, or asks for more",
            };
            let (uid, node) = (&record.uid, &record.node);
            format!("NodeBlock {uid} (Node {node}): {}; {why}", listed(&record.blocks))
        }
        Action::Forget(record) => {
            let (uid, node) = (&record.uid, &record.node);
            format!("NodeBlock {uid} (Node {node}): deleted; its quarantine is over")
        }
        Action::Report { node, reason, message, .. } => {
            format!("Node {node}: Event {}: {message}", reason.as_str())
        }
    }
}

fn service_in_words(action: &ServiceAction) -> String {
    let listed = |ips: &[std::net::IpAddr]| {
        ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match action {
        ServiceAction::Claim { ip, service } => {
            format!("IPAddress {ip}: created for Service {service}, which has it or is to get it")
        }
        ServiceAction::Assign { service, given, .. } => {
            let ports: Vec<String> =
                given.node_ports.iter().flatten().map(ToString::to_string).collect();
            let ips = listed(&given.addresses);
            let ports =
                if given.drops_node_ports { "taken out".to_owned() } else { ports.join(", ") };
            let check = match given.health_check {
                Some(HealthCheck::Given(port)) => format!("; healthCheckNodePort: {port}"),
                Some(HealthCheck::Dropped) => "; healthCheckNodePort: taken out".to_owned(),
                None => String::new(),
            };
            format!("Service {service}: spec.clusterIPs: {ips}; node ports: {ports}{check}")
        }
        ServiceAction::Release { address, why } => {
            format!("IPAddress {}: deleted; {why}", address.ip)
        }
        ServiceAction::CreateRange { name, networks } => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            format!("ServiceCIDR {name}: {}; there is none", networks.join(", "))
        }
        ServiceAction::Finalize { range, is_kept: true } => {
            format!("ServiceCIDR {}: kept while addresses of it are given", range.name)
        }
        ServiceAction::Finalize { range, is_kept: false } => {
            format!("ServiceCIDR {}: let go; no address of it is given", range.name)
        }
        ServiceAction::Status { range, is_ready } => {
            let word = if *is_ready { "ready" } else { "not ready: addresses of it are given" };
            format!("ServiceCIDR {}: {word}", range.name)
        }
        ServiceAction::Report { service, reason, message, .. } => {
            format!("Service {service}: Event {}: {message}", reason.as_str())
        }
    }
}

/// Returns the time in seconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
