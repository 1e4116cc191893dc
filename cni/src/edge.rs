//! The effects of the protocol: what stands in the file system, and other plugins.

pub mod delegate;
pub mod netns;
pub mod process;
