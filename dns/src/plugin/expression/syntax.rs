//! From the text of an expression to a program, its types checked.
//!
//! Precedence as in expr-lang, from the loosest: `or`; `and`; comparisons, `in`, `matches`, `contains`,
//! `startsWith`, `endsWith`; `+`, `-`; `*`, `%`; `not`, `-` of a number.

use super::ExpressionError;
use super::builtin::Builtin;
use super::cursor::{Cursor, described};
use super::facts::{Scope, Type, Value};
use super::functions::{FUNCTIONS, Field};
use super::lexer::{Kind, Lexeme};
use super::program::{Network, Program, Sign};
use super::quantifier::Quantifier;

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
pub(super) fn condition(text: &str, scope: Scope<'_>) -> Parsed<Program> {
    Ok(whole(text, scope)?.expect(Type::Bool, "an expression")?.program)
}

/// Reads an expression, and says of what type it is.
///
/// # Errors
/// The text is no expression, or its types do not fit.
pub(super) fn value(text: &str, scope: Scope<'_>) -> Parsed<(Program, Type)> {
    let part = whole(text, scope)?;
    Ok((part.program, part.kind))
}

fn whole(text: &str, scope: Scope<'_>) -> Parsed {
    if text.len() > LONGEST {
        let problem =
            format!("the expression has more than {LONGEST} octets; split it over several `expr`");
        return Err(ExpressionError::new(1, problem));
    }
    let mut parser = Parser { cursor: Cursor::of(text)?, depth: 0, scope, element: None };
    let part = parser.any()?;
    let rest = parser.cursor.peek();
    if rest.kind != Kind::End {
        let problem =
            format!("unexpected {}; an operator is missing before it", described(&rest.kind));
        return Err(ExpressionError::new(rest.column, problem));
    }
    Ok(part)
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

pub(super) struct Parser<'s> {
    pub(super) cursor: Cursor,
    depth: usize,
    scope: Scope<'s>,
    /// The type of `#`, where there is one.
    pub(super) element: Option<Type>,
}

