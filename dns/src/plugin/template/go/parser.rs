//! From tokens to a tree.

use std::borrow::Cow;
use std::iter::Peekable;

use super::GoTemplate;
use super::fields::check_field;
use super::function::Function;
use super::lexer::{Part, Token, parts};
use super::syntax::{Command, Node, Operand, Pipeline, Range};

/// The longest template, in octets.
const MAX_TEMPLATE: usize = 10_000;

/// How deep actions and parentheses nest.
const MAX_DEPTH: usize = 32;

/// Says what is wrong with a template and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(in super::super) struct ParseError(Cow<'static, str>);

impl ParseError {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

pub(super) fn parse(text: &str) -> Result<GoTemplate, ParseError> {
    if text.len() > MAX_TEMPLATE {
        return Err(ParseError::new(format!(
            "the template has {} octets; shorten it to {MAX_TEMPLATE}",
            text.len()
        )));
    }
    let mut parser = Parser {
        parts: parts(text)?.into_iter(),
        // `$` is what `.` is at the start.
        scope: vec![String::new()],
        variables: 1,
        depth: 0,
        loops: 0,
        is_dot_root: true,
    };
    let (nodes, end) = parser.list()?;
    match end {
        Closing::Nothing => Ok(GoTemplate { nodes, variables: parser.variables }),
        Closing::Else(_) => Err(ParseError::new("else without if, range or with; remove it")),
        Closing::End => Err(ParseError::new("end without if, range or with; remove it")),
    }
}

type Tokens = Peekable<std::vec::IntoIter<Token>>;

struct Parser<'t> {
    parts: std::vec::IntoIter<Part<'t>>,
    /// The names of the variables that are known here; a place is a variable's number.
    scope: Vec<String>,
    /// The most variables that were known at once.
    variables: usize,
    depth: usize,
    /// How many `range` are around.
    loops: usize,
    /// Whether `.` is still what it is at the start, so that its fields are known.
    is_dot_root: bool,
}

/// What ended a list of nodes.
enum Closing {
    Nothing,
    End,
    Else(Tokens),
}

/// `if` or `with`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    If,
    With,
}

