//! The part of Go's `text/template` that templates of records use.
//!
//! There are actions, comments, variables, `if`, `range`, `with`, pipelines and the functions of [`Function`].
//! What is not there is refused when the template is read, with what to write instead.
//! Source: <https://pkg.go.dev/text/template>.

mod evaluate;
mod fields;
mod function;
mod lexer;
mod parser;
mod print;
mod syntax;
mod value;

#[cfg(test)]
mod tests;

pub(super) use self::evaluate::EvaluationError;
pub(super) use self::parser::ParseError;
pub(super) use self::value::Data;

use self::syntax::Node;

/// A template, read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct GoTemplate {
    nodes: Vec<Node>,
    /// How many variables are in use at once, `$` included.
    variables: usize,
}

impl GoTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// The text is no template, too long or too deep, or uses what is not there.
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        parser::parse(text)
    }

    /// Returns the text when it does not depend on a query.
    pub(super) fn fixed_text(&self) -> Option<String> {
        let texts = self.nodes.iter().map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns what the template makes of a query.
    ///
    /// # Errors
    /// A value has the wrong type or is missing, or the output becomes too long.
    pub(super) fn evaluate(&self, data: &Data<'_>) -> Result<String, EvaluationError> {
        evaluate::evaluate(&self.nodes, self.variables, data)
    }
}
