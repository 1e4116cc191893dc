//! How long the long runs are: `make soak` sets `PORTOLAN_SOAK` to the seconds that fuzzing may take.

use std::time::Duration;

/// Set by `make soak`.
const SOAK: &str = "PORTOLAN_SOAK";

/// Returns how long a soak fuzzes, over all targets; none when this is no soak.
///
/// # Panics
/// The variable is no number of seconds.
pub fn soak() -> Option<Duration> {
    let text = std::env::var(SOAK).ok()?;
    let seconds = text.parse().unwrap_or_else(|_| panic!("{SOAK}={text} is no number of seconds"));
    Some(Duration::from_secs(seconds))
}

/// Returns the short time of `make test`, or the full time of a soak, which is at most the time of its fuzzing, so that a
/// trial run of `make soak` is short.
///
/// # Panics
/// As [`soak`].
pub fn duration(short: Duration, full: Duration) -> Duration {
    soak().map_or(short, |limit| full.min(limit).max(short))
}

/// Returns the number of rounds of `make test`, or that of a soak.
///
/// # Panics
/// As [`soak`].
pub fn rounds(short: usize, full: usize) -> usize {
    soak().map_or(short, |_| full)
}
