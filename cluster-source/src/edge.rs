//! Everything of this crate that touches tasks, time, files or the network.

mod kubernetes;
mod manifests;
mod publisher;
pub(crate) mod source;
