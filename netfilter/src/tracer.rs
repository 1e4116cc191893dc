//! What rules did to packets that are traced (`net/netfilter/nf_tables_trace.c`), and the rules themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nft::attribute::{Attribute, find};
use nft::{Name, Observed, Request, Rule};
use nix::poll::PollTimeout;

use crate::Error;
use crate::batch::NFTABLES;
use crate::frame::NFNETLINK;
use crate::inbox::{Inbox, Received};
use crate::socket::NetfilterSocket;

/// The group of traces (`NFNLGRP_NFTRACE`).
const GROUP: u32 = 9;

/// The kind of their messages (`NFT_MSG_TRACE`).
const TRACE: u16 = NFTABLES << 8 | 17;

/// Attributes of a trace (`enum nft_trace_attributes`).
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const RULE: u16 = 3;
const KIND: u16 = 4;
const VERDICT: u16 = 5;
const PACKET: u16 = 6;
const POLICY: u16 = 16;

/// The kind of a trace that tells of a chain's policy (`NFT_TRACETYPE_POLICY`).
const OF_POLICY: u32 = 1;

/// Attributes of a verdict, and those that are not in [`Outcome`] (`enum nft_verdicts`).
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const CONTINUE: i32 = -1;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

/// Attributes of a rule (`NFTA_RULE_CHAIN`, `NFTA_RULE_HANDLE`).
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;

/// The room for messages, of which a packet makes one for each rule that it matches.
const BUFFER: usize = 1 << 20;

/// A socket that is told what becomes of traced packets.
pub struct Tracer(Inbox<Step>);

/// One thing that happened to a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Tells packets apart.
    pub packet: u32,
    /// The family of the table: `inet`, `ip`, `ip6`, `bridge` and others.
    pub family: &'static str,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The handle of the rule; none for the policy of the chain.
    pub rule: Option<u64>,
    /// What was decided.
    pub outcome: Outcome,
}

/// What a rule, or a policy, decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The packet passes the base chain.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The packet goes on: `jump CHAIN`, `goto CHAIN`, `return`, `continue`.
    GoesOn(String),
}

impl Tracer {
    /// Begins to listen.
    ///
    /// # Errors
    /// No socket can be opened, or the capability is missing.
    pub fn open() -> Result<Self, Error> {
        let socket = NetfilterSocket::open()?;
        socket.join(GROUP)?;
        Ok(Self(Inbox::new(socket, BUFFER, TRACE, read, "cannot receive traces")))
    }

    /// Waits for the next step, at most until a time; none when there is none by then.
    ///
    /// # Errors
    /// The socket fails.
    pub fn next_until(&mut self, deadline: Instant) -> Result<Option<Step>, Error> {
        loop {
            match self.0.next()? {
                Received::Message(step) => return Ok(Some(step)),
                Received::Nothing => {}
                // What is left says something else than what happened.
                Received::Lost => return Err(Error::Answer("trace a packet".to_owned())),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // Whole milliseconds, and never less than one.
            let left = left + Duration::from_millis(1);
            self.0.wait(PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
        }
    }

    /// Lists the rules of a table of the family `inet` by their handles, with their chains.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn rules(&mut self, table: &Name) -> Result<BTreeMap<u64, (Name, Rule)>, Error> {
        let mut observed = Observed::new(table.clone());
        let mut handles: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
        self.dump(Request::Chains, |body| observed.take_chain(body))?;
        self.dump(Request::Rules(table), |body| {
            observed.take_rule(body);
            let octets = body.get(NFNETLINK..).unwrap_or_default();
            let handle = find(octets, RULE_HANDLE).and_then(Attribute::u64);
            let chain = find(octets, RULE_CHAIN).and_then(Attribute::text);
            if let (Some(handle), Some(Ok(chain))) = (handle, chain.map(Name::new)) {
                handles.entry(chain).or_default().push(handle);
            }
        })?;
        let ruleset = observed.into_ruleset();
        let rules = handles.into_iter().flat_map(|(chain, handles)| {
            let rules = ruleset.chains.get(&chain).map(|chain| chain.rules.clone());
            let both = handles.into_iter().zip(rules.unwrap_or_default());
            both.map(move |(handle, rule)| (handle, (chain.clone(), rule))).collect::<Vec<_>>()
        });
        Ok(rules.collect())
    }

    fn dump(&mut self, request: Request<'_>, take: impl FnMut(&[u8])) -> Result<(), Error> {
        let (kind, body) = request.message();
        let what = format!("list {request:?}");
        self.0.socket().dump(&what, NFTABLES << 8 | u16::from(kind), &body, take).map(|_| ())
    }
}

fn read(_: u32, body: &[u8]) -> Option<Step> {
    let octets = body.get(NFNETLINK..)?;
    let number = |kind| find(octets, kind).and_then(Attribute::u32);
    let text = |kind| Some(find(octets, kind)?.text()?.to_owned());
    let outcome = if number(KIND)? == OF_POLICY {
        if number(POLICY)? == DROP.unsigned_abs() { Outcome::Drop } else { Outcome::Accept }
    } else {
        read_verdict(find(octets, VERDICT)?.octets)?
    };
    Some(Step {
        packet: number(PACKET)?,
        family: family(*body.first()?),
        table: text(TABLE)?,
        chain: text(CHAIN)?,
        rule: find(octets, RULE).and_then(Attribute::u64),
        outcome,
    })
}

fn read_verdict(octets: &[u8]) -> Option<Outcome> {
    let code = i32::from_be_bytes(find(octets, VERDICT_CODE)?.octets.try_into().ok()?);
    let chain = || find(octets, VERDICT_CHAIN).and_then(Attribute::text).unwrap_or("?");
    Some(match code {
        DROP => Outcome::Drop,
        ACCEPT => Outcome::Accept,
        CONTINUE => Outcome::GoesOn("continue".to_owned()),
        JUMP => Outcome::GoesOn(format!("jump {}", chain())),
        GOTO => Outcome::GoesOn(format!("goto {}", chain())),
        RETURN => Outcome::GoesOn("return".to_owned()),
        other => Outcome::GoesOn(format!("verdict {other}")),
    })
}

/// Returns the name of a family (`NFPROTO_…`).
fn family(number: u8) -> &'static str {
    match number {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "unknown",
    }
}
