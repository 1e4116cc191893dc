//! Brings the kernel to a ruleset, and live connections with it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, Result};
use netfilter::{Conntrack, Flow, Netfilter};
use nft::{Ownership, Ruleset};
use nix::ifaddrs::getifaddrs;

use super::live_flows::{Judgement, judge};
use crate::cli::{LiveFlows, NetpolArguments, TableOwner};

/// What enforces.
pub(super) struct Enforcer {
    netfilter: Netfilter,
    /// None leaves live connections alone.
    conntrack: Option<Conntrack>,
    revoked_mark: u32,
    /// The ruleset that the kernel took last, and under which live connections were judged.
    enforced: Option<Ruleset>,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Done {
    /// Changes of the transaction; 0 when the kernel was up to date.
    pub changes: usize,
    /// Elements that were added and deleted.
    pub elements: usize,
    /// Live connections that were cut.
    pub revoked: usize,
    /// Live connections that were cut before and may go on.
    pub restored: usize,
}

impl Enforcer {
    /// Opens the sockets. Nothing is changed yet.
    ///
    /// # Errors
    /// The kernel refuses: without the capability `CAP_NET_ADMIN` it does.
    pub(super) fn open(arguments: &NetpolArguments) -> Result<Self> {
        let ownership = match arguments.table {
            TableOwner::Own => Ownership::OwnedAndPersistent,
            TableOwner::Shared => Ownership::None,
        };
        let netfilter = Netfilter::open_as(ownership).context("cannot talk to the kernel")?;
        let revoked_mark = arguments.revoked_mark;
        let conntrack = match arguments.live_flows {
            LiveFlows::Revoke => Some(Conntrack::open().context("cannot follow connections")?),
            LiveFlows::Keep => None,
        };
        Ok(Self { netfilter, conntrack, revoked_mark, enforced: None })
    }

    /// Brings the kernel to a ruleset in one transaction, then judges live connections: whatever begins in between is
    /// held to the new rules already.
    ///
    /// # Errors
    /// The kernel refuses the transaction, and has the rules that it had; or connections cannot be listed or marked.
    pub(super) fn enforce(&mut self, ruleset: &Ruleset) -> Result<Done> {
        let applied = self.netfilter.apply(ruleset)?;
        let mut done =
            Done { changes: applied.changes, elements: applied.elements, ..Done::default() };
        if self.enforced.as_ref() != Some(ruleset) {
            self.judge_live_flows(ruleset, &mut done)?;
            self.enforced = Some(ruleset.clone());
        }
        Ok(done)
    }

    /// Returns the number by which the kernel names this process as who made a change.
    pub(super) fn port(&self) -> u32 {
        self.netfilter.port()
    }

    /// Puts right what another program changed, and says whether there was something. Live connections are judged anew
    /// by the next [`Self::enforce`]: some may have begun meanwhile.
    ///
    /// # Errors
    /// The table cannot be read, or the kernel refuses.
    pub(super) fn repair(&mut self) -> Result<bool> {
        let repaired = self.netfilter.repair()?.is_some_and(|applied| applied.changes > 0);
        if repaired {
            self.enforced = None;
        }
        Ok(repaired)
    }

    fn judge_live_flows(&mut self, ruleset: &Ruleset, done: &mut Done) -> Result<()> {
        let Some(conntrack) = &mut self.conntrack else { return Ok(()) };
        let (own, mark) = (own_addresses()?, self.revoked_mark);
        for flow in conntrack.list().context("cannot list live connections")? {
            let (value, count) = match judge(ruleset, &own, mark, &flow) {
                Judgement::Keep => continue,
                Judgement::Revoke => (mark, &mut done.revoked),
                Judgement::Restore => (0, &mut done.restored),
            };
            // False for one that has ended meanwhile.
            if conntrack.set_mark(&flow, value, mark).context("cannot mark a connection")? {
                *count += 1;
            }
        }
        Ok(())
    }
}

/// Returns the live connections that a ruleset would cut.
///
/// # Errors
/// Connections cannot be listed.
pub(super) fn would_be_cut(ruleset: &Ruleset, revoked_mark: u32) -> Result<Vec<Flow>> {
    let mut conntrack = Conntrack::open().context("cannot follow connections")?;
    let (flows, own) =
        (conntrack.list().context("cannot list live connections")?, own_addresses()?);
    let is_cut = |flow: &Flow| judge(ruleset, &own, revoked_mark, flow) == Judgement::Revoke;
    Ok(flows.into_iter().filter(is_cut).collect())
}

/// Returns the addresses of the node's interfaces.
fn own_addresses() -> Result<BTreeSet<IpAddr>> {
    let interfaces = getifaddrs().context("cannot list the node's addresses")?;
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    Ok(addresses.collect())
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, elements, revoked, restored } = self;
        if *changes == 0 {
            f.write_str("the kernel was up to date")?;
        } else {
            write!(f, "{changes} changes, {elements} elements")?;
        }
        write!(f, "; {revoked} connections cut, {restored} allowed again")
    }
}
