//! The functions of templates.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::EvaluationError;
use super::evaluate::within_bound;
use super::parser::ParseError;
use super::print::{print, printf, show};
use super::value::Value;

/// A function that a template may call. `and` and `or` are evaluated with their arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    ParseInt,
}

const FUNCTIONS: [(&str, Function); 16] = [
    ("and", Function::And),
    ("or", Function::Or),
    ("not", Function::Not),
    ("len", Function::Len),
    ("index", Function::Index),
    ("slice", Function::Slice),
    ("print", Function::Print),
    ("printf", Function::Printf),
    ("println", Function::Println),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("lt", Function::Lt),
    ("le", Function::Le),
    ("gt", Function::Gt),
    ("ge", Function::Ge),
    ("parseInt", Function::ParseInt),
];

/// The digits of [`parse_int`].
const MAX_BASE: u32 = 36;

impl Function {
    pub(super) fn named(name: &str) -> Result<Self, ParseError> {
        let found = FUNCTIONS.iter().find(|(known, _)| *known == name);
        found.map(|(_, function)| *function).ok_or_else(|| {
            let known: Vec<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
            ParseError::new(format!(
                "the function {name} is not available; there is {}",
                known.join(", ")
            ))
        })
    }

    fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    pub(super) fn call<'d>(self, arguments: &[Value<'d>]) -> Result<Value<'d>, EvaluationError> {
        match (self, arguments) {
            (Self::And | Self::Or, [.., last]) => Ok(last.clone()),
            (Self::Not, [value]) => Ok(Value::Bool(!value.is_true())),
            (Self::Len, [value]) => length(value),
            (Self::Index, [value, places @ ..]) => {
                places.iter().try_fold(value.clone(), |value, place| index(&value, place))
            }
            (Self::Slice, [value, bounds @ ..]) if bounds.len() <= 2 => slice(value, bounds),
            (Self::Print, values) => Ok(Value::text(print(values)?)),
            (Self::Println, values) => {
                let shown: Result<Vec<_>, _> = values.iter().map(show).collect();
                let line = shown?.join(" ") + "\n";
                within_bound(&line)?;
                Ok(Value::text(line))
            }
            (Self::Printf, [format, values @ ..]) => {
                Ok(Value::text(printf(text(format)?, values)?))
            }
            (Self::Eq, [one, others @ ..]) if !others.is_empty() => {
                for other in others {
                    if is_equal(one, other)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            (Self::Ne, [one, other]) => Ok(Value::Bool(!is_equal(one, other)?)),
            (Self::Lt, [one, other]) => Ok(Value::Bool(order(one, other)?.is_lt())),
            (Self::Le, [one, other]) => Ok(Value::Bool(order(one, other)?.is_le())),
            (Self::Gt, [one, other]) => Ok(Value::Bool(order(one, other)?.is_gt())),
            (Self::Ge, [one, other]) => Ok(Value::Bool(order(one, other)?.is_ge())),
            (Self::ParseInt, [digits, base, bits]) => parse_int(text(digits)?, base, bits),
            _ => Err(EvaluationError::new(format!(
                "wrong number of arguments for {}: {}",
                self.name(),
                arguments.len()
            ))),
        }
    }
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, EvaluationError> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Missing => Ok(""),
        other => Err(wrong_type("a string", other)),
    }
}

fn wrong_type(wanted: &str, value: &Value<'_>) -> EvaluationError {
    EvaluationError::new(format!("{wanted} is wanted, not a {}", value.type_name()))
}

fn whole(value: &Value<'_>) -> Result<i128, EvaluationError> {
    match value {
        Value::Int(value) => Ok((*value).into()),
        Value::Uint(value) => Ok((*value).into()),
        other => Err(wrong_type("a whole number", other)),
    }
}

fn place(value: &Value<'_>, length: usize) -> Result<usize, EvaluationError> {
    let at = whole(value)?;
    usize::try_from(at).ok().filter(|at| *at <= length).ok_or_else(|| out_of_range(at))
}

fn out_of_range(at: impl std::fmt::Display) -> EvaluationError {
    EvaluationError::new(format!("the index {at} is out of range"))
}

