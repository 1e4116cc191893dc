//! `bind`: which addresses of the host a server block listens on.

mod config;
mod resolve;

pub use config::{BindConfig, BindGroup};
pub use resolve::Interface;
