//! Pods as network namespaces, whose packets pass the real kernel: three namespaces of three pods, on one node.
//!
//! ```text
//!  x/a … z/c (TCP, UDP, SCTP; IPv4, IPv6) ── node: the test's own network namespace ── outside
//! ```
//!
//! [`network`] makes them and probes every pair, [`world`] has the objects behind them, [`case`] and [`shapes`] the
//! policies. It knows nothing of what enforces them.

pub mod case;
pub mod namespace;
pub mod network;
pub mod place;
pub mod probe;
pub mod prober;
pub mod sctp;
pub mod server;
pub mod shapes;
pub mod wiring;
pub mod world;