impl Parser<'_> {
    /// Reads nodes until the template or the action around them ends.
    fn list(&mut self) -> Result<(Vec<Node>, Closing), ParseError> {
        let mut nodes = Vec::new();
        while let Some(part) = self.parts.next() {
            let mut tokens = match part {
                Part::Text("") => continue,
                Part::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Part::Action(tokens) => tokens.into_iter().peekable(),
            };
            let keyword = match tokens.peek() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match keyword.as_str() {
                "end" => {
                    tokens.next();
                    finish(tokens)?;
                    return Ok((nodes, Closing::End));
                }
                "else" => {
                    tokens.next();
                    return Ok((nodes, Closing::Else(tokens)));
                }
                keyword => nodes.push(self.node(keyword, tokens)?),
            }
        }
        Ok((nodes, Closing::Nothing))
    }

    fn node(&mut self, keyword: &str, mut tokens: Tokens) -> Result<Node, ParseError> {
        match keyword {
            "if" | "with" | "range" | "break" | "continue" => tokens.next(),
            "define" | "block" | "template" => {
                return Err(ParseError::new(format!(
                    "{keyword} is not available; write the text of the other template where it is used"
                )));
            }
            _ => None,
        };
        match keyword {
            "if" => self.nested(|parser| parser.branches(Branch::If, tokens)),
            "with" => self.nested(|parser| parser.branches(Branch::With, tokens)),
            "range" => self.nested(|parser| parser.range(tokens)),
            "break" | "continue" => {
                finish(tokens)?;
                if self.loops == 0 {
                    return Err(ParseError::new(format!("{keyword} outside of range; remove it")));
                }
                Ok(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            _ => {
                let pipeline = self.pipeline(&mut tokens)?;
                finish(tokens)?;
                Ok(Node::Action(pipeline))
            }
        }
    }

    /// Reads what is one level deeper, and forgets the variables that it declares.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(ParseError::new(format!(
                "the template nests deeper than {MAX_DEPTH}; make it simpler"
            )));
        }
        let (known, is_dot_root) = (self.scope.len(), self.is_dot_root);
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        self.scope.truncate(known);
        self.is_dot_root = is_dot_root;
        result
    }

    fn branches(&mut self, kind: Branch, mut tokens: Tokens) -> Result<Node, ParseError> {
        let (mut branches, is_dot_root) = (Vec::new(), self.is_dot_root);
        let otherwise = loop {
            self.is_dot_root = is_dot_root;
            let condition = self.pipeline(&mut tokens)?;
            finish(tokens)?;
            self.is_dot_root = is_dot_root && kind == Branch::If;
            let (body, end) = self.list()?;
            branches.push((condition, body));
            self.is_dot_root = is_dot_root;
            match end {
                Closing::Nothing => return Err(no_end()),
                Closing::End => break Vec::new(),
                Closing::Else(mut after) => match (after.next(), kind) {
                    (None, _) => break self.last_list()?,
                    (Some(Token::Word(word)), Branch::If) if word == "if" => tokens = after,
                    (Some(Token::Word(word)), Branch::With) if word == "with" => tokens = after,
                    _ => {
                        return Err(ParseError::new(
                            "behind else nothing, if or with may stand; correct it",
                        ));
                    }
                },
            }
        };
        Ok(match kind {
            Branch::If => Node::If(branches, otherwise),
            Branch::With => Node::With(branches, otherwise),
        })
    }

    fn range(&mut self, mut tokens: Tokens) -> Result<Node, ParseError> {
        let names = range_variables(&mut tokens)?;
        let over = self.pipeline(&mut tokens)?;
        finish(tokens)?;
        let (key, value) = match names.as_slice() {
            [] => (None, None),
            [value] => (None, Some(self.declare(value))),
            [key, value, ..] => (Some(self.declare(key)), Some(self.declare(value))),
        };
        let is_dot_root = std::mem::replace(&mut self.is_dot_root, false);
        self.loops += 1;
        let read = self.list();
        self.loops -= 1;
        self.is_dot_root = is_dot_root;
        let (body, end) = read?;
        let otherwise = match end {
            Closing::Nothing => return Err(no_end()),
            Closing::End => Vec::new(),
            Closing::Else(after) => {
                finish(after)?;
                self.last_list()?
            }
        };
        Ok(Node::Range(Range { key, value, over, body, otherwise }))
    }

    /// Reads what stands between `else` and `end`.
    fn last_list(&mut self) -> Result<Vec<Node>, ParseError> {
        match self.list()? {
            (nodes, Closing::End) => Ok(nodes),
            (_, Closing::Nothing) => Err(no_end()),
            (_, Closing::Else(_)) => Err(ParseError::new("a second else; remove it")),
        }
    }

    fn declare(&mut self, name: &str) -> usize {
        self.scope.push(name.to_owned());
        self.variables = self.variables.max(self.scope.len());
        self.scope.len() - 1
    }

    fn find(&self, name: &str) -> Result<usize, ParseError> {
        self.scope.iter().rposition(|known| known == name).ok_or_else(|| {
            ParseError::new(format!("the variable ${name} is not known here; set it with :="))
        })
    }

    fn pipeline(&mut self, tokens: &mut Tokens) -> Result<Pipeline, ParseError> {
        let mut ahead = tokens.clone();
        let target = match (ahead.next(), ahead.next()) {
            (Some(Token::Variable(name)), Some(sign @ (Token::Declare | Token::Assign))) => {
                *tokens = ahead;
                Some((name, sign == Token::Declare))
            }
            _ => None,
        };
        let mut commands = vec![self.command(tokens)?];
        while tokens.peek() == Some(&Token::Pipe) {
            tokens.next();
            let command = self.command(tokens)?;
            let Command { operand, .. } = &command;
            if !matches!(operand, Operand::Function(_) | Operand::Field(..)) {
                return Err(ParseError::new("behind | a function has to stand; correct it"));
            }
            commands.push(command);
        }
        let variable = match target {
            None => None,
            Some((name, true)) => Some(self.declare(&name)),
            Some((name, false)) => Some(self.find(&name)?),
        };
        Ok(Pipeline { variable, commands })
    }

    fn command(&mut self, tokens: &mut Tokens) -> Result<Command, ParseError> {
        let operand = self.operand(tokens)?.ok_or_else(|| {
            ParseError::new("a value is missing in an action; write one such as {{ .Name }}")
        })?;
        if operand == Operand::Nil {
            return Err(ParseError::new("nil is no value to print; remove it"));
        }
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand(tokens)? {
            arguments.push(argument);
        }
        let takes_some = match &operand {
            Operand::Function(_) => true,
            Operand::Field(_, name) => name == "Meta",
            _ => false,
        };
        if !takes_some && !arguments.is_empty() {
            return Err(ParseError::new(
                "only functions take arguments; put a function before them, or | between",
            ));
        }
        Ok(Command { operand, arguments })
    }

    /// Reads a value with its fields; none where a command ends.
    fn operand(&mut self, tokens: &mut Tokens) -> Result<Option<Operand>, ParseError> {
        let mut operand = match tokens.peek() {
            None
            | Some(Token::Pipe | Token::Close | Token::Comma | Token::Declare | Token::Assign) => {
                return Ok(None);
            }
            Some(_) => self.start(tokens)?,
        };
        let mut fields = 0;
        while let Some(Token::Field { touches: true, .. }) = tokens.peek() {
            fields += 1;
            if fields > MAX_DEPTH {
                return Err(ParseError::new("a value has too many fields; remove some"));
            }
            if let Some(Token::Field { name, .. }) = tokens.next() {
                check_field(&operand, &name, self.is_dot_root)?;
                operand = Operand::Field(Box::new(operand), name);
            }
        }
        Ok(Some(operand))
    }

    fn start(&mut self, tokens: &mut Tokens) -> Result<Operand, ParseError> {
        Ok(match tokens.next() {
            Some(Token::Word(word)) => word_operand(&word)?,
            Some(Token::Field { name, .. }) => {
                check_field(&Operand::Dot, &name, self.is_dot_root)?;
                Operand::Field(Box::new(Operand::Dot), name)
            }
            Some(Token::Dot) => Operand::Dot,
            Some(Token::Variable(name)) => Operand::Variable(self.find(&name)?),
            Some(Token::Text(text)) => Operand::Text(text),
            Some(Token::Int(value)) => Operand::Int(value),
            Some(Token::Open) => {
                let pipeline = self.nested(|parser| parser.pipeline(tokens))?;
                if tokens.next() != Some(Token::Close) {
                    return Err(ParseError::new("a parenthesis is not closed; add )"));
                }
                Operand::Pipeline(Box::new(pipeline))
            }
            _ => return Err(ParseError::new("a value is missing in an action; add it")),
        })
    }
}

