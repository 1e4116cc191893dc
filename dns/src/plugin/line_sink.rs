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
/// The binary writes `[INFO] LINE` to standard output, as CoreDNS does and log pipelines expect.
#[derive(Clone)]
pub struct LineSink(Arc<Write>);

type Write = dyn Fn(Level, &str) + Send + Sync;

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
        Self(Arc::new(write))
    }

    /// Writes one line. Control characters are escaped: text from the network must not forge lines.
    pub fn line(&self, level: Level, text: &str) {
        if !text.contains(char::is_control) {
            return (self.0)(level, text);
        }
        let escape = |char: char| match char.is_control() {
            true => char.escape_default().to_string(),
            false => char.to_string(),
        };
        (self.0)(level, &text.chars().map(escape).collect::<String>());
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
