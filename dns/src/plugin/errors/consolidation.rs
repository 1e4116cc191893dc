//! Counts errors that are alike.

use std::time::Instant;

use super::config::Consolidate;
use super::period::period;
use crate::plugin::Level;

/// The count of one [`Consolidate`] while a period runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Consolidation {
    running: Option<Period>,
}

#[derive(Clone, Debug)]
struct Period {
    end: Instant,
    count: u64,
}

/// What becomes of an error that matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    /// It stands for itself in the log, too.
    Shown,
    /// It is only counted.
    Silently,
}

impl Consolidation {
    /// Counts an error; the first one starts a period.
    pub(super) fn count(&mut self, rule: &Consolidate, now: Instant) -> Counted {
        if let Some(running) = &mut self.running {
            running.count += 1;
            return Counted::Silently;
        }
        self.running = Some(Period { end: now + rule.period, count: 1 });
        if rule.show_first { Counted::Shown } else { Counted::Silently }
    }

    /// Ends the period if it is over; returns its summary.
    pub(super) fn expire(&mut self, rule: &Consolidate, now: Instant) -> Option<(Level, String)> {
        let over = self.running.take_if(|running| running.end <= now)?;
        over.summary(rule)
    }

    /// Ends the period early; returns its summary.
    pub(super) fn close(&mut self, rule: &Consolidate) -> Option<(Level, String)> {
        self.running.take()?.summary(rule)
    }
}

impl Period {
    /// Returns the summary, none when the only error was already shown.
    fn summary(self, rule: &Consolidate) -> Option<(Level, String)> {
        if rule.show_first && self.count == 1 {
            return None;
        }
        let (count, pattern, period) = (self.count, &rule.pattern, period(rule.period));
        let text = format!("{count} errors like '{pattern}' occurred in last {period}");
        Some((rule.level, text))
    }
}
