//! Writes to the Kubernetes API: the only writer.
//!
//! A [`Writer`] carries out one [`Write`] at a time within a rate. Whatever does not end in a clear yes is followed by a look
//! at the object, so that the caller goes on from what is there and not from what it hoped for. An [`EventRecorder`] tells
//! operators of things, and an [`Elector`] holds a Lease, so that of several replicas one writes.
//!
//! ```text
//!  Write ──► Writer: rate ─► request ─► yes: the object as stored
//!                                  └─► no, or no answer ─► GET ─► what is there
//!  Event ──► EventRecorder: series, bounded ─► Writer
//!  Elector ─ Lease ─► Term ──► Writer::of_leader: no write begins behind it
//! ```
//!
//! What decides is plain functions with the time passed in; what touches the network and the clock lives in `edge`.

mod edge;
mod election;
mod event;
mod failure;
mod lease;
mod resource;
mod series;
mod stamp;
mod write;

pub use edge::elector::{Elector, Term};
pub use edge::recorder::{EventCounts, EventRecorder};
pub use edge::writer::{WriteObserver, WriteRate, Writer};
pub use election::LeaseTimes;
pub use event::{Event, Regarding, Reporter, Severity};
pub use failure::{Failure, Found, Written};
pub use resource::{Resource, Target};
pub use write::{Change, Write};
