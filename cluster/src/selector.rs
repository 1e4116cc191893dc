//! Label selectors, as objects and as text.

use std::fmt;

use thiserror::Error;

use crate::{Labels, Text};

/// A label selector: the conjunction of its requirements. Without any it selects everything.
///
/// Source: Kubernetes API conventions, `LabelSelector` and the text form of `kubectl -l`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Selector {
    /// Every one of them must hold. Sorted, so that equal selectors compare equal.
    requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Requirement {
    /// The label's key.
    pub key: Text,
    /// The relation between the label's value and `values`.
    pub operator: Operator,
    /// Sorted; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<Text>,
}

/// The relation that a [`Requirement`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operator {
    /// The label is there and its value is one of the values.
    In,
    /// The label is absent, or its value is none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// What is wrong with the text of a selector.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "invalid label selector {text:?}: {problem}; write for example `app=web,tier in (a,b),!legacy`"
)]
pub struct SelectorError {
    text: String,
    problem: String,
}

impl Selector {
    /// Returns the conjunction of the requirements.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<Requirement> = requirements.into_iter().collect();
        for requirement in &mut requirements {
            requirement.values.sort();
            requirement.values.dedup();
        }
        requirements.sort();
        requirements.dedup();
        Self { requirements }
    }

    /// Returns the selector of exactly these labels (`matchLabels`).
    pub fn of_labels(labels: &Labels) -> Self {
        Self::new(labels.iter().map(|(key, value)| Requirement {
            key: key.into(),
            operator: Operator::In,
            values: vec![value.into()],
        }))
    }

    /// Says whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }

    /// Says whether there is no requirement, so that every object is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Returns the requirements, sorted.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Parses the text form: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`,
    /// separated by commas.
    ///
    /// # Errors
    /// The text is no selector; the error says where.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let fail = |problem: String| SelectorError { text: text.to_owned(), problem };
        let parts = split_outside_parentheses(text);
        if parts.len() == 1 && parts[0].trim().is_empty() {
            return Ok(Self::default());
        }
        let requirements: Result<Vec<_>, _> =
            parts.into_iter().map(|part| Requirement::parse(part.trim()).map_err(fail)).collect();
        Ok(Self::new(requirements?))
    }
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|value| self.values.iter().any(|v| **v == *value));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }

    fn parse(part: &str) -> Result<Self, String> {
        if let Some(key) = part.strip_prefix('!') {
            return Self::checked(key.trim(), Operator::DoesNotExist, Vec::new());
        }
        if let Some((head, list)) = part.split_once('(') {
            return Self::parse_set(head.trim(), list);
        }
        let (key, operator, value) = if let Some((key, value)) = part.split_once("!=") {
            (key, Operator::NotIn, value)
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, Operator::In, value)
        } else {
            return Self::checked(part, Operator::Exists, Vec::new());
        };
        Self::checked(key.trim(), operator, vec![checked_value(value.trim())?])
    }

    fn parse_set(head: &str, list: &str) -> Result<Self, String> {
        let (key, word) = head
            .rsplit_once(char::is_whitespace)
            .ok_or_else(|| format!("`{head}(` has no `in` or `notin`"))?;
        let operator = match word {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            _ => return Err(format!("`{word}` is neither `in` nor `notin`")),
        };
        let list = list.strip_suffix(')').ok_or("the parenthesis is not closed")?;
        let values: Result<Vec<Text>, String> =
            list.split(',').map(|value| checked_value(value.trim())).collect();
        Self::checked(key.trim(), operator, values?)
    }

    fn checked(key: &str, operator: Operator, values: Vec<Text>) -> Result<Self, String> {
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if name.is_empty() || name.len() > 63 || !key.chars().all(valid) {
            return Err(format!("{key:?} is no label key"));
        }
        Ok(Self { key: key.into(), operator, values })
    }
}

fn checked_value(value: &str) -> Result<Text, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if value.len() > 63 || !value.chars().all(valid) {
        return Err(format!("{value:?} is no label value"));
    }
    Ok(value.into())
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut open = false;
    text.split(|c| {
        match c {
            '(' => open = true,
            ')' => open = false,
            _ => {}
        }
        c == ',' && !open
    })
    .collect()
}

/// Writes the text form, which [`Selector::parse`] reads back to an equal selector.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            fmt::Display::fmt(requirement, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = || self.values.iter().map(|v| &**v).collect::<Vec<_>>().join(",");
        match self.operator {
            Operator::In => write!(f, "{} in ({})", self.key, list()),
            Operator::NotIn => write!(f, "{} notin ({})", self.key, list()),
            Operator::Exists => f.write_str(&self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn each_operator_selects_by_its_definition() {
        // (selector, labels, selected); an absent key satisfies NotIn and DoesNotExist.
        let cases = [
            ("", "", true),
            ("a=1", "a=1", true),
            ("a==1", "a=2", false),
            ("a=1", "", false),
            ("a!=1", "a=2", true),
            ("a!=1", "", true),
            ("a in (1,2)", "a=2", true),
            ("a in (1, 2)", "a=3", false),
            ("a notin (1,2)", "", true),
            ("a notin (1,2)", "a=1", false),
            ("a", "a=", true),
            ("a", "b=1", false),
            ("!a", "b=1", true),
            ("!a", "a=1", false),
            ("a=", "a=", true),
            ("a=", "", false),
            ("a in (1,2),b!=x", "a=1", true),
            ("a in (1,2),b!=x", "a=1,b=x", false),
            ("app.kubernetes.io/name=web", "app.kubernetes.io/name=web", true),
        ];
        for (selector, given, selected) in cases {
            let pairs: Vec<_> = given
                .split(',')
                .filter(|p| !p.is_empty())
                .filter_map(|p| p.split_once('='))
                .collect();
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels(&pairs)), selected, "{selector:?} on {given:?}");
        }
    }

    #[test]
    fn text_that_is_no_selector_is_refused_with_its_reason() {
        for text in ["a in 1", "a in (1", "a is (1)", "=1", "a=b c", "a,,b", "!", "a=(1)", "é=1"] {
            let error = Selector::parse(text).unwrap_err().to_string();
            assert!(error.contains("write for example"), "{text:?}: {error}");
        }
    }

    fn requirement() -> impl Strategy<Value = Requirement> {
        let values = prop::collection::vec("[a-c]{0,2}", 1..3);
        ("[a-c]{1,2}", 0..4u8, values).prop_map(|(key, operator, values)| {
            let (operator, values) = match operator {
                0 => (Operator::In, values),
                1 => (Operator::NotIn, values),
                2 => (Operator::Exists, Vec::new()),
                _ => (Operator::DoesNotExist, Vec::new()),
            };
            let values = values.into_iter().map(Text::from).collect();
            Requirement { key: key.into(), operator, values }
        })
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(requirements in prop::collection::vec(requirement(), 0..4)) {
            let selector = Selector::new(requirements);
            prop_assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = Selector::parse(&text);
        }
    }
}
