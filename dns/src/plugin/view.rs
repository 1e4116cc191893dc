//! `view`: a server block takes only queries for which conditions hold, and leaves the others to the next block
//! with the same zone.

mod comparison;
mod cursor;
mod functions;
mod lexer;
mod program;
mod syntax;

use self::functions::Facts;
use self::program::Program;
use super::{Filter, arguments, directive};
use crate::Query;
use crate::corefile::{CorefileError, Directive, Token};
use crate::engine::Metadata;

/// The operators as an error lists them.
const OPERATORS: &str =
    "==, !=, <, <=, >, >=, &&, ||, !, +, in, matches, contains, startsWith and endsWith";

/// The conditions of a server block, all of which have to hold.
#[derive(Clone, Debug)]
pub struct View {
    name: String,
    conditions: Vec<Program>,
}

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

impl View {
    /// Reads the `view` directives of a server block: the conditions of all add up, the last one names the view.
    ///
    /// # Errors
    /// A name is missing, or an expression is none.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut view = Self { name: String::new(), conditions: Vec::new() };
        for directive in directives {
            view.name.clone_from(&arguments::single(directive)?.text);
            for line in directive.lines() {
                if line.name.text != "expr" {
                    return Err(directive::unknown_option(line, "expr"));
                }
                arguments::no_block(line)?;
                view.conditions.push(condition(line)?);
            }
        }
        Ok(view)
    }
}

/// Reads the rest of a line as an expression.
///
/// Quotes around a whole token are not part of its text, as with CoreDNS. Where that makes no sense they are read as
/// those of a string: `type() == "A"`.
fn condition(line: &Directive) -> Result<Program, CorefileError> {
    let tokens = arguments::some(line)?;
    let joined = |texts: Vec<String>| syntax::condition(&texts.join(" "));
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

impl Filter for View {
    fn name(&self) -> &str {
        &self.name
    }

    fn takes(&self, query: &Query, metadata: &Metadata<'_>) -> bool {
        let facts = Facts { query, metadata };
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

#[cfg(test)]
mod tests;
