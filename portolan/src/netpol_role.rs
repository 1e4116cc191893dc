//! The role `portolan netpol`: NetworkPolicies in the kernel of one node.
//!
//! ```text
//! source ─ snapshot ─▶ netpol::Compiler ─▶ changes ─▶ kernel: one transaction ─▶ live flows: marked, or unmarked
//!                                            ▲
//!            nftables monitor ─ somebody else changed it ─┘
//! ```
//!
//! The kernel is not touched before everything is listed, and nothing is removed at the end.

mod admin;
mod bridges;
mod denials;
mod denied_log;
mod drops;
mod enforcer;
mod events;
mod known;
mod life;
mod live;
mod live_flows;
mod metrics;
mod preview;
pub(crate) mod questions;
mod recent;
mod status;
mod view;

use std::net::IpAddr;

use anyhow::{Context, Result, anyhow};
use netfilter::Netfilter;
use netpol::{LogOptions, Options, PodToOwnNode};
use nft::Name;

use crate::cli::{NetpolArguments, OwnNode};
use crate::logging::{self, LineForm};
use crate::print;

use enforcer::Enforcer;

/// Does what the command line asks for: until a signal, or once.
///
/// # Errors
/// The command line or the cluster cannot be used, or the kernel refuses.
pub(crate) fn run(arguments: &NetpolArguments, form: LineForm) -> Result<()> {
    if arguments.uninstall {
        return uninstall();
    }
    let options = options(arguments)?;
    // Required by the command line without --uninstall.
    let node = arguments.node.clone().context("--node is missing")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if !arguments.once && !arguments.print_ruleset && !arguments.dry_run {
        let (output, _) = logging::start(form)?;
        logging::log_panics(false);
        let ended = runtime.block_on(life::live(arguments, node, options));
        runtime.shutdown_background();
        output.flush();
        return ended;
    }
    logging::remarks()?;
    runtime.block_on(once(arguments, &node, &options))
}

async fn once(arguments: &NetpolArguments, node: &str, options: &Options) -> Result<()> {
    let cluster = view::listed(&arguments.cluster, view::KINDS).await?;
    let compiled = netpol::compile(&cluster, node, options);
    if arguments.print_ruleset {
        return print::answer(&compiled.ruleset.to_string());
    }
    if arguments.dry_run {
        return print::answer(&preview::of(&compiled.ruleset, options)?);
    }
    let mut enforcer = Enforcer::open(arguments)?;
    let applied = enforcer.enforce(&compiled.ruleset, None)?;
    let judged = enforcer.judge(&compiled.ruleset)?;
    let done = match applied.changes {
        0 => "the kernel was up to date".to_owned(),
        changes => format!("{changes} changes, {} elements", applied.elements),
    };
    print::answer(&format!("{done}; {judged}\n"))
}

fn uninstall() -> Result<()> {
    let table = table()?;
    let mut netfilter = Netfilter::open().context("cannot talk to the kernel")?;
    let was_there = netfilter.uninstall(&table)?;
    let text = if was_there { "removed" } else { "was not there" };
    print::answer(&format!("the table {table} {text}\n"))
}

/// Returns the name of the table.
fn table() -> Result<Name> {
    Name::new(netpol::TABLE).context("the table has no valid name")
}

/// Reads the choice of the command line.
fn own_node(chosen: OwnNode) -> PodToOwnNode {
    match chosen {
        OwnNode::Allow => PodToOwnNode::Allow,
        OwnNode::Enforce => PodToOwnNode::Enforce,
    }
}

/// Reads the addresses of the command line.
fn node_local_dns(texts: &[String]) -> Result<Vec<IpAddr>> {
    let address = |text: &String| {
        text.parse::<IpAddr>().map_err(|_| {
            anyhow!("--node-local-dns {text}: write addresses, for example 169.254.20.10")
        })
    };
    texts.iter().filter(|text| !text.is_empty()).map(address).collect()
}

fn options(arguments: &NetpolArguments) -> Result<Options> {
    Ok(Options {
        pod_to_own_node: own_node(arguments.pod_to_own_node),
        node_local_dns: node_local_dns(&arguments.node_local_dns)?,
        revoked_mark: arguments.revoked_mark,
        log: (arguments.denied_log > 0).then_some(LogOptions {
            group: arguments.denied_log_group,
            per_second: arguments.denied_log,
        }),
    })
}
