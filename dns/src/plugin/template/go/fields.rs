//! Which fields there are, as far as it is known when a template is read.

use super::parser::ParseError;
use super::syntax::Operand;
use super::value::{MESSAGE_FIELDS, QUESTION_FIELDS, ROOT_FIELDS};

/// Refuses fields that are not there, where the type is known.
pub(super) fn check_field(of: &Operand, name: &str, is_dot_root: bool) -> Result<(), ParseError> {
    let is_root = |operand: &Operand| {
        *operand == Operand::Variable(0) || (*operand == Operand::Dot && is_dot_root)
    };
    let (what, known): (&str, &[&str]) = match of {
        operand if is_root(operand) => ("", &ROOT_FIELDS),
        Operand::Field(root, field) if is_root(root) => match field.as_str() {
            "Message" => (".Message", &MESSAGE_FIELDS),
            "Question" => (".Question", &QUESTION_FIELDS),
            "Group" | "Var" => return Ok(()),
            _ => return Err(ParseError::new(format!(".{field} has no fields; remove .{name}"))),
        },
        _ => return Ok(()),
    };
    if known.contains(&name) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(|field| format!("{what}.{field}")).collect();
    Err(ParseError::new(format!("{what}.{name} is not available; there is {}", known.join(", "))))
}
