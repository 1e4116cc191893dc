//! Comparisons and tests of an expression, all of one precedence.

use regex::Regex;

use super::ExpressionError;
use super::facts::Type;
use super::lexer::Kind;
use super::program::{Comparison, Program, TextTest};
use super::syntax::{Parsed, Parser, Part};

/// The longest pattern of `matches`, in characters.
const LONGEST_PATTERN: usize = 10_000;

impl Parser<'_> {
    pub(super) fn comparison(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let is_negated = self.take_not_before_operator();
            let column = self.cursor.peek().column;
            let operators = [
                "==",
                "!=",
                "<=",
                ">=",
                "<",
                ">",
                "in",
                "matches",
                "contains",
                "startsWith",
                "endsWith",
            ];
            let Some(operator) = self.cursor.take(&operators) else { return Ok(left) };
            let depth = left.depth;
            left = match operator {
                "in" => self.one_of(left)?,
                "matches" => self.matches(left)?,
                "contains" => self.test(left, TextTest::Contains)?,
                "startsWith" => self.test(left, TextTest::StartsWith)?,
                "endsWith" => self.test(left, TextTest::EndsWith)?,
                sign => self.compare(left, sign, column)?,
            };
            if is_negated {
                let inner = Program::Not(Box::new(left.program));
                left = Part::around(left.depth.max(depth), left.column, Type::Bool, inner)?;
            }
        }
    }

    /// Takes the `not` of `not in`, `not matches` and so on.
    fn take_not_before_operator(&mut self) -> bool {
        let operators = ["in", "matches", "contains", "startsWith", "endsWith"];
        let is = |at: usize, words: &[&str]| self.cursor.is_word(at, words);
        let found = is(0, &["not"]) && is(1, &operators);
        if found {
            self.cursor.next();
        }
        found
    }

    fn compare(&mut self, left: Part, sign: &str, column: usize) -> Parsed {
        let right = self.sum()?;
        if left.kind != right.kind {
            let (one, other) = (left.kind.name(), right.kind.name());
            let problem = format!("'{sign}' compares {one} with {other}; both have to be the same");
            return Err(ExpressionError::new(column, problem));
        }
        let comparison = match sign {
            "==" => Comparison::Equal,
            "!=" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            _ => Comparison::GreaterOrEqual,
        };
        let is_ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
        if is_ordered && left.kind == Type::Bool {
            let problem = format!("'{sign}' orders numbers or strings; use == or != here");
            return Err(ExpressionError::new(column, problem));
        }
        let depth = left.depth.max(right.depth);
        let sides = Box::new((left.program, right.program));
        Part::around(depth, left.column, Type::Bool, Program::Compare(comparison, sides))
    }

    /// Reads the list of `in`.
    fn one_of(&mut self, value: Part) -> Parsed {
        self.cursor.need("[")?;
        let (list, depth) = self.items(Some(value.kind))?;
        let list = list.into_iter().map(|item| item.program).collect();
        let program = Program::OneOf(Box::new(value.program), list);
        Part::around(depth.max(value.depth), value.column, Type::Bool, program)
    }

    fn matches(&mut self, text: Part) -> Parsed {
        let text = text.expect(Type::Text, "what `matches` looks at")?;
        let found = self.cursor.next();
        let Kind::Text(pattern) = found.kind else {
            let problem = "a string with a regular expression has to follow `matches`";
            return Err(ExpressionError::new(found.column, problem));
        };
        if pattern.chars().count() > LONGEST_PATTERN {
            let problem =
                format!("the pattern has more than {LONGEST_PATTERN} characters; shorten it");
            return Err(ExpressionError::new(found.column, problem));
        }
        let regex = Regex::new(&pattern).map_err(|error| {
            let problem = format!("'{pattern}' is no regular expression: {error}; correct it");
            ExpressionError::new(found.column, problem)
        })?;
        let program = Program::Matches(Box::new(text.program), regex);
        Part::around(text.depth, text.column, Type::Bool, program)
    }

    fn test(&mut self, text: Part, test: TextTest) -> Parsed {
        let what = "each side of `contains`, `startsWith` and `endsWith`";
        let text = text.expect(Type::Text, what)?;
        let part = self.sum()?.expect(Type::Text, what)?;
        let depth = text.depth.max(part.depth);
        let sides = Box::new((text.program, part.program));
        Part::around(depth, text.column, Type::Bool, Program::Test(test, sides))
    }
}
