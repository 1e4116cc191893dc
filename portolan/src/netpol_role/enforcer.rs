//! Brings the kernel to a ruleset, and live connections with it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, Result};
use netfilter::{Applied, Conntrack, Flow, Netfilter};
use nft::{Ownership, Ruleset, Transaction};
use nix::ifaddrs::getifaddrs;

use super::live_flows::{Judgement, judge};
use crate::cli::{LiveFlows, NetpolArguments, TableOwner};

/// What enforces.
pub(super) struct Enforcer {
    netfilter: Netfilter,
    /// None leaves live connections alone.
    conntrack: Option<Conntrack>,
    revoked_mark: u32,
    /// Live connections were judged under the ruleset that the kernel took last.
    is_judged: bool,
}

/// What was done to live connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Judged {
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
        Ok(Self { netfilter, conntrack, revoked_mark, is_judged: false })
    }

    /// Brings the kernel to a ruleset in one transaction: `changes` are those from the ruleset that this was last called
    /// with, none the first time. Where the kernel did not take that one, what it holds is listed and compared.
    ///
    /// # Errors
    /// The kernel refuses the transaction, and has the rules that it had.
    pub(super) fn enforce(
        &mut self,
        ruleset: &Ruleset,
        changes: Option<&Transaction>,
    ) -> Result<Applied> {
        let applied = self.netfilter.follow(changes, ruleset)?;
        self.is_judged &= applied.changes == 0;
        Ok(applied)
    }

    /// Judges live connections, unless they were under the ruleset that is in force. It has to be in force: whatever
    /// begins meanwhile is held to it already.
    ///
    /// # Errors
    /// Connections cannot be listed or marked.
    pub(super) fn judge(&mut self, ruleset: &Ruleset) -> Result<Judged> {
        let mut judged = Judged::default();
        if !self.is_judged {
            self.judge_live_flows(ruleset, &mut judged)?;
            self.is_judged = true;
        }
        Ok(judged)
    }

    /// Returns the number by which the kernel names this process as who made a change.
    pub(super) fn port(&self) -> u32 {
        self.netfilter.port()
    }

    /// Puts right what another program changed, and says whether there was something. Live connections are to be judged
    /// anew then: some may have begun meanwhile.
    ///
    /// # Errors
    /// The table cannot be read, or the kernel refuses.
    pub(super) fn repair(&mut self, ruleset: &Ruleset) -> Result<bool> {
        let repaired = self.netfilter.repair(ruleset)?.is_some_and(|applied| applied.changes > 0);
        self.is_judged &= !repaired;
        Ok(repaired)
    }

    fn judge_live_flows(&mut self, ruleset: &Ruleset, judged: &mut Judged) -> Result<()> {
        let Some(conntrack) = &mut self.conntrack else { return Ok(()) };
        let (own, mark) = (own_addresses()?, self.revoked_mark);
        // A node may have a million connections, of which a change is about few: only those are kept.
        let (mut revoked, mut restored) = (Vec::new(), Vec::new());
        let take = |flow: Flow| match judge(ruleset, &own, mark, &flow) {
            Judgement::Keep => {}
            Judgement::Revoke => revoked.push(flow),
            Judgement::Restore => restored.push(flow),
        };
        conntrack.each(take).context("cannot list live connections")?;
        let mut set = |flows: &[Flow], value: u32, count: &mut usize| {
            for flow in flows {
                // False for one that has ended meanwhile.
                if conntrack.set_mark(flow, value, mark).context("cannot mark a connection")? {
                    *count += 1;
                }
            }
            anyhow::Ok(())
        };
        set(&revoked, mark, &mut judged.revoked)?;
        set(&restored, 0, &mut judged.restored)
    }
}

/// Returns the live connections that a ruleset would cut.
///
/// # Errors
/// Connections cannot be listed.
pub(super) fn would_be_cut(ruleset: &Ruleset, revoked_mark: u32) -> Result<Vec<Flow>> {
    let mut conntrack = Conntrack::open().context("cannot follow connections")?;
    let (mut cut, own) = (Vec::new(), own_addresses()?);
    let take = |flow: Flow| {
        if judge(ruleset, &own, revoked_mark, &flow) == Judgement::Revoke {
            cut.push(flow);
        }
    };
    conntrack.each(take).context("cannot list live connections")?;
    Ok(cut)
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

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revoked, restored } = self;
        write!(f, "{revoked} connections cut, {restored} allowed again")
    }
}
