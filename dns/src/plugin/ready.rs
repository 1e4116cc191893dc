//! `ready`: says over HTTP whether every plugin can answer.

mod config;
mod readiness;

pub use config::{Monitor, ReadyConfig};
pub use readiness::Readiness;
