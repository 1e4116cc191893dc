//! What `portolan check` prints.

use std::path::Path;

use dns::corefile::{CorefileError, Position, Warning};
use serde::Serialize;

/// Everything that was found, by file and line.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The Corefile.
    corefile: String,
    /// What the server refuses.
    mistakes: Vec<Finding>,
    /// What it takes, and what is hardly meant.
    warnings: Vec<Finding>,
}

/// One problem and its remedy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub(super) struct Finding {
    file: String,
    line: u32,
    text: String,
}

impl Finding {
    pub(super) fn mistake(error: &CorefileError) -> Self {
        Self::at(error.position(), error.problem())
    }

    pub(super) fn warning(warning: &Warning) -> Self {
        Self::at(&warning.position, warning.text.clone())
    }

    fn at(position: &Position, text: String) -> Self {
        Self { file: position.file.display().to_string(), line: position.line, text }
    }
}

impl Report {
    /// Returns a report of these findings, each once.
    pub(super) fn new(corefile: &Path, mistakes: Vec<Finding>, warnings: Vec<Finding>) -> Self {
        let tidy = |mut findings: Vec<Finding>| {
            findings.sort();
            findings.dedup();
            findings
        };
        Self {
            corefile: corefile.display().to_string(),
            mistakes: tidy(mistakes),
            warnings: tidy(warnings),
        }
    }

    pub(super) fn has_mistakes(&self) -> bool {
        !self.mistakes.is_empty()
    }

    pub(super) fn has_warnings(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// Returns a line for each finding, mistakes first, and one that counts them. The lines are those that the
    /// server prints.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let kinds = [("Error during parsing", &self.mistakes), ("Warning", &self.warnings)];
        for (kind, findings) in kinds {
            for Finding { file, line, text: problem } in findings {
                text.push_str(&format!("{file}:{line} - {kind}: {problem}\n"));
            }
        }
        let counts =
            [counted(self.mistakes.len(), "mistake"), counted(self.warnings.len(), "warning")];
        text.push_str(&format!("{}: {}\n", self.corefile, counts.join(", ")));
        text
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_in_order_and_counted() {
        let finding = |line, text: &str| Finding { file: "C".into(), line, text: text.into() };
        let mistakes = vec![finding(7, "b"), finding(3, "a"), finding(7, "b")];
        let report = Report::new(Path::new("C"), mistakes, vec![finding(1, "c")]);
        let expected = "C:3 - Error during parsing: a\nC:7 - Error during parsing: b\nC:1 - Warning: c\n\
                        C: 2 mistakes, 1 warning\n";
        assert_eq!(report.text(), expected);
        let good = Report::new(Path::new("C"), Vec::new(), Vec::new());
        assert_eq!(good.text(), "C: no mistakes, no warnings\n");
    }
}
