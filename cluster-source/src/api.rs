//! How the Kubernetes API is listed and watched, as functions and state machines; `edge::kubernetes` drives
//! them.
//!
//! ```text
//! reflector ─ what to ask ─► request ─► (the server) ─► lines or page ─► translate ─► events
//!     ▲                                                                     │
//!     └──────────────── what happened: changes, refusals, ends ─────────────┘
//! ```

pub(crate) mod backoff;
pub(crate) mod lines;
pub(crate) mod page;
pub(crate) mod reflector;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod step;
pub(crate) mod throttle;
pub(crate) mod translate;
pub(crate) mod trigger;
pub(crate) mod watch;
pub(crate) mod words;
