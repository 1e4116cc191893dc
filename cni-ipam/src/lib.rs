//! The standalone CNI IPAM plugin: which address a container gets, and when it is free again.
//!
//! [`config`] reads what is asked for, [`range`] and [`range_set`] say which addresses there are, [`lease`] who has one.

pub mod address;
pub mod allocate;
pub mod command;
pub mod config;
pub mod edge;
pub mod failure;
pub mod gc;
pub mod host_local;
pub mod journal;
pub mod lease;
pub mod node_blocks;
pub mod range;
pub mod range_set;
pub mod resolv_conf;
pub mod table;
pub mod tools;
pub mod verbs;
pub mod verify;

pub use config::IpamConfig;
pub use edge::site::Site;
pub use failure::Failure;
pub use lease::Lease;
