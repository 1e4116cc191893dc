//! The functions of expr-lang that work on strings and numbers.

use super::ExpressionError;
use super::facts::{Failure, Type, Value};
use super::program::Program;
use super::syntax::{Parsed, Parser, Part};

/// The longest text that an expression makes, in octets: more than a message holds.
pub(super) const LONGEST_TEXT: usize = 65_536;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Builtin {
    /// A whole number from a string, or a number as it is.
    Int,
    /// How many characters a string has.
    Len,
    Lower,
    /// A string with every occurrence of a part replaced.
    Replace,
    /// Any value as a string.
    Text,
    Trim,
    Upper,
}

const BUILTINS: [(&str, Builtin); 7] = [
    ("int", Builtin::Int),
    ("len", Builtin::Len),
    ("lower", Builtin::Lower),
    ("replace", Builtin::Replace),
    ("string", Builtin::Text),
    ("trim", Builtin::Trim),
    ("upper", Builtin::Upper),
];

impl Builtin {
    pub(super) fn named(name: &str) -> Option<Self> {
        BUILTINS.iter().find(|(known, _)| *known == name).map(|(_, builtin)| *builtin)
    }

    /// Returns the type of the value.
    const fn kind(self) -> Type {
        match self {
            Self::Int | Self::Len => Type::Number,
            Self::Lower | Self::Replace | Self::Text | Self::Trim | Self::Upper => Type::Text,
        }
    }

    /// Says whether the first argument may have a type besides string.
    fn takes(self, kind: Type) -> bool {
        match self {
            Self::Text => true,
            Self::Int => kind != Type::Bool,
            Self::Len | Self::Lower | Self::Replace | Self::Trim | Self::Upper => {
                kind == Type::Text
            }
        }
    }

    /// Returns the value for arguments of the right number and types.
    pub(super) fn of<'a>(self, arguments: &[Value<'a>]) -> Result<Value<'a>, Failure> {
        Ok(match (self, arguments) {
            (Self::Int, [Value::Text(text)]) => Value::Number(
                text.parse().map_err(|_| Failure(format!("int: '{text}' is no whole number")))?,
            ),
            (Self::Len, [Value::Text(text)]) => {
                Value::Number(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
            }
            (Self::Lower, [Value::Text(text)]) => Value::text(text.to_lowercase()),
            (Self::Replace, [Value::Text(text), Value::Text(old), Value::Text(new)]) => {
                replace(text, old, new)?
            }
            (Self::Text, [Value::Number(number)]) => Value::text(number.to_string()),
            (Self::Text, [Value::Bool(value)]) => Value::text(value.to_string()),
            (Self::Trim, [Value::Text(text)]) => Value::text(text.trim().to_owned()),
            (Self::Upper, [Value::Text(text)]) => Value::text(text.to_uppercase()),
            (_, [value, ..]) => value.clone(),
            (_, []) => Value::text(""),
        })
    }
}

fn replace<'a>(text: &str, old: &str, new: &str) -> Result<Value<'a>, Failure> {
    let found = text.matches(old).count();
    let kept = text.len() - found * old.len();
    if kept + found.saturating_mul(new.len()) > LONGEST_TEXT {
        return Err(too_long());
    }
    Ok(Value::text(text.replace(old, new)))
}

pub(super) fn too_long() -> Failure {
    Failure(format!("a text becomes longer than {LONGEST_TEXT} octets"))
}

impl Parser<'_> {
    /// Reads the arguments of a function.
    pub(super) fn builtin(&mut self, name: &str, column: usize) -> Parsed {
        let Some(builtin) = Builtin::named(name) else {
            return Err(ExpressionError::new(column, format!("'{name}' is no function")));
        };
        let first = self.nested(Self::any)?;
        if !builtin.takes(first.kind) {
            let problem = format!("{name}() does not take {}", first.kind.name());
            return Err(ExpressionError::new(first.column, problem));
        }
        let (mut depth, mut arguments) = (first.depth, vec![first.program]);
        let more: &[&str] = match builtin {
            Builtin::Replace => &["what replace() replaces", "what replace() puts there"],
            _ => &[],
        };
        for what in more {
            self.cursor.need(",")?;
            let argument = self.argument(what)?;
            depth = depth.max(argument.depth);
            arguments.push(argument.program);
        }
        Part::around(depth, column, builtin.kind(), Program::Call(builtin, arguments))
    }
}
