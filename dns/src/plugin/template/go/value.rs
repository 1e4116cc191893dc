//! The values that templates work with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::plugin::name_text::presentation;

use super::EvaluationError;
use crate::Query;
use crate::engine::Metadata;
use crate::plugin::expression;

/// What a template knows about a query: CoreDNS's `templateData`.
pub(in super::super) struct Data<'q> {
    /// The zone of the template that the name is in.
    pub(in super::super) zone: String,
    /// The name of the question in lower case.
    pub(in super::super) name: String,
    /// The class of the question, or of the template if the question's is ANY.
    pub(in super::super) class: Cow<'static, str>,
    /// The type of the question, or of the template if the question's is ANY.
    pub(in super::super) record_type: Cow<'static, str>,
    /// The regular expression that matched.
    pub(in super::super) regex: &'q str,
    /// What matched, then its groups.
    pub(in super::super) matches: Vec<String>,
    /// The groups by their names and numbers.
    pub(in super::super) groups: BTreeMap<String, String>,
    /// The values of `var` lines by their names.
    pub(in super::super) variables: BTreeMap<String, expression::Value<'static>>,
    /// The query.
    pub(in super::super) query: &'q Query,
    /// What other plugins know about it.
    pub(in super::super) metadata: Metadata<'q>,
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A value. Names are those of Go's types.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value<'d> {
    /// The field of a map that is not there.
    Missing,
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Cow<'d, str>),
    /// `[]string`: `.Match`.
    Strings(&'d [String]),
    /// `map[string]string`: `.Group`.
    Map(&'d BTreeMap<String, String>),
    /// `map[string]any`: `.Var`.
    Variables(&'d BTreeMap<String, expression::Value<'static>>),
    /// `[]dns.Question`: `.Message.Question`, which has one element.
    Questions,
    Question,
    Message,
    /// `.` at the start.
    Root,
}

/// The fields of `.`.
pub(super) const ROOT_FIELDS: [&str; 12] = [
    "Zone", "Name", "Class", "Type", "Regex", "Match", "Group", "Var", "Message", "Question",
    "Remote", "Meta",
];

/// The fields of `.Message`.
pub(super) const MESSAGE_FIELDS: [&str; 12] = [
    "Id",
    "Response",
    "Opcode",
    "Authoritative",
    "Truncated",
    "RecursionDesired",
    "RecursionAvailable",
    "Zero",
    "AuthenticatedData",
    "CheckingDisabled",
    "Rcode",
    "Question",
];

/// The fields of `.Question`.
pub(super) const QUESTION_FIELDS: [&str; 3] = ["Name", "Qtype", "Qclass"];

impl<'d> Value<'d> {
    pub(super) fn text(text: impl Into<Cow<'d, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the value of a `var` line.
    pub(super) fn of_variable(value: &'d expression::Value<'static>) -> Self {
        match value {
            expression::Value::Text(text) => Self::text(text.as_ref()),
            expression::Value::Number(number) => Self::Int(*number),
            expression::Value::Bool(value) => Self::Bool(*value),
        }
    }

    /// Says whether `if` takes the value as true: it is not empty, not zero, not false.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Text(text) => !text.is_empty(),
            Self::Strings(strings) => !strings.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Variables(map) => !map.is_empty(),
            Self::Questions | Self::Question | Self::Message | Self::Root => true,
        }
    }

    /// Returns the name of Go's type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing => "missing value",
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Text(_) => "string",
            Self::Strings(_) => "[]string",
            Self::Map(_) => "map[string]string",
            Self::Variables(_) => "map[string]any",
            Self::Questions => "[]dns.Question",
            Self::Question => "dns.Question",
            Self::Message => "dns.Msg",
            Self::Root => "templateData",
        }
    }

    /// Returns a field of the value; `Meta` is a method and not among them.
    pub(super) fn field(&self, name: &str, data: &'d Data<'_>) -> Result<Self, EvaluationError> {
        let found = match self {
            Self::Root => root_field(name, data),
            Self::Message => message_field(name, data.query),
            Self::Question => question_field(name, data.query),
            Self::Map(map) => {
                Some(map.get(name).map_or(Self::Missing, |text| Self::text(text.as_str())))
            }
            Self::Variables(map) => Some(map.get(name).map_or(Self::Missing, Self::of_variable)),
            _ => None,
        };
        found.ok_or_else(|| {
            EvaluationError::new(format!("a {} has no field {name}", self.type_name()))
        })
    }
}

fn root_field<'d>(name: &str, data: &'d Data<'_>) -> Option<Value<'d>> {
    Some(match name {
        "Zone" => Value::text(data.zone.as_str()),
        "Name" => Value::text(data.name.as_str()),
        "Class" => Value::text(&*data.class),
        "Type" => Value::text(&*data.record_type),
        "Regex" => Value::text(data.regex),
        "Match" => Value::Strings(&data.matches),
        "Group" => Value::Map(&data.groups),
        "Var" => Value::Variables(&data.variables),
        "Message" => Value::Message,
        "Question" => Value::Question,
        "Remote" => Value::text(data.query.client.ip().to_canonical().to_string()),
        _ => return None,
    })
}

fn message_field<'d>(name: &str, query: &Query) -> Option<Value<'d>> {
    Some(match name {
        "Id" => Value::Uint(query.id.into()),
        "RecursionDesired" => Value::Bool(query.recursion_desired),
        "AuthenticatedData" => Value::Bool(query.authentic_data),
        "CheckingDisabled" => Value::Bool(query.checking_disabled),
        // A query has none of these.
        "Response" | "Authoritative" | "Truncated" | "RecursionAvailable" | "Zero" => {
            Value::Bool(false)
        }
        "Opcode" | "Rcode" => Value::Int(0),
        "Question" => Value::Questions,
        _ => return None,
    })
}

fn question_field<'d>(name: &str, query: &Query) -> Option<Value<'d>> {
    Some(match name {
        "Name" => Value::text(presentation(&query.name)),
        "Qtype" => Value::Uint(u16::from(query.qtype).into()),
        "Qclass" => Value::Uint(u16::from(query.qclass).into()),
        _ => return None,
    })
}