impl Parser<'_> {
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
        self.arithmetic(&[("+", Sign::Plus), ("-", Sign::Minus)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        self.arithmetic(&[("*", Sign::Times), ("%", Sign::Remainder)], Self::unary)
    }

    /// Reads values between signs of one precedence.
    fn arithmetic(
        &mut self,
        signs: &[(&'static str, Sign)],
        operand: fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let first = operand(self)?;
        let (kind, column, mut depth) = (first.kind, first.column, first.depth);
        let mut others = Vec::new();
        while let Some((text, sign)) = self.take_sign(signs) {
            if kind == Type::Bool {
                let problem =
                    format!("'{text}' adds numbers or strings, and this is true or false");
                return Err(ExpressionError::new(column, problem));
            }
            if kind == Type::Text && sign != Sign::Plus {
                let problem =
                    format!("'{text}' takes numbers, and this is a string; write int(...)");
                return Err(ExpressionError::new(column, problem));
            }
            let other = operand(self)?.expect(kind, &format!("each side of this '{text}'"))?;
            depth = depth.max(other.depth);
            others.push((sign, other.program));
        }
        if others.is_empty() {
            return Ok(Part { program: first.program, kind, column, depth });
        }
        Part::around(depth, column, kind, Program::Arithmetic(Box::new(first.program), others))
    }

    fn take_sign(&mut self, signs: &[(&'static str, Sign)]) -> Option<(&'static str, Sign)> {
        signs.iter().copied().find(|(text, _)| self.cursor.take(&[text]).is_some())
    }

    fn unary(&mut self) -> Parsed {
        let column = self.cursor.peek().column;
        if self.cursor.take(&["!", "not"]).is_some() {
            let inner = self.nested(Self::unary)?.expect(Type::Bool, "what `not` turns around")?;
            let program = Program::Not(Box::new(inner.program));
            return Part::around(inner.depth, column, Type::Bool, program);
        }
        if self.cursor.take(&["-"]).is_some() {
            let inner = self.nested(Self::unary)?.expect(Type::Number, "what '-' stands before")?;
            let zero = Box::new(Program::Literal(Value::Number(0)));
            let program = Program::Arithmetic(zero, vec![(Sign::Minus, inner.program)]);
            return Part::around(inner.depth, column, Type::Number, program);
        }
        self.primary()
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
            Kind::Word(word) => self.named(&word, column),
            Kind::Symbol("#") => {
                let problem =
                    "# stands for an item of a list, inside of any(list, condition) and its like";
                let kind = self.element.ok_or_else(|| ExpressionError::new(column, problem))?;
                Part::around(0, column, kind, Program::Element)
            }
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

    /// Reads a variable, or a function with its arguments.
    fn named(&mut self, name: &str, column: usize) -> Parsed {
        let variables = self.scope.variables;
        if self.cursor.peek().kind != Kind::Symbol("(")
            && let Some(at) = variables.iter().position(|(known, _)| known == name)
        {
            let kind = variables.get(at).map_or(Type::Bool, |(_, kind)| *kind);
            return Part::around(0, column, kind, Program::Variable(at));
        }
        let read: fn(&mut Self, &str, usize) -> Parsed = match name {
            _ if Field::named(name).is_some() => Self::field,
            "metadata" => Self::metadata,
            "incidr" => Self::in_cidr,
            "group" if self.scope.has_groups => Self::group,
            _ if Builtin::named(name).is_some() => Self::builtin,
            _ if Quantifier::named(name).is_some() => Self::quantified,
            _ => return Err(ExpressionError::new(column, self.unknown(name))),
        };
        self.cursor.need("(")?;
        let part = read(self, name, column)?;
        self.cursor.need(")")?;
        Ok(part)
    }

    fn unknown(&self, name: &str) -> String {
        if !self.scope.has_groups {
            return format!(
                "'{name}' is no function; there is {FUNCTIONS}; a string stands in single quotes"
            );
        }
        let variables: Vec<&str> =
            self.scope.variables.iter().map(|(name, _)| name.as_str()).collect();
        let variables = match variables.as_slice() {
            [] => "no variable is set above".to_owned(),
            names => format!("variables set above are {}", names.join(", ")),
        };
        format!(
            "'{name}' is no variable or function; {variables}; functions are group(name), {FUNCTIONS}; a string \
             stands in single quotes"
        )
    }

    fn field(&mut self, name: &str, column: usize) -> Parsed {
        match Field::named(name) {
            Some((field, kind)) => Part::around(0, column, kind, Program::Field(field)),
            None => Err(ExpressionError::new(column, self.unknown(name))),
        }
    }

    fn metadata(&mut self, _: &str, column: usize) -> Parsed {
        let label = self.argument("the label of metadata()")?;
        let program = Program::Metadata(Box::new(label.program));
        Part::around(label.depth, column, Type::Text, program)
    }

    fn group(&mut self, _: &str, column: usize) -> Parsed {
        let key = self.nested(Self::any)?;
        if key.kind == Type::Bool {
            let problem = "group() takes the name or the number of a group";
            return Err(ExpressionError::new(key.column, problem));
        }
        Part::around(key.depth, column, Type::Text, Program::Group(Box::new(key.program)))
    }

    fn in_cidr(&mut self, _: &str, column: usize) -> Parsed {
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

    /// Reads the items of a list behind its bracket, all of one type, and says how deep they are nested.
    pub(super) fn items(&mut self, kind: Option<Type>) -> Parsed<(Vec<Part>, usize)> {
        let (mut list, mut depth, mut kind) = (Vec::new(), 0, kind);
        while self.cursor.take(&["]"]).is_none() {
            if !list.is_empty() {
                self.cursor.need(",")?;
            }
            let item = self.nested(Self::any)?;
            let item = match kind {
                Some(kind) => item.expect(kind, "each item of the list")?,
                None => item,
            };
            kind = Some(item.kind);
            depth = depth.max(item.depth);
            list.push(item);
        }
        Ok((list, depth))
    }

    pub(super) fn argument(&mut self, what: &str) -> Parsed {
        self.nested(Self::any)?.expect(Type::Text, what)
    }
}

fn literal(column: usize, kind: Type, value: Value<'static>) -> Parsed {
    Part::around(0, column, kind, Program::Literal(value))
}
