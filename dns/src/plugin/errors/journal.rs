//! What is written of failures, and when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::IntCounter;

use super::budget::{LINES, LineBudget};
use super::config::Consolidate;
use super::consolidation::{Consolidation, Counted};
use crate::plugin::{Level, LineSink};

/// Writes failures to a sink: each, up to 1,000 lines a second, or counted over a period.
///
/// The time is given with every call. A period or a second that is over is reported with the next failure or the
/// next [`flush`](Self::flush), whichever is first, and when the journal is dropped.
#[derive(Debug)]
pub struct Journal {
    rules: Vec<Consolidate>,
    sink: LineSink,
    state: Mutex<State>,
    /// Counts the lines that are not shown.
    dropped: Option<IntCounter>,
}

#[derive(Debug)]
struct State {
    /// Parallel to the rules.
    consolidations: Vec<Consolidation>,
    budget: LineBudget,
}

impl Journal {
    /// Returns an empty journal; the first rule whose pattern a failure matches counts it.
    pub fn new(rules: Vec<Consolidate>, sink: LineSink) -> Self {
        let consolidations = vec![Consolidation::default(); rules.len()];
        let state = Mutex::new(State { consolidations, budget: LineBudget::default() });
        Self { rules, sink, state, dropped: None }
    }

    /// Returns the same journal, which counts the lines that are too many.
    #[must_use]
    pub fn counting(mut self, dropped: IntCounter) -> Self {
        self.dropped = Some(dropped);
        self
    }

    /// Records a failure; `question` names what was asked and is only called for a line of its own.
    pub fn record(&self, question: impl FnOnce() -> String, failure: &str, now: Instant) {
        let matching = self.rules.iter().position(|rule| rule.pattern.is_match(failure));
        let mut state = self.lock();
        let mut lines = self.expired(&mut state, now);
        let level = match matching {
            None => self.within_budget(&mut state, now).then_some(Level::Error),
            Some(at) => match state.consolidations[at].count(&self.rules[at], now) {
                Counted::Shown => Some(self.rules[at].level),
                Counted::Silently => None,
            },
        };
        drop(state);
        lines.extend(level.map(|level| (level, format!("{}: {failure}", question()))));
        self.write(lines);
    }

    /// Writes what is due.
    pub fn flush(&self, now: Instant) {
        let lines = self.expired(&mut self.lock(), now);
        self.write(lines);
    }

    fn within_budget(&self, state: &mut State, now: Instant) -> bool {
        let is_within = state.budget.take(now);
        if let Some(dropped) = self.dropped.as_ref().filter(|_| !is_within) {
            dropped.inc();
        }
        is_within
    }

    fn expired(&self, state: &mut State, now: Instant) -> Vec<(Level, String)> {
        let due = self.rules.iter().zip(&mut state.consolidations);
        let mut lines: Vec<_> = due.filter_map(|(rule, count)| count.expire(rule, now)).collect();
        if let Some(dropped) = state.budget.expire(now) {
            let text = format!("{dropped} errors not shown: more than {LINES} in one second");
            lines.push((Level::Warning, text));
        }
        lines
    }

    fn write(&self, lines: Vec<(Level, String)>) {
        for (level, text) in lines {
            self.sink.line(level, &format!("plugin/errors: {text}"));
        }
    }

    /// A panic elsewhere leaves at worst a count that is one too low.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let mut state = self.lock();
        let running = self.rules.iter().zip(&mut state.consolidations);
        let lines = running.filter_map(|(rule, count)| count.close(rule)).collect();
        drop(state);
        self.write(lines);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ErrorsConfig;
    use super::*;
    use crate::plugin::testing::{Lines, configure, lines};

    fn journal(options: &str) -> (Journal, Lines, Instant) {
        let config = format!("errors {{\n{options}\n}}");
        let (sink, written) = lines();
        let rules = configure(&config, ErrorsConfig::parse).unwrap().consolidate;
        (Journal::new(rules, sink), written, Instant::now())
    }

    fn fail(journal: &Journal, failure: &str, now: Instant) {
        journal.record(|| "2 example.org. A".to_owned(), failure, now);
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_period_starts_with_the_first_failure_and_ends_with_a_summary() {
        let (journal, written, start) = journal("consolidate 30s \"timeout$\"");
        for offset in [0, 10, 29] {
            fail(&journal, "read: i/o timeout", start + SECOND * offset);
        }
        journal.flush(start + SECOND * 29);
        assert!(written.take().is_empty());
        journal.flush(start + SECOND * 30);
        let summary = "[ERROR] plugin/errors: 3 errors like 'timeout$' occurred in last 30s";
        assert_eq!(written.take(), [summary]);
        journal.flush(start + SECOND * 90);
        assert!(written.take().is_empty());
    }

    #[test]
    fn the_next_failure_flushes_too_and_starts_a_new_period() {
        let (journal, written, start) = journal("consolidate 1s a info");
        fail(&journal, "a", start);
        fail(&journal, "a", start + SECOND);
        assert_eq!(written.take(), ["[INFO] plugin/errors: 1 errors like 'a' occurred in last 1s"]);
        journal.flush(start + SECOND * 2);
        assert_eq!(written.take().len(), 1);
    }

    #[test]
    fn the_first_matching_pattern_counts_and_others_are_written() {
        let (journal, written, start) =
            journal("consolidate 1s ^a warning\nconsolidate 1s b debug");
        for failure in ["ab", "b", "c"] {
            fail(&journal, failure, start);
        }
        assert_eq!(written.take(), ["[ERROR] plugin/errors: 2 example.org. A: c"]);
        journal.flush(start + SECOND);
        assert_eq!(
            written.take(),
            [
                "[WARNING] plugin/errors: 1 errors like '^a' occurred in last 1s",
                "[DEBUG] plugin/errors: 1 errors like 'b' occurred in last 1s",
            ]
        );
    }

    #[test]
    fn show_first_writes_the_first_and_a_summary_of_several() {
        let (journal, written, start) = journal("consolidate 1s timeout warning show_first");
        let first = "[WARNING] plugin/errors: 2 example.org. A: timeout";
        fail(&journal, "timeout", start);
        assert_eq!(written.take(), [first]);
        journal.flush(start + SECOND);
        assert!(written.take().is_empty(), "one failure needs no summary");
        for _ in 0..3 {
            fail(&journal, "timeout", start + SECOND);
        }
        journal.flush(start + SECOND * 2);
        let summary = "[WARNING] plugin/errors: 3 errors like 'timeout' occurred in last 1s";
        assert_eq!(written.take(), [first, summary]);
    }

    #[test]
    fn more_than_a_thousand_lines_a_second_are_only_counted() {
        let (journal, written, start) = journal("");
        for _ in 0..1_250 {
            fail(&journal, "down", start);
        }
        assert_eq!(written.take().len(), 1_000);
        journal.flush(start + SECOND);
        let summary = "[WARNING] plugin/errors: 250 errors not shown: more than 1000 in one second";
        assert_eq!(written.take(), [summary]);
        fail(&journal, "down", start + SECOND);
        assert_eq!(written.take().len(), 1);
    }

    #[test]
    fn a_dropped_journal_writes_what_it_counted() {
        let (journal, written, start) = journal("consolidate 1h x");
        fail(&journal, "x", start);
        drop(journal);
        assert_eq!(
            written.take(),
            ["[ERROR] plugin/errors: 1 errors like 'x' occurred in last 1h0m0s"]
        );
    }
}
