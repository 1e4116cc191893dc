//! Namespaces.

use crate::{Labels, Text};

/// A `v1` Namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// The name.
    pub name: Text,
    /// The labels that namespace selectors read.
    pub labels: Labels,
}
