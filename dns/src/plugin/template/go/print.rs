//! Values as text: Go's `fmt.Sprint` and `fmt.Sprintf`.

use std::borrow::Cow;

use super::EvaluationError;
use super::evaluate::within_bound;
use super::value::Value;

/// The widest column and the most digits that a verb may ask for.
const MAX_WIDTH: usize = 1000;

/// Returns a value as `{{ . }}` prints it.
pub(super) fn show<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, EvaluationError> {
    Ok(match value {
        Value::Missing => "<no value>".into(),
        Value::Nil => "<nil>".into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Int(value) => value.to_string().into(),
        Value::Uint(value) => value.to_string().into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Strings(strings) => format!("[{}]", strings.join(" ")).into(),
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, text)| format!("{key}:{text}")).collect();
            format!("map[{}]", entries.join(" ")).into()
        }
        Value::Variables(map) => {
            let mut entries = Vec::new();
            for (key, value) in *map {
                entries.push(format!("{key}:{}", show(&Value::of_variable(value))?));
            }
            format!("map[{}]", entries.join(" ")).into()
        }
        Value::Questions | Value::Question | Value::Message | Value::Root => {
            let what = value.type_name();
            return Err(EvaluationError::new(format!(
                "a {what} cannot be printed; print a field of it"
            )));
        }
    })
}

/// Returns the values as one text, with a space between two of which none is a string.
pub(super) fn print(values: &[Value<'_>]) -> Result<String, EvaluationError> {
    let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| values.get(at));
        if before.is_some_and(|before| !is_text(before) && !is_text(value)) {
            text.push(' ');
        }
        text.push_str(&show(value)?);
        within_bound(&text)?;
    }
    Ok(text)
}

/// Flags, width and precision of a verb.
#[derive(Default)]
struct Layout {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// Returns a text with the values in place of its verbs.
pub(super) fn printf(format: &str, values: &[Value<'_>]) -> Result<String, EvaluationError> {
    let (mut text, mut rest, mut values) = (String::new(), format, values.iter());
    while let Some((before, verb)) = rest.split_once('%') {
        text.push_str(before);
        let (layout, after) = layout(verb)?;
        let mut characters = after.chars();
        let verb = characters.next();
        rest = characters.as_str();
        match (verb, values.len()) {
            (None, _) => text.push_str("%!(NOVERB)"),
            (Some('%'), _) => text.push('%'),
            (Some('*' | '['), _) => {
                return Err(EvaluationError::new(
                    "printf takes width and order from the format only",
                ));
            }
            (Some(verb), 0) => text.push_str(&format!("%!{verb}(MISSING)")),
            (Some(verb), _) => {
                if let Some(value) = values.next() {
                    text.push_str(&layout.pad(&one(verb, &layout, value)?));
                    within_bound(&text)?;
                }
            }
        }
    }
    text.push_str(rest);
    if values.len() > 0 {
        let extra: Result<Vec<String>, EvaluationError> =
            values.map(|value| Ok(format!("{}={}", value.type_name(), show(value)?))).collect();
        text.push_str(&format!("%!(EXTRA {})", extra?.join(", ")));
    }
    Ok(text)
}

/// Takes flags, width and precision off the front.
fn layout(mut rest: &str) -> Result<(Layout, &str), EvaluationError> {
    let mut layout = Layout::default();
    while let Some(flag) = rest.chars().next().filter(|flag| "-+ 0#".contains(*flag)) {
        match flag {
            '-' => layout.left = true,
            '+' => layout.plus = true,
            ' ' => layout.space = true,
            '#' => layout.alternate = true,
            _ => layout.zero = true,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    (layout.width, rest) = number(rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        let precision;
        (precision, rest) = number(after)?;
        layout.precision = Some(precision);
    }
    Ok((layout, rest))
}

fn number(rest: &str) -> Result<(usize, &str), EvaluationError> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let number = if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    let number = number.filter(|number| *number <= MAX_WIDTH);
    let error = || EvaluationError::new(format!("printf takes widths up to {MAX_WIDTH}"));
    Ok((number.ok_or_else(error)?, rest))
}

fn one(verb: char, layout: &Layout, value: &Value<'_>) -> Result<String, EvaluationError> {
    let number = match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    let radix = |prefix: &str, digits: String| {
        if layout.alternate { format!("{prefix}{digits}") } else { digits }
    };
    let found = match (verb, number, value) {
        ('d' | 'v', Some(number), _) => {
            Some(layout.signed(number, number.unsigned_abs().to_string()))
        }
        ('x', Some(number), _) => {
            Some(layout.signed(number, radix("0x", format!("{:x}", number.unsigned_abs()))))
        }
        ('X', Some(number), _) => {
            Some(layout.signed(number, radix("0X", format!("{:X}", number.unsigned_abs()))))
        }
        ('o', Some(number), _) => {
            Some(layout.signed(number, radix("0", format!("{:o}", number.unsigned_abs()))))
        }
        ('b', Some(number), _) => {
            Some(layout.signed(number, radix("0b", format!("{:b}", number.unsigned_abs()))))
        }
        ('c', Some(number), _) => {
            u32::try_from(number).ok().and_then(char::from_u32).map(String::from)
        }
        ('t' | 'v', _, Value::Bool(value)) => Some(value.to_string()),
        ('s' | 'v', _, Value::Text(text)) => Some(layout.cut(text)),
        ('x', _, Value::Text(text)) => {
            Some(text.bytes().map(|octet| format!("{octet:02x}")).collect())
        }
        ('X', _, Value::Text(text)) => {
            Some(text.bytes().map(|octet| format!("{octet:02X}")).collect())
        }
        ('q', _, Value::Text(text)) => Some(format!("\"{}\"", text.escape_debug())),
        ('v', _, other) => Some(show(other)?.into_owned()),
        ('s', _, Value::Strings(_) | Value::Map(_) | Value::Variables(_)) => {
            Some(show(value)?.into_owned())
        }
        _ => None,
    };
    match found {
        Some(text) => Ok(text),
        // As Go shows what does not fit its verb.
        None => Ok(format!("%!{verb}({}={})", value.type_name(), show(value)?)),
    }
}

impl Layout {
    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    /// Puts the sign before the digits, and zeros between them.
    fn signed(&self, number: i128, digits: String) -> String {
        let sign = match number {
            ..0 => "-",
            _ if self.plus => "+",
            _ if self.space => " ",
            _ => "",
        };
        let fill = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.left => self.width.saturating_sub(sign.len()),
            None => 0,
        };
        format!("{sign}{}{digits}", "0".repeat(fill.saturating_sub(digits.len())))
    }

    fn pad(&self, text: &str) -> String {
        let spaces = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.left { format!("{text}{spaces}") } else { format!("{spaces}{text}") }
    }
}
