//! The standalone CNI IPAM plugin: which address a container gets, and when it is free again.

pub mod command;
