//! Which pod blocks the nodes of a cluster should have: `portolan ipam plan` and `portolan explain node`. Both only read.

pub(crate) mod objects;
pub(crate) mod read;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cluster::{Selector, Text};
use ipam_controller::Family;
use ipam_controller::blocks::{Action, Controller, Input, Pool, Settings};

use crate::cli::{ExplainNodeArguments, IpamPlanArguments, NodeBlocksArguments};
use crate::print;
use crate::words::several;

/// Prints what nodes without a block would get, what is wrong, and how full the pools are. The exit code is 1 when something is
/// wrong.
///
/// # Errors
/// The objects cannot be read, or a flag or an IPPool cannot be used.
pub(crate) fn plan(arguments: &IpamPlanArguments) -> Result<ExitCode> {
    // No node goes away while this looks.
    let (mut controller, problems) = controller(&arguments.blocks, 0)?;
    let mut lines: Vec<String> = Vec::new();
    let mut is_wrong = !problems.is_empty();
    for action in controller.actions(0, usize::MAX) {
        is_wrong |= action.is_problem();
        lines.extend(in_words(&action));
    }
    lines.sort();
    for usage in controller.usage() {
        lines.push(format!(
            "pool {}: {} of {} blocks are held",
            usage.pool, usage.used, usage.capacity
        ));
    }
    print::answer(&(lines.join("\n") + "\n"))?;
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Prints what is known of a node's blocks, also when it is gone.
///
/// # Errors
/// As [`plan`], or nothing is known of such a node.
pub(crate) fn explain(arguments: &ExplainNodeArguments) -> Result<()> {
    let (mut controller, _) = controller(&arguments.blocks, arguments.quarantine)?;
    let reports = controller.actions(0, usize::MAX);
    let reports = reports.iter().filter_map(|action| match action {
        Action::Report { node, reason, message, .. } if **node == *arguments.name => {
            Some(format!("  {}: {message}", reason.as_str()))
        }
        _ => None,
    });
    let time = |seconds| objects::stamp(seconds).unwrap_or_else(|| format!("second {seconds}"));
    let Some(mut lines) = controller.explain(&arguments.name, time) else {
        let those = several("Node", &controller.nodes());
        bail!("there is no node {}; the cluster has {those}", arguments.name);
    };
    lines.extend(reports);
    print::answer(&(lines.join("\n") + "\n"))
}

/// Returns a controller that knows every object, and what could not be read, which has been told.
fn controller(
    arguments: &NodeBlocksArguments,
    quarantine: u64,
) -> Result<(Controller, Vec<String>)> {
    let reserved = arguments.service_cidrs.iter().map(ipnet::IpNet::trunc).collect();
    let most_asked = arguments.blocks_per_node;
    let mut controller = Controller::new(Settings { reserved, quarantine, most_asked });
    for pool in cluster_pools(arguments)? {
        controller.apply(Input::Pool(pool));
    }
    let found = read::objects(arguments)?;
    for input in found.inputs {
        controller.apply(input);
    }
    for ignored in &found.ignored {
        print::remark(&format!("portolan: warning: {ignored}\n"));
    }
    for problem in &found.problems {
        print::remark(&format!("portolan: {problem}\n"));
    }
    controller.apply(Input::Synced);
    Ok((controller, found.problems))
}

/// Returns the pools of `--cluster-cidrs`, named after their networks.
pub(crate) fn cluster_pools(arguments: &NodeBlocksArguments) -> Result<Vec<Pool>> {
    let pool = |network: &ipnet::IpNet| {
        let length = match Family::of(*network) {
            Family::V4 => arguments.node_mask_size_ipv4,
            Family::V6 => arguments.node_mask_size_ipv6,
        };
        let name = Text::from(network.to_string());
        Pool::new(name, *network, length, Selector::default()).context("--cluster-cidrs")
    };
    arguments.cluster_cidrs.iter().map(pool).collect()
}

/// Returns `NODE: WHAT` in one line.
fn in_words(action: &Action) -> Option<String> {
    match action {
        Action::Assign { node, blocks, .. } => {
            let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
            Some(format!("{node}: would get {}", blocks.join(", ")))
        }
        Action::Report { node, reason, message, .. } => {
            Some(format!("{node}: {}: {message}", reason.as_str()))
        }
        // What is remembered beside the nodes is nobody's question here.
        Action::Put(_) | Action::Forget(_) => None,
    }
}
