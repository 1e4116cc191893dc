//! Chains.

use crate::{Quoted, Rule};

/// A chain of rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chain {
    /// Where packets enter it; none for a chain that others lead to.
    pub base: Option<BaseChain>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// A comment that `nft list ruleset` shows.
    pub comment: Option<Quoted>,
}

/// What makes a chain a base chain of type `filter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BaseChain {
    /// Where on the way of a packet.
    pub hook: Hook,
    /// The place among the base chains of the hook, lowest first: conntrack is at -200, destination NAT at
    /// -100, `filter` at 0, source NAT at 100 (nft(8), "Standard priority names").
    pub priority: i32,
    /// What happens at its end.
    pub policy: Policy,
}

/// A place on the way of a packet through the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hook {
    /// Every packet that came in.
    Prerouting,
    /// To the machine itself.
    Input,
    /// Through the machine.
    Forward,
    /// From the machine itself.
    Output,
    /// Every packet that goes out.
    Postrouting,
}

/// What a base chain decides when no rule did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Policy {
    /// The packet passes.
    Accept,
    /// The packet is dropped.
    Drop,
}

impl Chain {
    /// Makes a chain that others lead to.
    pub fn new(rules: impl Into<Vec<Rule>>) -> Self {
        Self { base: None, rules: rules.into(), comment: None }
    }
}

impl Hook {
    /// Returns the name in nft's language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}

impl Policy {
    /// Returns the name in nft's language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}