fn length<'d>(value: &Value<'_>) -> Result<Value<'d>, EvaluationError> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Strings(strings) => strings.len(),
        Value::Map(map) => map.len(),
        Value::Variables(map) => map.len(),
        Value::Questions => 1,
        other => {
            return Err(EvaluationError::new(format!("a {} has no length", other.type_name())));
        }
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index<'d>(value: &Value<'d>, at: &Value<'_>) -> Result<Value<'d>, EvaluationError> {
    match value {
        Value::Strings(strings) => {
            let at = place(at, strings.len())?;
            let found = strings.get(at).ok_or_else(|| out_of_range(at))?;
            Ok(Value::text(found.as_str()))
        }
        Value::Map(map) => {
            Ok(map.get(text(at)?).map_or(Value::text(""), |found| Value::text(found.as_str())))
        }
        Value::Variables(map) => Ok(map.get(text(at)?).map_or(Value::Missing, Value::of_variable)),
        Value::Questions if whole(at)? == 0 => Ok(Value::Question),
        Value::Text(text) => {
            let at = place(at, text.len())?;
            let found = text.as_bytes().get(at).ok_or_else(|| out_of_range(at))?;
            Ok(Value::Uint((*found).into()))
        }
        other => Err(EvaluationError::new(format!("a {} has no element there", other.type_name()))),
    }
}

fn slice<'d>(value: &Value<'d>, bounds: &[Value<'_>]) -> Result<Value<'d>, EvaluationError> {
    let range = |length: usize| {
        let from = bounds.first().map_or(Ok(0), |from| place(from, length))?;
        let to = bounds.get(1).map_or(Ok(length), |to| place(to, length))?;
        if from <= to { Ok(from..to) } else { Err(out_of_range(from)) }
    };
    match value {
        Value::Strings(strings) => {
            let range = range(strings.len())?;
            Ok(Value::Strings(strings.get(range).unwrap_or_default()))
        }
        Value::Text(Cow::Borrowed(text)) => {
            let range = range(text.len())?;
            Ok(Value::text(text.get(range).ok_or_else(|| out_of_range("within a character"))?))
        }
        Value::Text(Cow::Owned(text)) => {
            let range = range(text.len())?;
            let part = text.get(range).ok_or_else(|| out_of_range("within a character"))?;
            Ok(Value::text(part.to_owned()))
        }
        other => Err(EvaluationError::new(format!("a {} cannot be sliced", other.type_name()))),
    }
}

fn is_equal(one: &Value<'_>, other: &Value<'_>) -> Result<bool, EvaluationError> {
    match (one, other) {
        (Value::Missing | Value::Nil, Value::Missing | Value::Nil) => Ok(true),
        (Value::Missing | Value::Nil, _) | (_, Value::Missing | Value::Nil) => Ok(false),
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        _ => order(one, other).map(Ordering::is_eq),
    }
}

fn order(one: &Value<'_>, other: &Value<'_>) -> Result<Ordering, EvaluationError> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => Ok(one.cmp(other)),
        (Value::Int(_) | Value::Uint(_), Value::Int(_) | Value::Uint(_)) => {
            Ok(whole(one)?.cmp(&whole(other)?))
        }
        _ => Err(EvaluationError::new(format!(
            "a {} and a {} cannot be compared",
            one.type_name(),
            other.type_name()
        ))),
    }
}

/// Go's `strconv.ParseUint`: base 0 reads the base from the text; bits 0 stands for 64.
fn parse_int<'d>(
    digits: &str,
    base: &Value<'_>,
    bits: &Value<'_>,
) -> Result<Value<'d>, EvaluationError> {
    let error = || EvaluationError::new(format!("parseInt cannot read '{digits}'"));
    let bits = u32::try_from(whole(bits)?).ok().filter(|bits| *bits <= 64).ok_or_else(error)?;
    let base = u32::try_from(whole(base)?).map_err(|_| error())?;
    let lower = digits.to_ascii_lowercase();
    let (plain, base) = match (base, lower.as_bytes()) {
        (0, [b'0', b'x', ..]) => (lower[2..].replace('_', ""), 16),
        (0, [b'0', b'o', ..]) => (lower[2..].replace('_', ""), 8),
        (0, [b'0', b'b', ..]) => (lower[2..].replace('_', ""), 2),
        (0, [b'0', _, ..]) => (lower[1..].replace('_', ""), 8),
        (0, _) => (lower.replace('_', ""), 10),
        (2..=MAX_BASE, _) => (lower, base),
        _ => return Err(error()),
    };
    if plain.starts_with(['+', '-']) {
        return Err(error());
    }
    let value = u64::from_str_radix(&plain, base).map_err(|_| error())?;
    let fits = bits == 0 || bits == 64 || value >> bits == 0;
    if fits { Ok(Value::Uint(value)) } else { Err(error()) }
}
