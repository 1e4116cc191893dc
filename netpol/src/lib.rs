//! The meaning of `networking.k8s.io/v1` NetworkPolicies, without effects.
//!
//! It is stated twice. [`verdict()`] is the plain statement: one flow, every policy, in the words of the specification.
//! [`compile()`] makes the nftables ruleset of a node from the same model, for speed in the kernel, and shares nothing
//! else with it. A property test holds them equal: for every cluster, node and flow,
//! `nft::trace(compile(cluster, node), flow) == verdict(cluster, flow)`.

mod compile;
mod explain;
mod flow;
mod html;
mod lint;
mod matrix;
mod options;
#[cfg(test)]
mod testing;
mod verdict;

pub use compile::{Compiled, Compiler, Family, Mode, Profile, TABLE, compile};
pub use explain::{Explanation, NearMiss, explain};
pub use flow::{Flow, Path, Traffic};
pub use html::Escaped;
pub use lint::{Finding, lint};
pub use matrix::{Cell, MOST_PODS, Matrix};
pub use options::{LogOptions, Options, PodToOwnNode};
pub use verdict::{
    Decision, Direction, Exemption, Grant, Side, Verdict, pod_at, policies_of, verdict,
};
