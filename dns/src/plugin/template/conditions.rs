//! The `var` and `expr` lines of a template.

use super::go::Data;
use crate::corefile::{CorefileError, Directive};
use crate::plugin::arguments;
use crate::plugin::expression::{self, Facts, Failure, Program, Scope, Type};

/// The most variables of a template.
const MAX_VARIABLES: usize = 64;

/// What a template works out before it answers, and whether it does.
#[derive(Clone, Default, Debug)]
pub(super) struct Conditions {
    /// The variables, each of which may use those before it.
    variables: Vec<(String, Type)>,
    /// Their values, in the same order.
    values: Vec<Program>,
    /// What has to be true.
    expressions: Vec<Program>,
}

impl Conditions {
    /// Reads `var NAME EXPRESSION`.
    pub(super) fn add_variable(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let [name, expression @ ..] = line.args.as_slice() else {
            return Err(line.error("var needs a name and an expression; write var ip group('ip')"));
        };
        if expression.is_empty() {
            let text = &name.text;
            return Err(
                name.error(format!("var {text} needs an expression, such as group('{text}')"))
            );
        }
        let is_name =
            name.text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
                && name.text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_name || RESERVED.contains(&name.text.as_str()) || expression::is_function(&name.text)
        {
            return Err(name.error(format!(
                "'{}' cannot be the name of a variable; take letters, digits and _ that are no word of expressions",
                name.text
            )));
        }
        if self.variables.iter().any(|(known, _)| *known == name.text) {
            return Err(name
                .error(format!("there is a variable '{}' already; take another name", name.text)));
        }
        if self.variables.len() == MAX_VARIABLES {
            return Err(name
                .error(format!("a template has at most {MAX_VARIABLES} variables; remove some")));
        }
        let (value, kind) = expression::value(line, expression, self.scope())?;
        self.variables.push((name.text.clone(), kind));
        self.values.push(value);
        Ok(())
    }

    /// Reads `expr EXPRESSION`.
    pub(super) fn add_expression(&mut self, line: &Directive) -> Result<(), CorefileError> {
        arguments::some(line)?;
        self.expressions.push(expression::condition(line, self.scope())?);
        Ok(())
    }

    fn scope(&self) -> Scope<'_> {
        Scope { variables: &self.variables, has_groups: true }
    }

    /// Works out the variables for `.Var`, then says whether every expression is true.
    ///
    /// # Errors
    /// One of them has no value for this query.
    pub(super) fn hold(&self, data: &mut Data<'_>) -> Result<bool, Failure> {
        let mut values = Vec::with_capacity(self.values.len());
        for program in &self.values {
            values.push(program.value(facts(data, &values))?.into_owned());
        }
        for expression in &self.expressions {
            if !expression.is_true(facts(data, &values))? {
                return Ok(false);
            }
        }
        let names = self.variables.iter().map(|(name, _)| name.clone());
        data.variables = names.zip(values).collect();
        Ok(true)
    }
}

/// The words of expressions besides functions.
const RESERVED: [&str; 12] = [
    "true",
    "false",
    "nil",
    "and",
    "or",
    "not",
    "in",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
];

fn facts<'a>(data: &'a Data<'_>, variables: &'a [expression::Value<'static>]) -> Facts<'a> {
    Facts::of(data.query, &data.metadata).with(&data.groups, variables)
}
