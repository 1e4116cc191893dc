//! The expressions of `view` and `template`: the part of expr-lang that CoreDNS's Corefiles use.
//!
//! An expression is checked when the Corefile is read, types included. Source:
//! <https://expr-lang.org/docs/language-definition>, and CoreDNS's `plugin/pkg/expression` for the functions
//! that ask about a query.

mod builtin;
mod comparison;
mod cursor;
mod facts;
mod functions;
mod lexer;
mod program;
mod quantifier;
mod syntax;

pub(crate) use self::facts::{Facts, Failure, Scope, Type, Value};
pub(crate) use self::program::Program;

use self::builtin::Builtin;
use self::functions::Field;
use self::quantifier::Quantifier;
use super::arguments;
use crate::corefile::{CorefileError, Directive, Token};

/// The operators as an error lists them.
const OPERATORS: &str = "==, !=, <, <=, >, >=, &&, ||, !, +, -, *, %, in, matches, contains, startsWith and \
    endsWith";

/// Says what is wrong with an expression.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ExpressionError {
    /// Where, in characters from 1.
    column: usize,
    /// What, and what to do.
    problem: String,
}

impl ExpressionError {
    fn new(column: usize, problem: impl Into<String>) -> Self {
        Self { column, problem: problem.into() }
    }
}

/// Reads the arguments of a line as an expression that is true or false.
///
/// # Errors
/// There are none, or they are no such expression.
pub(crate) fn condition(line: &Directive, scope: Scope<'_>) -> Result<Program, CorefileError> {
    parse(line, arguments::some(line)?, |text| syntax::condition(text, scope))
}

/// Reads the arguments of a line as an expression with a value of any type.
///
/// # Errors
/// They are no expression.
pub(crate) fn value(
    line: &Directive,
    tokens: &[Token],
    scope: Scope<'_>,
) -> Result<(Program, Type), CorefileError> {
    parse(line, tokens, |text| syntax::value(text, scope))
}

/// Says whether there is a function of this name, with or without arguments.
pub(crate) fn is_function(name: &str) -> bool {
    Field::named(name).is_some()
        || Builtin::named(name).is_some()
        || Quantifier::named(name).is_some()
        || ["group", "incidr", "metadata"].contains(&name)
}

/// Quotes around a whole token are not part of its text, as with CoreDNS. Where that makes no sense they are read
/// as those of a string: `type() == "A"`.
fn parse<T>(
    line: &Directive,
    tokens: &[Token],
    read: impl Fn(&str) -> Result<T, ExpressionError>,
) -> Result<T, CorefileError> {
    let joined = |texts: Vec<String>| read(&texts.join(" "));
    let plain = joined(tokens.iter().map(|token| token.text.clone()).collect());
    plain.or_else(|error| {
        let requoted = tokens.iter().map(requoted).collect();
        joined(requoted).map_err(|_| {
            line.error(format!("expression, column {}: {}", error.column, error.problem))
        })
    })
}

fn requoted(token: &Token) -> String {
    match token.quoted {
        true => format!("\"{}\"", token.text.replace('"', "\\\"")),
        false => token.text.clone(),
    }
}

#[cfg(test)]
mod tests;
