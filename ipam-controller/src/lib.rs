//! Which pod blocks each node owns, and which addresses and ports each Service gets.
//!
//! Everything here is pure: objects in, what should be written out. Time is passed in; the role `portolan
//! ipam-controller` follows the Kubernetes API and carries the writes out, and `cluster-source` gives the Services of
//! manifests their addresses.
//!
//! ```text
//!  nodes, pools, records ──► blocks::Controller ──► Action: podCIDRs, NodeBlock, Event
//!                              └ Ledger (who holds what) ◄─ choose (which pool, which block)
//! ```

pub mod blocks;
pub mod services;

pub use blocks::Family;

/// Says whether a resource version is older than another of the same object. They are numbers that grow (Kubernetes API
/// concepts, "Resource versions"); what is none is taken as it comes.
pub fn is_older(version: &str, known: &str) -> bool {
    matches!((version.parse::<u64>(), known.parse::<u64>()), (Ok(version), Ok(known)) if version < known)
}
