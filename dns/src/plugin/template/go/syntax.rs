//! What a template consists of.

use super::function::Function;

/// A part of a template.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{{ pipeline }}`: prints, unless it sets a variable.
    Action(Pipeline),
    /// `{{ if }}` with each `{{ else if }}`, then `{{ else }}`.
    If(Vec<(Pipeline, Vec<Self>)>, Vec<Self>),
    /// `{{ with }}`, as `if`, with the value as `.`.
    With(Vec<(Pipeline, Vec<Self>)>, Vec<Self>),
    Range(Range),
    Break,
    Continue,
}

/// `{{ range $key, $value := pipeline }}`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Range {
    /// The variable with the index or key.
    pub(super) key: Option<usize>,
    /// The variable with the value.
    pub(super) value: Option<usize>,
    pub(super) over: Pipeline,
    pub(super) body: Vec<Node>,
    /// What stands there when there is nothing.
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Pipeline {
    /// The variable that is set.
    pub(super) variable: Option<usize>,
    pub(super) commands: Vec<Command>,
}

/// A value, or a function or method with arguments.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Command {
    pub(super) operand: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// A value in a command.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Operand {
    Bool(bool),
    Int(i64),
    Text(String),
    Nil,
    Dot,
    Variable(usize),
    Function(Function),
    Pipeline(Box<Pipeline>),
    /// A field, or the method `Meta`, of a value.
    Field(Box<Self>, String),
}
