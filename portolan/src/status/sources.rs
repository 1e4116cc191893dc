//! How far the view of a cluster can be trusted.

use std::time::{Duration, SystemTime};

use cluster_source::Source;

use super::view::{Section, Unit, Value, Width};

/// From this age on a view is stale: a quiet one is opened again after half of it.
const STALE: Duration = Duration::from_secs(60);

/// What is known of one kind of objects of a source.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Followed {
    /// The source, as metrics label it.
    pub source: String,
    /// The kind.
    pub kind: &'static str,
    /// How it is followed.
    pub state: State,
    /// How many objects there are.
    pub objects: u64,
    /// How long ago the source last said something of it; none when it never did.
    pub heard: Option<Duration>,
    /// How long ago the view was last known to be current.
    pub age: Duration,
    /// Changes that were applied.
    pub events: u64,
    /// How often the watch was opened again.
    pub restarts: u64,
    /// Objects that could not be used.
    pub bad: u64,
}

/// How a kind is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Its changes come.
    Live,
    /// It was listed, and its changes do not come.
    Lost,
    /// It has not been listed.
    Unlisted,
    /// The cluster does not have the kind, or does not show it, and it is not needed.
    Absent,
}

/// Reads what is known of a source, and what is missing of it.
pub(crate) fn read(name: &str, source: &Source, now: SystemTime) -> (Vec<Followed>, Vec<String>) {
    let (status, snapshot) = (source.status(), source.snapshot());
    let followed = status.kinds().iter().map(|kind| {
        let of = status.kind(kind);
        let state = match (of.is_synced(), of.is_live()) {
            _ if of.is_absent() => State::Absent,
            (true, true) => State::Live,
            (true, false) => State::Lost,
            (false, _) => State::Unlisted,
        };
        Followed {
            source: name.to_owned(),
            kind: kind.name(),
            state,
            objects: snapshot.count(kind) as u64,
            heard: status.last_contact(kind).map(|at| now.duration_since(at).unwrap_or_default()),
            age: status.age_of(kind),
            events: of.events(),
            restarts: of.watch_restarts(),
            bad: of.bad_objects(),
        }
    });
    (followed.collect(), status.missing())
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::Live => "followed",
            Self::Lost => "lost",
            Self::Unlisted => "not listed yet",
            Self::Absent => "not there",
        }
    }
}

/// Returns the section of all sources.
pub(crate) fn section(followed: &[Followed]) -> Section {
    let columns = [
        ("source", "Source", Unit::Text),
        ("kind", "Kind", Unit::Text),
        ("state", "State", Unit::Text),
        ("objects", "Objects", Unit::Count),
        ("heard", "Last word", Unit::Seconds),
        ("age", "Age", Unit::Seconds),
        ("events", "Changes", Unit::Count),
        ("restarts", "Watch restarts", Unit::Count),
        ("bad", "Bad objects", Unit::Count),
    ];
    let row = |it: &Followed| -> [Value; 9] {
        let state = match it.state {
            State::Live if it.age >= STALE => Value::state("stale", false),
            State::Live => Value::state(it.state.words(), true),
            State::Absent => it.state.words().into(),
            State::Lost | State::Unlisted => Value::state(it.state.words(), false),
        };
        let (objects, heard, age) = (it.objects.into(), it.heard.into(), it.age.into());
        let source = it.source.clone().into();
        let (events, restarts, bad) = (it.events.into(), it.restarts.into(), it.bad.into());
        [source, it.kind.into(), state, objects, heard, age, events, restarts, bad]
    };
    Section::new("sources", "Sources", columns)
        .with_width(Width::Whole)
        .with_note("age: how long ago the view was last known to be current; stale from 60 s on")
        .with_rows(followed.iter().map(row))
}

/// Returns what is stale, beside what is known to be missing.
pub(crate) fn problems(followed: &[Followed]) -> Vec<String> {
    let is_stale = |it: &&Followed| it.state == State::Live && it.age >= STALE;
    let stale = followed.iter().filter(is_stale).map(|it| {
        let (source, kind, age) = (&it.source, it.kind, it.age.as_secs());
        format!("{source}: {kind}: nothing was heard for {age} s")
    });
    stale.collect()
}

#[cfg(test)]
mod tests {
    use super::super::view::Mood;
    use super::*;

    fn followed(state: State, age: u64) -> Followed {
        Followed {
            source: "in-cluster".to_owned(),
            kind: "Service",
            state,
            objects: 7,
            heard: Some(Duration::from_secs(age)),
            age: Duration::from_secs(age),
            events: 9,
            restarts: 1,
            bad: 0,
        }
    }

    #[test]
    fn what_is_not_current_is_not_good() {
        for (state, age, word, mood) in [
            (State::Live, 0, "followed", Some(Mood::Good)),
            (State::Live, 59, "followed", Some(Mood::Good)),
            (State::Live, 60, "stale", Some(Mood::Bad)),
            (State::Lost, 1, "lost", Some(Mood::Bad)),
            (State::Unlisted, 1, "not listed yet", Some(Mood::Bad)),
            (State::Absent, 100, "not there", None),
        ] {
            let followed = [followed(state, age)];
            let shown = section(&followed).rows.remove(0).remove(2);
            let expected = mood.map_or(Value::from(word), |mood| Value::State(word.into(), mood));
            assert_eq!(shown, expected);
            let is_told = word == "stale";
            assert_eq!(problems(&followed).len(), usize::from(is_told), "{word}");
        }
    }
}
