//! `view`: a server block takes only queries for which conditions hold, and leaves the others to the next block
//! with the same zone.

use super::expression::{self, Facts, Program, Scope};
use super::{Filter, arguments, directive};
use crate::Query;
use crate::corefile::{CorefileError, Directive};
use crate::engine::Metadata;

/// The conditions of a server block, all of which have to hold.
#[derive(Clone, Debug)]
pub struct View {
    name: String,
    conditions: Vec<Program>,
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
                view.conditions.push(expression::condition(line, Scope::default())?);
            }
        }
        Ok(view)
    }
}

impl Filter for View {
    fn name(&self) -> &str {
        &self.name
    }

    fn takes(&self, query: &Query, metadata: &Metadata<'_>) -> bool {
        let facts = Facts::of(query, metadata);
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

#[cfg(test)]
mod tests;
