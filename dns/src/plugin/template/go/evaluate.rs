//! What a template makes of a query.

use std::borrow::Cow;

use super::function::Function;
use super::print::show;
use super::syntax::{Command, Node, Operand, Pipeline, Range};
use super::value::{Data, Value};

/// The longest output, in octets: more than a message holds.
const MAX_OUTPUT: usize = 65_536;

/// The most nodes that are evaluated, so that nested loops come to an end.
const MAX_STEPS: usize = 10_000;

/// Says why a template cannot be evaluated for a query.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(in super::super) struct EvaluationError(Cow<'static, str>);

impl EvaluationError {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

/// What follows a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Evaluation<'d, 'q> {
    data: &'d Data<'q>,
    variables: Vec<Value<'d>>,
    output: String,
    steps: usize,
}

pub(super) fn evaluate(
    nodes: &[Node],
    variables: usize,
    data: &Data<'_>,
) -> Result<String, EvaluationError> {
    let mut evaluation = Evaluation {
        data,
        variables: vec![Value::Missing; variables],
        output: String::new(),
        steps: MAX_STEPS,
    };
    evaluation.set(0, Value::Root);
    evaluation.list(nodes, &Value::Root)?;
    Ok(evaluation.output)
}

impl<'d> Evaluation<'d, '_> {
    fn list(&mut self, nodes: &[Node], dot: &Value<'d>) -> Result<Flow, EvaluationError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value<'d>) -> Result<Flow, EvaluationError> {
        self.step(1)?;
        match node {
            Node::Text(text) => self.print(text)?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variable.is_none() {
                    self.print(&show(&value)?)?;
                }
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.pipeline(condition, dot)?.is_true() {
                        return self.list(body, dot);
                    }
                }
                return self.list(otherwise, dot);
            }
            Node::With(branches, otherwise) => {
                for (condition, body) in branches {
                    let value = self.pipeline(condition, dot)?;
                    if value.is_true() {
                        return self.list(body, &value);
                    }
                }
                return self.list(otherwise, dot);
            }
            Node::Range(range) => return self.range(range, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, range: &Range, dot: &Value<'d>) -> Result<Flow, EvaluationError> {
        let entries = entries(&self.pipeline(&range.over, dot)?)?;
        if entries.is_empty() {
            return self.list(&range.otherwise, dot);
        }
        self.step(entries.len())?;
        for (key, value) in entries {
            if let Some(variable) = range.key {
                self.set(variable, key);
            }
            if let Some(variable) = range.value {
                self.set(variable, value.clone());
            }
            if self.list(&range.body, &value)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, steps: usize) -> Result<(), EvaluationError> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| {
            EvaluationError::new(format!("the template takes more than {MAX_STEPS} steps"))
        })?;
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<(), EvaluationError> {
        self.output.push_str(text);
        within_bound(&self.output)
    }

    fn set(&mut self, variable: usize, value: Value<'d>) {
        if let Some(place) = self.variables.get_mut(variable) {
            *place = value;
        }
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        dot: &Value<'d>,
    ) -> Result<Value<'d>, EvaluationError> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or(Value::Missing);
        if let Some(variable) = pipeline.variable {
            self.set(variable, value.clone());
        }
        Ok(value)
    }

    /// Evaluates a command whose last argument is the value of the one before.
    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value<'d>>,
        dot: &Value<'d>,
    ) -> Result<Value<'d>, EvaluationError> {
        match &command.operand {
            Operand::Function(function @ (Function::And | Function::Or)) => {
                let last = command.arguments.len();
                for (at, argument) in (1..).zip(&command.arguments) {
                    let value = self.operand(argument, dot)?;
                    let decides = value.is_true() == (*function == Function::Or);
                    if decides || (at == last && piped.is_none()) {
                        return Ok(value);
                    }
                }
                function.call(piped.as_slice())
            }
            Operand::Function(function) => {
                let arguments = self.arguments(&command.arguments, piped, dot)?;
                function.call(&arguments)
            }
            Operand::Field(of, name) if name == "Meta" => {
                let of = self.operand(of, dot)?;
                let arguments = self.arguments(&command.arguments, piped, dot)?;
                self.meta(&of, &arguments)
            }
            _ if piped.is_some() => Err(EvaluationError::new(
                "a value takes no argument; a function has to stand behind |",
            )),
            operand => self.operand(operand, dot),
        }
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        piped: Option<Value<'d>>,
        dot: &Value<'d>,
    ) -> Result<Vec<Value<'d>>, EvaluationError> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        Ok(arguments)
    }

    fn meta(&self, of: &Value<'d>, arguments: &[Value<'d>]) -> Result<Value<'d>, EvaluationError> {
        match (of, arguments) {
            (Value::Root, [Value::Text(label)]) => {
                Ok(Value::text(self.data.metadata.get(label).unwrap_or_default()))
            }
            _ => Err(EvaluationError::new(
                ".Meta takes one label, as in .Meta \"kubernetes/service\"",
            )),
        }
    }

    fn operand(
        &mut self,
        operand: &Operand,
        dot: &Value<'d>,
    ) -> Result<Value<'d>, EvaluationError> {
        Ok(match operand {
            Operand::Bool(value) => Value::Bool(*value),
            Operand::Int(value) => Value::Int(*value),
            Operand::Text(text) => Value::text(text.clone()),
            Operand::Nil => Value::Nil,
            Operand::Dot => dot.clone(),
            Operand::Variable(at) => self.variables.get(*at).cloned().unwrap_or(Value::Missing),
            Operand::Function(function) => function.call(&[])?,
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            Operand::Field(of, name) => {
                let of = self.operand(of, dot)?;
                if name == "Meta" && of == Value::Root {
                    return self.meta(&of, &[]);
                }
                of.field(name, self.data)?
            }
        })
    }
}

/// Refuses a text that no record could use.
pub(super) fn within_bound(text: &str) -> Result<(), EvaluationError> {
    if text.len() <= MAX_OUTPUT {
        return Ok(());
    }
    Err(EvaluationError::new(format!("a text becomes longer than {MAX_OUTPUT} octets")))
}

/// Returns what `range` goes through: elements with their index, entries in the order of their keys, or the
/// numbers below one.
fn entries<'d>(value: &Value<'d>) -> Result<Vec<(Value<'d>, Value<'d>)>, EvaluationError> {
    match value {
        Value::Strings(strings) => Ok((0..)
            .map(Value::Int)
            .zip(strings.iter().map(|text| Value::text(text.as_str())))
            .collect()),
        Value::Map(map) => {
            let text = |text: &'d String| Value::text(text.as_str());
            Ok(map.iter().map(|(key, value)| (text(key), text(value))).collect())
        }
        Value::Variables(map) => Ok(map
            .iter()
            .map(|(key, value)| (Value::text(key.as_str()), Value::of_variable(value)))
            .collect()),
        Value::Questions => Ok(vec![(Value::Int(0), Value::Question)]),
        Value::Missing | Value::Nil => Ok(Vec::new()),
        Value::Int(count) if usize::try_from(*count).is_ok_and(|count| count <= MAX_STEPS) => {
            Ok((0..*count).map(|at| (Value::Int(at), Value::Int(at))).collect())
        }
        other => {
            Err(EvaluationError::new(format!("range cannot go through a {}", other.type_name())))
        }
    }
}
