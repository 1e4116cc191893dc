//! Names of a Kubernetes cluster: the Kubernetes DNS specification 1.1.0, as CoreDNS's `kubernetes` plugin
//! answers it.
//!
//! [`answer`] is a function of a snapshot, the options of the `kubernetes` block and a question. It is
//! total, and the same input gives the same records in the same order.

mod answer;
mod client;
mod direct;
mod endpoints;
mod external_names;
mod metadata;
mod name;
mod nameserver;
mod nearest;
mod parts;
mod records;
mod reverse;
mod rule;
mod services;
mod zone;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Chase, Question, Status, answer};
pub use client::{host_domains, search_class, search_path};
pub use direct::DirectZone;
pub use external_names::{ExternalZone, external_answer};
pub use metadata::metadata;
pub use nearest::nearest;
pub use parts::{is_of_its_parts, parts};
pub use rule::{Rule, Ruling};
pub use zone::{PodMode, Zone, ZoneOptions};
