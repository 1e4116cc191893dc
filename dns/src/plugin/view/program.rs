//! A checked expression, and its value for a query.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use regex::Regex;

use super::functions::{Facts, Field, Value, parse_address};

/// An expression whose types fit.
#[derive(Clone, Debug)]
pub(super) enum Program {
    Literal(Value<'static>),
    Field(Field),
    Metadata(Box<Program>),
    InCidr(Box<Program>, Network),
    Not(Box<Program>),
    /// `&&` of two or more.
    All(Vec<Program>),
    /// `||` of two or more.
    Any(Vec<Program>),
    Compare(Comparison, Box<(Program, Program)>),
    /// `+` of two or more, numbers or strings.
    Sum(Vec<Program>),
    OneOf(Box<Program>, Vec<Program>),
    Matches(Box<Program>, Regex),
    Test(TextTest, Box<(Program, Program)>),
}

/// The second argument of `incidr`.
#[derive(Clone, Debug)]
pub(super) enum Network {
    /// A literal.
    Fixed(IpNet),
    /// Anything else, read for each query.
    Read(Box<Program>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

impl Program {
    /// Says whether a condition holds. What cannot be worked out, such as `incidr` of no address, does not hold.
    pub(super) fn holds(&self, facts: Facts<'_>) -> bool {
        self.value(facts) == Value::Bool(true)
    }

    fn value<'a>(&'a self, facts: Facts<'a>) -> Value<'a> {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Field(field) => field.of(facts.query),
            Self::Metadata(label) => {
                let known = facts.metadata.get(&label.text(facts));
                Value::Text(known.unwrap_or_default().into())
            }
            Self::Sum(terms) => sum(terms, facts),
            condition => Value::Bool(condition.is_true(facts)),
        }
    }

    fn is_true(&self, facts: Facts<'_>) -> bool {
        match self {
            Self::InCidr(address, network) => in_cidr(address, network, facts),
            Self::Not(inner) => !inner.holds(facts),
            Self::All(terms) => terms.iter().all(|term| term.holds(facts)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(facts)),
            Self::Compare(comparison, sides) => {
                comparison.holds(&sides.0.value(facts), &sides.1.value(facts))
            }
            Self::OneOf(value, list) => {
                let value = value.value(facts);
                list.iter().any(|item| item.value(facts) == value)
            }
            Self::Matches(text, regex) => regex.is_match(&text.text(facts)),
            Self::Test(test, sides) => test.holds(&sides.0.text(facts), &sides.1.text(facts)),
            Self::Literal(_) | Self::Field(_) | Self::Metadata(_) | Self::Sum(_) => false,
        }
    }

    /// Returns the value of an expression that is known to be a string.
    fn text<'a>(&'a self, facts: Facts<'a>) -> Cow<'a, str> {
        match self.value(facts) {
            Value::Text(text) => text,
            Value::Number(_) | Value::Bool(_) => Cow::Borrowed(""),
        }
    }

    fn address(&self, facts: Facts<'_>) -> Option<IpAddr> {
        let direct = match self {
            Self::Field(field) => field.address(facts.query),
            _ => None,
        };
        direct.or_else(|| parse_address(&self.text(facts)))
    }
}

fn in_cidr(address: &Program, network: &Network, facts: Facts<'_>) -> bool {
    let network = match network {
        Network::Fixed(network) => Some(*network),
        Network::Read(text) => text.text(facts).parse().ok(),
    };
    let address = address.address(facts);
    network.zip(address).is_some_and(|(network, address)| network.contains(&address))
}

fn sum<'a>(terms: &'a [Program], facts: Facts<'a>) -> Value<'a> {
    let mut values = terms.iter().map(|term| term.value(facts));
    let first = values.next().unwrap_or(Value::Number(0));
    values.fold(first, |sum, value| match (sum, value) {
        (Value::Number(sum), Value::Number(value)) => Value::Number(sum.saturating_add(value)),
        (Value::Text(sum), Value::Text(value)) => Value::Text(sum + value),
        (sum, _) => sum,
    })
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
