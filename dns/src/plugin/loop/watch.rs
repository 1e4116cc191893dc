//! What probes say about one upstream, and when the next one is due.

use std::time::Duration;

/// The time to the first repetition of a probe; it doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two probes of an upstream that leads back here, or that never answered.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How a probe ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finding {
    /// It came in at this server.
    Returned,
    /// The upstream answered, and it did not come in.
    Answered,
    /// Neither: nothing is known.
    Silent,
}

/// What is different after a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The upstream leads back here.
    Began,
    /// It does no more.
    Ended,
}

/// When the next probe is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pause {
    /// After this time.
    For(Duration),
    /// When the upstream fails to answer a query, as one does that leads back here; but not before this time.
    UntilSuspected(Duration),
}

/// What is known about one upstream.
///
/// ```text
///            ┌─ Silent ─┐                    ┌─ Silent, Returned ─┐
/// start ─▶ unknown ─────┴─▶ Returned ─▶ looping ◀─────────────────┘     probed with backoff
///            └─▶ Answered ─▶ clear ◀─ Answered ─┘                       probed when suspected
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    is_looping: bool,
    /// Probes since the upstream was last known to be clear.
    probes: u32,
}

impl Watch {
    /// Takes a finding into account.
    pub(crate) fn learn(&mut self, finding: Finding) -> Option<Change> {
        let was_looping = self.is_looping;
        self.is_looping = match finding {
            Finding::Returned => true,
            Finding::Answered => false,
            Finding::Silent => was_looping,
        };
        self.probes = match finding {
            Finding::Answered => 0,
            Finding::Returned if !was_looping => 1,
            Finding::Returned | Finding::Silent => self.probes.saturating_add(1),
        };
        match (was_looping, self.is_looping) {
            (false, true) => Some(Change::Began),
            (true, false) => Some(Change::Ended),
            (false, false) | (true, true) => None,
        }
    }

    /// Returns when to probe again, less up to a quarter by chance: two servers that have disabled each other must
    /// not probe in step.
    pub(crate) fn pause(&self, random: u32) -> Pause {
        if self.probes == 0 {
            return Pause::UntilSuspected(MAX_PAUSE);
        }
        let pause =
            FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.probes - 1)).min(MAX_PAUSE);
        Pause::For(pause.saturating_sub(pause / 1024 * (random % 256)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(watch: &Watch) -> u64 {
        match watch.pause(0) {
            Pause::For(pause) => pause.as_secs(),
            Pause::UntilSuspected(_) => 0,
        }
    }

    #[test]
    fn an_upstream_that_does_not_answer_is_probed_again() {
        let mut watch = Watch::default();
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                assert_eq!(watch.learn(Finding::Silent), None);
                seconds(&watch)
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(watch.learn(Finding::Answered), None);
        assert_eq!(watch.pause(0), Pause::UntilSuspected(MAX_PAUSE));
    }

    #[test]
    fn a_loop_begins_and_ends_once() {
        let mut watch = Watch::default();
        watch.learn(Finding::Silent);
        watch.learn(Finding::Silent);
        assert_eq!(watch.learn(Finding::Returned), Some(Change::Began));
        assert_eq!(seconds(&watch), 1, "the backoff begins with the loop");
        assert_eq!(watch.learn(Finding::Returned), None);
        assert_eq!(watch.learn(Finding::Silent), None, "silence is no repair");
        assert_eq!(seconds(&watch), 4);
        assert_eq!(watch.learn(Finding::Answered), Some(Change::Ended));
        assert_eq!(watch.learn(Finding::Answered), None);
        assert_eq!(watch.learn(Finding::Returned), Some(Change::Began), "and may begin again");
    }

    #[test]
    fn chance_makes_pauses_shorter() {
        let mut watch = Watch::default();
        watch.learn(Finding::Returned);
        for random in 0..512 {
            let Pause::For(pause) = watch.pause(random) else { panic!("probed when suspected") };
            assert!(pause > Duration::from_millis(750) && pause <= FIRST_PAUSE, "{pause:?}");
        }
    }
}
