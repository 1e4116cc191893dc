//! What is shown, as data: sections with tables, whose cells have units.

use std::time::Duration;

/// What a role says of itself.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct View {
    /// The role, such as `dns`; what it is a view of otherwise.
    pub role: String,
    /// The name of its host; in a pod, of the pod.
    pub host: String,
    /// The version of the program.
    pub version: String,
    /// For how long the role runs; none of what is no process.
    pub uptime: Option<Duration>,
    /// What is not as it should be; nothing when all is well.
    pub problems: Vec<String>,
    /// The rest.
    pub sections: Vec<Section>,
}

/// A table with a title.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Section {
    /// Its name for programs and in addresses: small letters and hyphens.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What has to be known to read it; empty when nothing has.
    pub note: String,
    /// How much room it takes.
    pub width: Width,
    /// Where else to look: a text, and a relative address.
    pub links: Vec<(String, String)>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with a value for every column.
    pub rows: Vec<Vec<Value>>,
}

/// How much room a section takes on a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// As much as others.
    Shared,
    /// All that there is.
    Whole,
    /// All that there is, for many columns of single letters.
    Matrix,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    /// Its name for programs, another one for each column of a section.
    pub key: String,
    /// Its name for people.
    pub title: String,
    /// What its values are.
    pub unit: Unit,
}

/// What the values of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Texts.
    Text,
    /// Numbers of things.
    Count,
    /// Numbers of things in a second.
    PerSecond,
    /// Times, in seconds.
    Seconds,
}

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// A text from wherever: whoever writes it escapes it.
    Text(String),
    /// A text that says whether something is as it should be.
    State(String, Mood),
    /// A number of the column's unit.
    Number(f64),
    /// There is none.
    Nothing,
}

/// How a state is meant. No reader needs it: the text says it, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

impl Section {
    /// Returns a section without rows.
    pub(crate) fn new<const N: usize>(
        id: &str,
        title: &str,
        columns: [(&str, &str, Unit); N],
    ) -> Self {
        let column = |(key, title, unit): (&str, &str, Unit)| Column {
            key: key.to_owned(),
            title: title.to_owned(),
            unit,
        };
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            note: String::new(),
            width: Width::Shared,
            links: Vec::new(),
            columns: columns.into_iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds what has to be known to read it.
    #[must_use]
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Takes another width.
    #[must_use]
    pub(crate) fn with_width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Adds rows.
    #[must_use]
    pub(crate) fn with_rows<const N: usize>(
        mut self,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Self {
        self.rows.extend(rows.into_iter().map(Vec::from));
        self
    }
}

impl Unit {
    /// Every unit.
    pub(crate) const ALL: [Self; 4] = [Self::Text, Self::Count, Self::PerSecond, Self::Seconds];

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "count",
            Self::PerSecond => "per-second",
            Self::Seconds => "seconds",
        }
    }
}

impl Value {
    /// Returns a state.
    pub(crate) fn state(text: impl Into<String>, is_good: bool) -> Self {
        Self::State(text.into(), if is_good { Mood::Good } else { Mood::Bad })
    }

    /// Writes it for people, in the unit of its column.
    pub(crate) fn shown(&self, unit: Unit) -> String {
        match (self, unit) {
            (Self::Text(text) | Self::State(text, _), _) => crate::words::plain(text),
            (Self::Nothing, _) => "-".to_owned(),
            (Self::Number(number), Unit::Count | Unit::Text) => grouped(number.round()),
            (Self::Number(number), Unit::PerSecond) => match *number {
                0.0 => "0".to_owned(),
                rate if rate < 10.0 => format!("{rate:.2}"),
                rate if rate < 100.0 => format!("{rate:.1}"),
                rate => grouped(rate.round()),
            },
            (Self::Number(number), Unit::Seconds) => {
                let time = Duration::try_from_secs_f64(*number).unwrap_or_default();
                let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                crate::words::age(milliseconds)
            }
        }
    }
}

/// Writes a whole number with commas between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value {
    #[expect(clippy::cast_precision_loss, reason = "nobody reads so many digits")]
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Self::Number(time.as_secs_f64())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_their_units() {
        for (value, unit, shown) in [
            (Value::Number(0.0), Unit::Count, "0"),
            (Value::Number(999.0), Unit::Count, "999"),
            (Value::Number(1_234_567.0), Unit::Count, "1,234,567"),
            (Value::Number(0.0), Unit::PerSecond, "0"),
            (Value::Number(0.016_7), Unit::PerSecond, "0.02"),
            (Value::Number(12.34), Unit::PerSecond, "12.3"),
            (Value::Number(123_456.7), Unit::PerSecond, "123,457"),
            (Value::Number(303.4), Unit::Seconds, "5m3s"),
            (Value::Number(-1.0), Unit::Seconds, "0s"),
            (Value::Number(f64::NAN), Unit::Seconds, "0s"),
            (Value::Nothing, Unit::Count, "-"),
            (Value::from("a\u{1b}"), Unit::Text, "a\\u{1b}"),
            (Value::state("lost", false), Unit::Text, "lost"),
        ] {
            assert_eq!(value.shown(unit), shown);
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Returns a view with what hostile clients make of it.
    pub(in crate::status) fn view() -> View {
        let columns = [
            ("type", "Type", Unit::Text),
            ("per_second", "a second", Unit::PerSecond),
            ("all", "all", Unit::Count),
            ("last", "last", Unit::Seconds),
        ];
        let rows = [
            ["<script>".into(), 12.34.into(), 1234_u64.into(), Duration::from_secs(5).into()],
            ["\"'&\u{202e}".into(), 0.0.into(), Value::Nothing, Value::Nothing],
        ];
        let queries = Section::new("queries", "Queries", columns)
            .with_note("the last 5 minutes & more")
            .with_rows(rows);
        let clients = Section::new("clients", "Clients", [("client", "Client", Unit::Text)]);
        View {
            role: "dns".to_owned(),
            host: "node-1".to_owned(),
            version: "0.1.0".to_owned(),
            uptime: Some(Duration::from_secs(3_660)),
            problems: vec!["Service: HTTP 403 \u{1b}[31m".to_owned()],
            sections: vec![queries, clients],
        }
    }
}
