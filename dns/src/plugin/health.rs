//! `health`: says over HTTP that the process lives, and how long it stays when it is told to end.

mod config;
mod metrics;

pub use config::HealthConfig;
pub use metrics::HealthMetrics;
