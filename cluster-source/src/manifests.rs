//! What manifest files mean, as functions of their text; `edge::manifests` reads and watches them.
//!
//! ```text
//! text ─ documents ─► YAML or JSON ─ yaml ─► JSON ─ walk ─┬─ contents ─► objects of a file ─ catalog ─► events
//!                                                         └─ written ─► objects as they are written
//! ```

pub(crate) mod catalog;
pub(crate) mod contents;
mod documents;
pub(crate) mod fields;
mod walk;
pub(crate) mod written;
mod yaml;
