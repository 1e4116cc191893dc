//! Namespaces.

use crate::{Labels, Text};

/// A `v1` Namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// The name.
    pub name: Text,
    /// The labels that namespace selectors read.
    pub labels: Labels,
    /// What NetworkPolicies deny to and from its pods is only told, and let through (annotation
    /// `portolan.dev/netpol-mode: audit`).
    pub audit: bool,
}
