//! Series of Events over a clock that tests turn.

use super::*;
use crate::event::{Regarding, Severity};

struct Clock {
    start: Instant,
}

impl Clock {
    fn at(&self, seconds: u64) -> Now {
        let passed = Duration::from_secs(seconds);
        Now { instant: self.start + passed, unix: passed }
    }
}

fn clock() -> Clock {
    Clock { start: Instant::now() }
}

fn event(name: &str) -> Event {
    Event {
        regarding: Regarding { name: name.to_owned(), ..Regarding::default() },
        severity: Severity::Warning,
        reason: "Reason",
        action: "Action",
        note: String::new(),
    }
}

/// Writes everything that is due, and returns it as `NAME COUNT`, with a plus when it is a patch.
fn written(table: &mut SeriesTable, now: Now, came: Came) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(due) = table.due(now.instant) {
        table.came(&due, came, now.instant);
        let sign = if due.is_there { "+" } else { "" };
        all.push(format!("{} {}{sign}", due.event.regarding.name, due.count));
    }
    all
}

#[test]
fn an_event_is_written_at_once_and_its_repetitions_once_a_minute() {
    let (clock, mut table) = (clock(), SeriesTable::default());
    assert!(table.tell(event("a"), clock.at(0), 1) && table.tell(event("b"), clock.at(0), 2));
    assert_eq!(written(&mut table, clock.at(0), Came::Done), ["a 1", "b 1"]);
    for second in 1..50 {
        table.tell(event("a"), clock.at(second), 3);
    }
    assert_eq!(written(&mut table, clock.at(59), Came::Done), [""; 0]);
    assert_eq!(table.next(), Some(clock.at(60).instant));
    assert_eq!(written(&mut table, clock.at(60), Came::Done), ["a 50+"]);
    // Quiet for six minutes: the next one is another Event.
    assert_eq!(written(&mut table, clock.at(49 + 360), Came::Done), [""; 0]);
    table.tell(event("a"), clock.at(500), 4);
    assert_eq!(written(&mut table, clock.at(500), Came::Done), ["a 1"]);
}

#[test]
fn a_write_that_fails_is_made_again_and_not_for_ever() {
    let (clock, mut table) = (clock(), SeriesTable::default());
    table.tell(event("a"), clock.at(0), 1);
    assert!(table.is_behind());
    for attempt in 0..12 {
        assert_eq!(written(&mut table, clock.at(attempt * 10), Came::Failed), ["a 1"]);
        assert_eq!(written(&mut table, clock.at(attempt * 10 + 9), Came::Failed), [""; 0]);
    }
    assert_eq!(table.next(), None);
    table.tell(event("a"), clock.at(200), 1);
    assert_eq!(written(&mut table, clock.at(200), Came::Refused), ["a 1"]);
    assert_eq!(table.next(), None);
}

#[test]
fn a_series_whose_event_has_expired_begins_again_with_its_count() {
    let (clock, mut table) = (clock(), SeriesTable::default());
    table.tell(event("a"), clock.at(0), 1);
    written(&mut table, clock.at(0), Came::Done);
    table.tell(event("a"), clock.at(59), 1);
    let due = table.due(clock.at(60).instant).unwrap();
    table.came(&due, Came::Expired, clock.at(60).instant);
    assert_eq!(written(&mut table, clock.at(60), Came::Done), ["a 2"]);
}

#[test]
fn the_table_is_bounded_and_what_is_written_makes_room() {
    let (clock, mut table) = (clock(), SeriesTable::default());
    for number in 0..MOST_SERIES {
        assert!(table.tell(event(&number.to_string()), clock.at(0), 1));
    }
    assert!(!table.tell(event("one more"), clock.at(0), 1), "nothing of it is written");
    assert_eq!(written(&mut table, clock.at(1), Came::Done).len(), MOST_SERIES);
    assert!(table.tell(event("one more"), clock.at(2), 1));
    assert_eq!(table.entries.len(), MOST_SERIES);
}
