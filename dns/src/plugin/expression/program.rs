//! A checked expression, and its value for a query.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use regex::Regex;

use super::builtin::{Builtin, LONGEST_TEXT, too_long};
use super::facts::{Facts, Failure, Value};
use super::functions::{Field, parse_address};
use super::quantifier::Quantifier;

/// An expression whose types fit.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    Literal(Value<'static>),
    Field(Field),
    /// The variable at this place of the scope.
    Variable(usize),
    /// `#`.
    Element,
    Metadata(Box<Program>),
    /// `group` of a regular expression.
    Group(Box<Program>),
    Call(Builtin, Vec<Program>),
    InCidr(Box<Program>, Network),
    Not(Box<Program>),
    /// `&&` of two or more.
    All(Vec<Program>),
    /// `||` of two or more.
    Any(Vec<Program>),
    Compare(Comparison, Box<(Program, Program)>),
    /// A value and what is added to it, taken from it and so on, from the left.
    Arithmetic(Box<Program>, Vec<(Sign, Program)>),
    /// `any` of a list and its like.
    Quantified(Quantifier, Vec<Program>, Box<Program>),
    OneOf(Box<Program>, Vec<Program>),
    Matches(Box<Program>, Regex),
    Test(TextTest, Box<(Program, Program)>),
}

/// The second argument of `incidr`.
#[derive(Clone, Debug)]
pub(crate) enum Network {
    /// A literal.
    Fixed(IpNet),
    /// Anything else, read for each query.
    Read(Box<Program>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// An operator of numbers; strings are added, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    Plus,
    Minus,
    Times,
    Remainder,
}

impl Program {
    /// Says whether a condition holds. As for CoreDNS's `view`, one that cannot be worked out, such as `incidr` of
    /// no address or its opposite, does not hold.
    pub(crate) fn holds(&self, facts: Facts<'_>) -> bool {
        self.value(facts) == Ok(Value::Bool(true))
    }

    /// Returns the value for a query.
    ///
    /// # Errors
    /// A text is no address, no network or no number.
    pub(crate) fn value<'a>(&'a self, facts: Facts<'a>) -> Result<Value<'a>, Failure> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Field(field) => field.of(facts.query),
            Self::Variable(at) => facts.variable(*at)?,
            Self::Element => facts.element()?,
            Self::Metadata(label) => {
                let known = facts.metadata.get(&label.text(facts)?);
                Value::text(known.unwrap_or_default())
            }
            Self::Group(key) => match key.value(facts)? {
                Value::Text(name) => Value::text(facts.group(&name)),
                Value::Number(number) => Value::text(facts.group(&number.to_string())),
                Value::Bool(_) => Value::text(""),
            },
            Self::Call(builtin, arguments) => {
                let values: Result<Vec<_>, _> =
                    arguments.iter().map(|argument| argument.value(facts)).collect();
                builtin.of(&values?)?
            }
            Self::Arithmetic(first, others) => {
                let mut value = first.value(facts)?;
                for (sign, other) in others {
                    value = sign.of(value, other.value(facts)?)?;
                }
                value
            }
            condition => Value::Bool(condition.is_true(facts)?),
        })
    }

    /// Says whether a condition is true for a query.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub(crate) fn is_true(&self, facts: Facts<'_>) -> Result<bool, Failure> {
        match self {
            Self::InCidr(address, network) => in_cidr(address, network, facts),
            Self::Not(inner) => inner.is_true(facts).map(|holds| !holds),
            Self::All(terms) => {
                for term in terms {
                    if !term.is_true(facts)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(terms) => {
                for term in terms {
                    if term.is_true(facts)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Compare(comparison, sides) => {
                Ok(comparison.holds(&sides.0.value(facts)?, &sides.1.value(facts)?))
            }
            Self::OneOf(value, list) => {
                let value = value.value(facts)?;
                for item in list {
                    if item.value(facts)? == value {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Matches(text, regex) => Ok(regex.is_match(&text.text(facts)?)),
            Self::Test(test, sides) => Ok(test.holds(&sides.0.text(facts)?, &sides.1.text(facts)?)),
            Self::Quantified(quantifier, list, condition) => {
                quantifier.holds(list, condition, facts)
            }
            Self::Literal(_)
            | Self::Field(_)
            | Self::Variable(_)
            | Self::Element
            | Self::Metadata(_)
            | Self::Group(_)
            | Self::Call(..)
            | Self::Arithmetic(..) => Ok(self.value(facts)? == Value::Bool(true)),
        }
    }

    /// Returns the value of an expression that is known to be a string.
    fn text<'a>(&'a self, facts: Facts<'a>) -> Result<Cow<'a, str>, Failure> {
        Ok(match self.value(facts)? {
            Value::Text(text) => text,
            Value::Number(_) | Value::Bool(_) => Cow::Borrowed(""),
        })
    }

    fn address(&self, facts: Facts<'_>) -> Result<IpAddr, Failure> {
        let direct = match self {
            Self::Field(field) => field.address(facts.query),
            _ => None,
        };
        if let Some(address) = direct {
            return Ok(address);
        }
        let text = self.text(facts)?;
        parse_address(&text).ok_or_else(|| Failure(format!("incidr: '{text}' is no address")))
    }
}

fn in_cidr(address: &Program, network: &Network, facts: Facts<'_>) -> Result<bool, Failure> {
    let network = match network {
        Network::Fixed(network) => *network,
        Network::Read(text) => {
            let text = text.text(facts)?;
            text.parse().map_err(|_| Failure(format!("incidr: '{text}' is no network")))?
        }
    };
    Ok(network.contains(&address.address(facts)?))
}

impl Sign {
    /// Numbers that would need more than 64 bits stay at the end of their range.
    fn of<'a>(self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Failure> {
        Ok(match (self, left, right) {
            (Self::Plus, Value::Text(left), Value::Text(right)) => {
                if left.len() + right.len() > LONGEST_TEXT {
                    return Err(too_long());
                }
                Value::Text(left + right)
            }
            (Self::Plus, Value::Number(left), Value::Number(right)) => {
                Value::Number(left.saturating_add(right))
            }
            (Self::Minus, Value::Number(left), Value::Number(right)) => {
                Value::Number(left.saturating_sub(right))
            }
            (Self::Times, Value::Number(left), Value::Number(right)) => {
                Value::Number(left.saturating_mul(right))
            }
            (Self::Remainder, Value::Number(left), Value::Number(right)) => {
                let rest = left.checked_rem(right);
                Value::Number(rest.ok_or_else(|| Failure(format!("{left} % {right} is nothing")))?)
            }
            (_, left, _) => left,
        })
    }
}

impl Comparison {
    fn holds(self, left: &Value<'_>, right: &Value<'_>) -> bool {
        let order = left.partial_cmp(right);
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::Contains => text.contains(part),
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
        }
    }
}
