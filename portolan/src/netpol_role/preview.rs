//! What would change: `--dry-run`.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use netfilter::{Endpoint, Flow, Netfilter};
use netpol::Options;
use nft::{Ruleset, protocol};

use super::enforcer::would_be_cut;

/// Returns the changes of the kernel's table, one on each line, and the live connections that would be cut.
///
/// # Errors
/// The kernel's table or connections cannot be listed.
pub(super) fn of(ruleset: &Ruleset, options: &Options) -> Result<String> {
    let mut netfilter = Netfilter::open().context("cannot talk to the kernel")?;
    let transaction = netfilter.plan(ruleset)?;
    let cut = would_be_cut(ruleset, options.revoked_mark)?;
    let mut text = String::new();
    let _ = write!(text, "{transaction}");
    for flow in &cut {
        let _ = writeln!(text, "would cut {}", in_words(flow));
    }
    let (changes, cut) = (transaction.changes.len(), cut.len());
    let _ = writeln!(text, "{changes} changes, {cut} live connections would be cut");
    Ok(text)
}

/// Returns `tcp 10.0.0.1:40000 -> 10.0.0.2:80`: the destination behind all rewriting of addresses.
fn in_words(flow: &Flow) -> String {
    let name = match flow.protocol {
        protocol::TCP => "tcp".to_owned(),
        protocol::UDP => "udp".to_owned(),
        protocol::SCTP => "sctp".to_owned(),
        other => format!("protocol {other}"),
    };
    let real = flow.real();
    let of = |endpoint: Endpoint| SocketAddr::new(endpoint.address, endpoint.port);
    format!("{name} {} -> {}", of(real.source), of(real.destination))
}
