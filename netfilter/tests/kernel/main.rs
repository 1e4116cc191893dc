//! The crate against the real kernel and Debian's `nft`, in network namespaces of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

// The sample of a ruleset is the one of the crate nft's own tests, and takes its names from the root.
use nft::{
    BaseChain, Chain, Comparison, CtState, DataType, Field, Hook, InterfaceName, Key, KeyRange,
    Limit, Log, Name, Policy, Quoted, Rule, Ruleset, Set, Statement, TimeUnit, Value, Verdict,
    VerdictMap, protocol,
};

mod edits;
mod links;
mod namespace;
mod refusals;
#[path = "../../../nft/src/sample.rs"]
mod sample;
mod tables;
mod traffic;
mod transitions;
