//! What manifest files mean, as functions of their text; `edge::manifests` reads and watches them.
//!
//! ```text
//! text ─ documents ─► YAML or JSON ─ yaml ─► JSON ─ contents ─► objects of a file ─ catalog ─► events
//! ```

pub(crate) mod catalog;
pub(crate) mod contents;
mod documents;
mod yaml;
