//! The one crate that touches the kernel's packet state, over netlink sockets and without other programs.
//!
//! - [`Netfilter`] brings a table to a [`Ruleset`](nft::Ruleset), in one transaction.
//! - [`Monitor`] tells of every change of nftables, and who made it.
//! - [`Conntrack`] lists connections and marks them.
//! - [`Log`] receives packets that rules log to a group.
//! - [`Tracer`] tells what became of packets, rule by rule.
//! - [`Links`] lists bridges, whose packets may pass the rules by.
//!
//! Calls block, but for those that say otherwise; each struct has a socket of its own. The capability
//! `CAP_NET_ADMIN` in the network namespace is needed for all of it.

mod batch;
mod conntrack;
mod error;
mod frame;
mod inbox;
mod links;
mod log;
mod monitor;
mod socket;
mod table;
mod tracer;

pub use conntrack::{Conntrack, Endpoint, Flow, Tuple};
pub use error::{Error, Refusal};
pub use links::{Bridge, Links};
pub use log::{Log, LogEvent, LoggedPacket};
pub use monitor::{Generation, Monitor, MonitorEvent};
pub use table::{Applied, Netfilter, Way};
pub use tracer::{Outcome, Step, Tracer};
