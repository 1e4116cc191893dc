//! Conditions about the items of a list: `any(['a', 'b'], # == name())`.

use super::ExpressionError;
use super::facts::{Facts, Failure, Type};
use super::program::Program;
use super::syntax::{Parsed, Parser, Part};

/// For how many items a condition has to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quantifier {
    All,
    Any,
    None,
    One,
}

const QUANTIFIERS: [(&str, Quantifier); 4] = [
    ("all", Quantifier::All),
    ("any", Quantifier::Any),
    ("none", Quantifier::None),
    ("one", Quantifier::One),
];

impl Quantifier {
    pub(super) fn named(name: &str) -> Option<Self> {
        QUANTIFIERS.iter().find(|(known, _)| *known == name).map(|(_, quantifier)| *quantifier)
    }

    pub(super) fn holds(
        self,
        list: &[Program],
        condition: &Program,
        facts: Facts<'_>,
    ) -> Result<bool, Failure> {
        let mut found = 0;
        for item in list {
            let item = item.value(facts)?;
            let holds = condition.is_true(facts.with_element(&item))?;
            match (self, holds) {
                (Self::All, false) | (Self::None, true) => return Ok(false),
                (Self::Any, true) => return Ok(true),
                _ => found += usize::from(holds),
            }
        }
        Ok(match self {
            Self::All | Self::None => true,
            Self::Any => false,
            Self::One => found == 1,
        })
    }
}

impl Parser<'_> {
    /// Reads a list and a condition, in which `#` is an item.
    pub(super) fn quantified(&mut self, name: &str, column: usize) -> Parsed {
        let Some(quantifier) = Quantifier::named(name) else {
            return Err(ExpressionError::new(column, format!("'{name}' is no function")));
        };
        if self.element.is_some() {
            let problem =
                format!("{name}() cannot stand in the condition of another list; split it");
            return Err(ExpressionError::new(column, problem));
        }
        self.cursor.need("[")?;
        let (list, list_depth) = self.items(None)?;
        self.cursor.need(",")?;
        let kind = list.first().map_or(Type::Text, |item| item.kind);
        self.element = Some(kind);
        let condition = self.nested(Self::any);
        self.element = None;
        let condition = condition?.expect(Type::Bool, &format!("the condition of {name}()"))?;
        let depth = list_depth.max(condition.depth);
        let list = list.into_iter().map(|item| item.program).collect();
        let program = Program::Quantified(quantifier, list, Box::new(condition.program));
        Part::around(depth, column, Type::Bool, program)
    }
}
