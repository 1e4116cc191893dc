//! What an expression works with: values, and what it may know when it is read and when it is evaluated.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::Query;
use crate::engine::Metadata;

/// A value of an expression.
#[derive(Clone, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Bool(bool),
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    Text,
    Number,
    Bool,
}

/// Says why an expression has no value for a query.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(super) String);

/// What an expression may use besides what asks about a query.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Scope<'a> {
    /// The variables by name; their place here is that of their value in [`Facts`].
    pub(crate) variables: &'a [(String, Type)],
    /// Whether there is `group()`.
    pub(crate) has_groups: bool,
}

/// A query, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(super) query: &'a Query,
    pub(super) metadata: &'a Metadata<'a>,
    /// The groups of a regular expression by name and number; none of `view`.
    groups: Option<&'a BTreeMap<String, String>>,
    /// The values of [`Scope::variables`].
    variables: &'a [Value<'static>],
    /// What `#` stands for.
    element: Option<&'a Value<'a>>,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Bool => "true or false",
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the value apart from what it was made of.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Number(number) => Value::Number(number),
            Self::Bool(value) => Value::Bool(value),
        }
    }
}

impl<'a> Facts<'a> {
    /// Returns what an expression without groups and variables knows.
    pub(crate) fn of(query: &'a Query, metadata: &'a Metadata<'a>) -> Self {
        Self { query, metadata, groups: None, variables: &[], element: None }
    }

    /// Adds what [`Scope`] has for `template`.
    pub(crate) fn with(
        self,
        groups: &'a BTreeMap<String, String>,
        variables: &'a [Value<'static>],
    ) -> Self {
        Self { groups: Some(groups), variables, ..self }
    }

    pub(super) fn with_element(self, element: &'a Value<'a>) -> Self {
        Self { element: Some(element), ..self }
    }

    /// Returns what `#` stands for.
    pub(super) fn element(self) -> Result<Value<'a>, Failure> {
        self.element.cloned().ok_or_else(|| Failure("# stands outside of a list".into()))
    }

    /// Returns the value of the variable at a place of [`Scope::variables`].
    pub(super) fn variable(self, at: usize) -> Result<Value<'a>, Failure> {
        self.variables.get(at).cloned().ok_or_else(|| Failure("a variable has no value".into()))
    }

    /// Returns a group by its name or number; empty when there is none, or it took no part in the match.
    pub(super) fn group(self, key: &str) -> &'a str {
        self.groups.and_then(|groups| groups.get(key)).map_or("", String::as_str)
    }
}
