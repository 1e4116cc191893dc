//! Why an object cannot be used.

use cluster::{Kind, ObjectKey};
use thiserror::Error;

/// An object that cannot be used: which one, where in it, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{kind} {key}: {field}: {problem}", key = display(.key.as_ref()))]
pub(crate) struct BadObject {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its key, as far as it could be read.
    pub(crate) key: Option<ObjectKey>,
    field: String,
    problem: String,
}

/// What is wrong with one field of an object whose name the caller knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) problem: String,
}

/// Which pods a policy closes that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closes {
    /// Those that it selects.
    OwnPods,
    /// All of its namespace: which it selects cannot be read either.
    Namespace,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Returns the fault of a part that is left out.
    pub(super) fn leaving_out(self, part: &str) -> Self {
        Self { problem: format!("{}; {part} is left out", self.problem), ..self }
    }

    /// Returns the fault of a part of a policy that matches nothing, so that it opens nothing.
    pub(super) fn matching_nothing(self, part: &str) -> Self {
        Self { problem: format!("{}; the {part} matches nothing", self.problem), ..self }
    }

    /// Returns the fault of a policy that closes pods, for it cannot be read.
    pub(super) fn closing(self, closes: Closes) -> Self {
        let whose = match closes {
            Closes::OwnPods => "",
            Closes::Namespace => " to any pod of its namespace, for its own cannot be told",
        };
        Self { problem: format!("{}; the policy allows nothing{whose}", self.problem), ..self }
    }

    /// Returns the fault as seen from the object that holds it: the field's path gets longer.
    pub(super) fn under(self, parent: &str) -> Self {
        Self { field: format!("{parent}{}", self.field), problem: self.problem }
    }
}

impl BadObject {
    pub(super) fn new(kind: Kind, key: Option<ObjectKey>, fault: Fault) -> Self {
        Self { kind, key, field: fault.field, problem: fault.problem }
    }
}

fn display(key: Option<&ObjectKey>) -> String {
    key.map_or_else(|| "without a readable name".to_owned(), ObjectKey::to_string)
}
