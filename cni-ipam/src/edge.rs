//! All effects of the plugin: files, locks, and what tells that a container is gone.

pub mod files;
pub mod host_local;
pub mod lock;
pub mod settings;
pub mod site;
pub mod snapshot;
pub mod store;
pub mod witness;
