//! The standalone CNI IPAM plugin: which address a container gets, and when it is free again.
//!
//! [`config`] reads what is asked for, [`range`] and [`range_set`] say which addresses there are, [`lease`] who has one.

pub mod address;
pub mod command;
pub mod config;
pub mod failure;
pub mod lease;
pub mod node_blocks;
pub mod range;
pub mod range_set;
pub mod table;
pub mod verify;

pub use config::IpamConfig;
pub use failure::Failure;
pub use lease::Lease;
