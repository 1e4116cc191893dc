//! From the text of an expression to a program, its types checked.
//!
//! Precedence as in expr-lang, from the loosest: `or`; `and`; comparisons, `in`, `matches`, `contains`,
//! `startsWith`, `endsWith`; `+`; `not`.

use super::ExpressionError;
use super::cursor::{Cursor, described};
use super::functions::{FUNCTIONS, Field, Type, Value};
use super::lexer::{Kind, Lexeme};
use super::program::{Network, Program};

/// The longest expression, in octets.
const LONGEST: usize = 65_536;

/// How deep an expression may be nested.
const DEEPEST: usize = 64;

/// A part of a program with what is needed to go on building.
pub(super) struct Part {
    pub(super) program: Program,
    pub(super) kind: Type,
    pub(super) column: usize,
    /// How deep it is nested.
    pub(super) depth: usize,
}

pub(super) type Parsed<T = Part> = Result<T, ExpressionError>;

/// Reads a condition.
///
/// # Errors
/// The text is no expression, its types do not fit, or its value is not true or false.
pub(super) fn condition(text: &str) -> Parsed<Program> {
    if text.len() > LONGEST {
        let problem =
            format!("the expression has more than {LONGEST} octets; split it over several `expr`");
        return Err(ExpressionError::new(1, problem));
    }
    let mut parser = Parser { cursor: Cursor::of(text)?, depth: 0 };
    let part = parser.any()?;
    let rest = parser.cursor.peek();
    if rest.kind != Kind::End {
        let problem =
            format!("unexpected {}; an operator is missing before it", described(&rest.kind));
        return Err(ExpressionError::new(rest.column, problem));
    }
    Ok(part.expect(Type::Bool, "an expression")?.program)
}

impl Part {
    pub(super) fn expect(self, kind: Type, what: &str) -> Parsed {
        if self.kind == kind {
            return Ok(self);
        }
        let problem = format!("{what} has to be {}, and this is {}", kind.name(), self.kind.name());
        Err(ExpressionError::new(self.column, problem))
    }

    /// Returns the part around some that are `depth` deep.
    pub(super) fn around(depth: usize, column: usize, kind: Type, program: Program) -> Parsed {
        if depth >= DEEPEST {
            let problem = format!("nested more than {DEEPEST} deep; split it over several `expr`");
            return Err(ExpressionError::new(column, problem));
        }
        Ok(Self { program, kind, column, depth: depth + 1 })
    }
}

pub(super) struct Parser {
    pub(super) cursor: Cursor,
    depth: usize,
}

impl Parser {
    pub(super) fn any(&mut self) -> Parsed {
        self.chain(&["||", "or"], Self::all, Program::Any)
    }

    fn all(&mut self) -> Parsed {
        self.chain(&["&&", "and"], Self::comparison, Program::All)
    }

