//! Everything of this crate that touches tasks, time, files or the network.

pub(crate) mod kubernetes;
pub(crate) mod manifests;
mod publisher;
pub(crate) mod source;
