//! DNS for a cluster.
//!
//! A Corefile becomes an [`Engine`] of server blocks; a [`Query`] passes the plugins of the block
//! that serves its zone and becomes a [`Reply`]. What answers from memory is a plain function of a
//! snapshot of the cluster; sockets, clocks and logs are under `edge`.

pub mod config;
pub mod cookie;
pub mod corefile;
pub mod direct;
pub mod edge;
pub mod engine;
pub mod kubernetes;
mod minimal_any;
pub mod plugin;
pub mod pod_dns;
mod query;
mod random;
mod repeat;
mod reply;
pub mod sampling;
pub mod wire;
pub mod zone_file;

pub use engine::Engine;
pub use plugin::arguments::rcode_name;
pub use plugin::record_text::record_text;
pub use query::{MIN_PAYLOAD, Protocol, Query};
pub use repeat::{Again, Count, Lasting, Repetition, Sizes};
pub use reply::{Exchange, ExchangedMessages, ExtendedError, ExtendedErrorCode, Reply, Transport};