fn word_operand(word: &str) -> Result<Operand, ParseError> {
    match word {
        "true" => Ok(Operand::Bool(true)),
        "false" => Ok(Operand::Bool(false)),
        "nil" => Ok(Operand::Nil),
        _ => Function::named(word).map(Operand::Function),
    }
}

/// Reads `$value :=` or `$key, $value :=`.
fn range_variables(tokens: &mut Tokens) -> Result<Vec<String>, ParseError> {
    let mut ahead = tokens.clone();
    let (first, sign) = (ahead.next(), ahead.next());
    let names = match (first, sign) {
        (Some(Token::Variable(value)), Some(Token::Declare)) => vec![value],
        (Some(Token::Variable(key)), Some(Token::Comma)) => match (ahead.next(), ahead.next()) {
            (Some(Token::Variable(value)), Some(Token::Declare)) => vec![key, value],
            _ => {
                return Err(ParseError::new(
                    "range sets variables as in range $key, $value := .Match",
                ));
            }
        },
        (Some(Token::Variable(_)), Some(Token::Assign)) => {
            return Err(ParseError::new("range with = is not available; write :="));
        }
        _ => return Ok(Vec::new()),
    };
    *tokens = ahead;
    Ok(names)
}

fn finish(mut tokens: Tokens) -> Result<(), ParseError> {
    match tokens.next() {
        None => Ok(()),
        Some(_) => Err(ParseError::new("an action goes on where it should end; add }}")),
    }
}

fn no_end() -> ParseError {
    ParseError::new("if, range or with has no end; add {{ end }}")
}
