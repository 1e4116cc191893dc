//! Kubernetes objects, from a live API server or from manifests, as events for the in-memory model.
//!
//! A [`Source`] keeps one [`Cluster`](cluster::Cluster) snapshot current. Readers take the snapshot without a
//! lock; [`Source::changes`] wakes them when there is a new one; [`Status`] says how far it can be trusted,
//! and an [`Observer`] hears what is measured.
//! This crate is the only reader of kube.
//!
//! ```text
//!                  ┌─ manifests: scan ─► documents ─► decode ─► diff ──┐
//!  SourceConfig ─► │                                                   ├─► bounded queue ─► Store ─► snapshot
//!                  └─ api: reflector ─► request ─► lines ─► decode ────┘
//! ```
//!
//! Beside the model, [`fetch_pod`], [`list_written`] and [`written_at`] read objects once, as they are written, and
//! [`ApiServer`] follows them, and carries requests of who writes.
//!
//! What decides is plain functions and state machines (`decode`, `manifests`, `api`); what touches the
//! network, files, time or tasks lives in `edge`. Both sources share one decoder, so that the same objects
//! give the same snapshot whichever way they come.

mod api;
mod config;
mod decode;
mod edge;
mod encode;
mod error;
mod interest;
mod manifests;
mod observer;
mod programming;
mod status;
mod timing;

pub use api::throttle::Bucket;
pub use config::{Access, Origin, RequestLimits, SourceConfig, TlsFiles};
pub use edge::kubernetes::direct::{ApiServer, Unanswered};
pub use edge::kubernetes::fetch::{FetchError, fetch_pod, list_written};
pub use edge::kubernetes::written::{WrittenChange, WrittenKind};
pub use edge::manifests::written::written_at;
pub use edge::source::Source;
pub use encode::dump;
pub use error::SourceError;
pub use interest::Interest;
pub use manifests::written::{Written, WrittenObject};
pub use observer::{Observer, ServiceKind, Unusable};
pub use status::{KindStatus, Status};
pub use timing::Timing;

#[cfg(test)]
mod parity;