    /// Reads conditions between operators of one precedence.
    fn chain(
        &mut self,
        operators: &[&'static str],
        operand: fn(&mut Self) -> Parsed,
        build: fn(Vec<Program>) -> Program,
    ) -> Parsed {
        let first = operand(self)?;
        let mut operator = self.cursor.take(operators);
        if operator.is_none() {
            return Ok(first);
        }
        let (column, mut depth) = (first.column, first.depth);
        let mut terms = vec![first.expect(Type::Bool, "each side of an `and` or `or`")?.program];
        while operator.is_some() {
            let term = operand(self)?.expect(Type::Bool, "each side of an `and` or `or`")?;
            depth = depth.max(term.depth);
            terms.push(term.program);
            operator = self.cursor.take(operators);
        }
        Part::around(depth, column, Type::Bool, build(terms))
    }

    pub(super) fn sum(&mut self) -> Parsed {
        let first = self.unary()?;
        if self.cursor.peek().kind != Kind::Symbol("+") {
            return Ok(first);
        }
        if first.kind == Type::Bool {
            let problem = "'+' adds numbers or strings, and this is true or false";
            return Err(ExpressionError::new(first.column, problem));
        }
        let (kind, column, mut depth) = (first.kind, first.column, first.depth);
        let mut terms = vec![first.program];
        while self.cursor.take(&["+"]).is_some() {
            let term = self.unary()?.expect(kind, "each side of this '+'")?;
            depth = depth.max(term.depth);
            terms.push(term.program);
        }
        Part::around(depth, column, kind, Program::Sum(terms))
    }

    fn unary(&mut self) -> Parsed {
        let column = self.cursor.peek().column;
        if self.cursor.take(&["!", "not"]).is_none() {
            return self.primary();
        }
        let inner = self.nested(Self::unary)?.expect(Type::Bool, "what `not` turns around")?;
        Part::around(inner.depth, column, Type::Bool, Program::Not(Box::new(inner.program)))
    }

    /// Reads something within something else, which bounds the recursion of the parser.
    pub(super) fn nested(&mut self, read: fn(&mut Self) -> Parsed) -> Parsed {
        if self.depth >= DEEPEST {
            let problem = format!("nested more than {DEEPEST} deep; split it over several `expr`");
            return Err(ExpressionError::new(self.cursor.peek().column, problem));
        }
        self.depth += 1;
        let part = read(self);
        self.depth -= 1;
        part
    }

    fn primary(&mut self) -> Parsed {
        let Lexeme { kind, column } = self.cursor.next();
        match kind {
            Kind::Text(text) => literal(column, Type::Text, Value::Text(text.into())),
            Kind::Number(number) => literal(column, Type::Number, Value::Number(number)),
            Kind::Word(word) if word == "true" || word == "false" => {
                literal(column, Type::Bool, Value::Bool(word == "true"))
            }
            Kind::Word(word) => self.call(&word, column),
            Kind::Symbol("(") => {
                let inner = self.nested(Self::any)?;
                self.cursor.need(")")?;
                Ok(Part { column, ..inner })
            }
            other => {
                let problem = format!(
                    "expected a value and found {}; write a function such as name(), a string, a number, true \
                     or false",
                    described(&other)
                );
                Err(ExpressionError::new(column, problem))
            }
        }
    }

    fn call(&mut self, name: &str, column: usize) -> Parsed {
        let field = Field::named(name);
        if field.is_none() && !matches!(name, "incidr" | "metadata") {
            let problem = format!(
                "'{name}' is no function; there is {FUNCTIONS}; a string stands in single quotes"
            );
            return Err(ExpressionError::new(column, problem));
        }
        self.cursor.need("(")?;
        let part = match (field, name) {
            (Some((field, kind)), _) => Part::around(0, column, kind, Program::Field(field))?,
            (None, "metadata") => {
                let label = self.argument("the label of metadata()")?;
                let program = Program::Metadata(Box::new(label.program));
                Part::around(label.depth, column, Type::Text, program)?
            }
            (None, _) => self.in_cidr(column)?,
        };
        self.cursor.need(")")?;
        Ok(part)
    }

    fn in_cidr(&mut self, column: usize) -> Parsed {
        let address = self.argument("the address of incidr()")?;
        self.cursor.need(",")?;
        let network = self.argument("the network of incidr()")?;
        let depth = address.depth.max(network.depth);
        let network = match network.program {
            Program::Literal(Value::Text(text)) => {
                let problem = || format!("'{text}' is no network; write one such as 10.0.0.0/8");
                let parsed = text.parse();
                Network::Fixed(parsed.map_err(|_| ExpressionError::new(network.column, problem()))?)
            }
            other => Network::Read(Box::new(other)),
        };
        let program = Program::InCidr(Box::new(address.program), network);
        Part::around(depth, column, Type::Bool, program)
    }

    fn argument(&mut self, what: &str) -> Parsed {
        self.nested(Self::any)?.expect(Type::Text, what)
    }
}

fn literal(column: usize, kind: Type, value: Value<'static>) -> Parsed {
    Part::around(0, column, kind, Program::Literal(value))
}
