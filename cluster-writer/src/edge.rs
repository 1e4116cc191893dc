//! What touches the network, tasks and the clock.

pub(crate) mod elector;
pub(crate) mod recorder;
pub(crate) mod writer;
