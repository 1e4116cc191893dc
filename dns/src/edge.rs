//! Where messages come in and go out: sockets, clocks and tasks. Nothing is decided here.

pub mod acme;
mod any_certificate;
mod certificate_metrics;
pub(crate) mod dnstap;
pub mod error_flush;
pub mod followed_file;
pub mod health_probe;
pub mod hostname;
pub mod http;
pub mod interfaces;
pub mod needed_files;
pub mod open_files;
pub mod process_metrics;
pub mod server;
pub(crate) mod upstream;
pub mod weight_file;
