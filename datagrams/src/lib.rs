//! UDP by the batch.
//!
//! A name server's time goes into system calls, so this receives as many datagrams as are there with one call and sends
//! their replies with another (`recvmmsg(2)`, `sendmmsg(2)`), without allocating:
//!
//! ```text
//! receive ─▶ datagram(i): message, from, to ─▶ reply(i) ─▶ send
//! ```
//!
//! On a host with several addresses the kernel would choose the source of a reply by the route back, and a client drops
//! what does not come from where it sent its question. So the destination of each datagram is read (`IP_PKTINFO`,
//! `IPV6_PKTINFO`; the socket has to have the option) and given back with the reply.
//!
//! Who waits for datagrams should also get the processor when they come: [`ask_for_slice`].
//!
//! This is the one crate with `unsafe` code, all of it in `system.rs`: no safe interface to these calls keeps the
//! control data of each message from one call to the next.

mod address;
mod batch;
mod control;
mod scheduling;
mod system;

pub use batch::{Batch, Datagram, LONGEST, Wait};
pub use scheduling::ask_for_slice;

/// The slice of a thread that answers datagrams, for [`ask_for_slice`]: some batches, and the shortest that there is.
pub const SLICE: std::time::Duration = std::time::Duration::from_micros(100);

/// How many datagrams a batch has at most.
pub const BATCH: usize = 32;
