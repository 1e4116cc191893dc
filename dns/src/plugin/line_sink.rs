//! Where plugins write what operators read.

use std::fmt;
use std::sync::Arc;

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// For who looks for a bug.
    Debug,
    /// What happens.
    Info,
    /// What may need attention.
    Warning,
    /// What went wrong.
    Error,
}

/// Takes lines without line break; whoever makes it decides where they go.
///
/// The binary writes `[INFO] LINE` to standard output, as CoreDNS does and log pipelines expect, or objects with
/// fields.
#[derive(Clone)]
pub struct LineSink {
    write: Arc<Write>,
    write_fields: Option<Arc<WriteFields>>,
}

type Write = dyn Fn(Level, &str) + Send + Sync;
type WriteFields = dyn Fn(Level, &str, &[Field<'_>]) + Send + Sync;

/// The name of a part of a line, and its value.
pub type Field<'a> = (&'static str, FieldValue<'a>);

/// A part of a line that is not put into words.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FieldValue<'a> {
    /// There is none.
    Absent,
    /// Text; it may have control characters.
    Text(&'a str),
    /// Some words.
    Words(&'a [&'a str]),
    /// A number.
    Number(u64),
    /// A time in seconds.
    Seconds(f64),
    /// Yes or no.
    Truth(bool),
}

impl Level {
    /// Returns the name as it stands in brackets before a line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl LineSink {
    /// Returns a sink that gives each line to `write`, which is called by every worker and must not block long.
    pub fn new(write: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Self { write: Arc::new(write), write_fields: None }
    }

    /// Gives lines that have fields to `write`, with what the line is about.
    #[must_use]
    pub fn with_fields(
        self,
        write: impl Fn(Level, &str, &[Field<'_>]) + Send + Sync + 'static,
    ) -> Self {
        Self { write_fields: Some(Arc::new(write)), ..self }
    }

    /// Says whether [`fields`](Self::fields) writes anything.
    pub fn takes_fields(&self) -> bool {
        self.write_fields.is_some()
    }

    /// Writes a line of fields, where the sink takes them.
    pub fn fields(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        if let Some(write) = &self.write_fields {
            write(level, message, fields);
        }
    }

    /// Writes one line. Control characters are escaped: text from the network must not forge lines.
    pub fn line(&self, level: Level, text: &str) {
        if !text.contains(char::is_control) {
            return (self.write)(level, text);
        }
        let escape = |char: char| match char.is_control() {
            true => char.escape_default().to_string(),
            false => char.to_string(),
        };
        (self.write)(level, &text.chars().map(escape).collect::<String>());
    }
}

impl fmt::Debug for LineSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineSink")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::lines;

    #[test]
    fn a_line_stays_one_line() {
        let (sink, written) = lines();
        sink.line(Level::Info, "plain ünïcode");
        sink.line(Level::Error, "a\n[INFO] forged\u{1b}[2J");
        assert_eq!(written.take(), ["[INFO] plain ünïcode", "[ERROR] a\\n[INFO] forged\\u{1b}[2J"]);
    }
}
