//! Candidates over a Lease of a few lines, with answers that get lost and clocks that differ.

use proptest::prelude::*;

use super::*;

const TIMES: LeaseTimes = LeaseTimes {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// An API server with one Lease.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
}

impl Server {
    /// Stores a Lease if nobody did since it was read.
    fn write(&mut self, lease: &Lease) -> Option<Lease> {
        let stored = self.lease.as_ref().map(|lease| lease.resource_version.clone());
        if stored.unwrap_or_default() != lease.resource_version {
            return None;
        }
        self.version += 1;
        let stored = Lease { resource_version: self.version.to_string(), ..lease.clone() };
        self.lease = Some(stored.clone());
        Some(stored)
    }
}

/// What becomes of the requests of one attempt.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Good,
    /// It does not arrive.
    Lost,
    /// It is done, and the answer does not arrive.
    AnswerLost,
}

fn attempt(candidate: &mut Candidate, server: &mut Server, now: Instant, unix: u64, fate: Fate) {
    let unix = Duration::from_secs(unix);
    if fate == Fate::Lost {
        return;
    }
    let wanted = match candidate.renewal(now, unix) {
        Some(wanted) => Some(wanted),
        None => candidate.look(server.lease.clone(), now, unix),
    };
    let Some(wanted) = wanted else { return };
    match (server.write(&wanted), fate) {
        (Some(stored), Fate::Good) => candidate.has(stored, now),
        (Some(_), _) => {}
        (None, _) => {
            candidate.look(server.lease.clone(), now, unix);
        }
    }
}

fn candidates(count: usize) -> Vec<Candidate> {
    (0..count).map(|number| Candidate::new(format!("replica-{number}"), TIMES)).collect()
}

#[test]
fn a_lease_is_taken_renewed_left_and_taken_over() {
    let (start, mut server, mut all) = (Instant::now(), Server::default(), candidates(2));
    let at = |second: u64| start + Duration::from_secs(second);
    let leads = |all: &[Candidate], second: u64| -> Vec<bool> {
        all.iter().map(|one| one.leads_until(at(second)).is_some()).collect()
    };
    for second in (0..6).step_by(2) {
        for one in &mut all {
            attempt(one, &mut server, at(second), 100 + second, Fate::Good);
        }
        assert_eq!(leads(&all, second), [true, false]);
    }
    // The leader hears nothing any more: it stops 10 s after it last asked, and is followed 15 s after that was seen.
    for second in (6..19).step_by(2) {
        attempt(&mut all[1], &mut server, at(second), 100 + second, Fate::Good);
        assert_eq!(leads(&all, second), [second < 14, false], "{second}");
    }
    // The other saw the last renewal at once, at 4.
    attempt(&mut all[1], &mut server, at(19), 119, Fate::Good);
    assert_eq!(leads(&all, 19), [false, true]);
    assert_eq!(server.lease.as_ref().unwrap().transitions, 1);
    // One that ends leaves at once.
    let left = all[1].release(Duration::from_secs(120)).unwrap();
    assert_eq!((&*left.holder, left.seconds), ("", 1));
    server.write(&left).unwrap();
    attempt(&mut all[0], &mut server, at(20), 120, Fate::Good);
    assert_eq!(leads(&all, 20), [true, false]);
}

/// As while the flags of replicas are changed, one after the other.
#[test]
fn a_lease_lasts_as_long_as_it_says_and_as_long_as_who_waits_thinks() {
    let seconds = Duration::from_secs;
    let times = |duration| LeaseTimes {
        lease_duration: seconds(duration),
        renew_deadline: seconds(duration - 5),
        retry_period: seconds(2),
    };
    for (held_with, waits_with, over) in [(60, 15, 60), (15, 60, 60), (15, 15, 15)] {
        let (start, mut server) = (Instant::now(), Server::default());
        let mut one = Candidate::new("replica-0".to_owned(), times(held_with));
        let mut other = Candidate::new("replica-1".to_owned(), times(waits_with));
        attempt(&mut one, &mut server, start, 0, Fate::Good);
        for second in [0, over - 1, over] {
            let now = start + seconds(second);
            attempt(&mut other, &mut server, now, second, Fate::Good);
            let (leads, is_over) = (other.leads_until(now).is_some(), second == over);
            assert_eq!(leads, is_over, "{held_with} {waits_with}: second {second}");
            assert!(!leads || one.leads_until(now).is_none(), "{held_with} {waits_with}");
        }
    }
    // Whatever somebody writes there, it is no reason to end.
    let mut one = Candidate::new("replica-0".to_owned(), TIMES);
    let (holder, seconds) = ("other".to_owned(), u64::MAX);
    let endless = Lease { holder, seconds, ..Lease::default() };
    assert_eq!(one.look(Some(endless), Instant::now(), Duration::ZERO), None);
}

/// A process that starts again under its name goes on with its Lease.
#[test]
fn an_own_lease_needs_no_waiting() {
    let (now, mut server) = (Instant::now(), Server::default());
    let mut one = Candidate::new("replica-0".to_owned(), TIMES);
    attempt(&mut one, &mut server, now, 0, Fate::Good);
    let mut again = Candidate::new("replica-0".to_owned(), TIMES);
    attempt(&mut again, &mut server, now, 1, Fate::Good);
    assert!(again.leads_until(now).is_some());
    assert_eq!(server.lease.unwrap().transitions, 0);
}

proptest! {
    #[test]
    fn there_are_never_two_leaders(
        steps in prop::collection::vec((0..3usize, 0..6000u64, 0..4u8, any::<bool>()), 1..300),
        skews in prop::array::uniform3(0..1_000_000u64),
        durations in prop::array::uniform3(3..40u64),
    ) {
        let (mut now, mut server, mut all) = (Instant::now(), Server::default(), candidates(3));
        for (one, duration) in all.iter_mut().zip(durations) {
            let (lease_duration, renew_deadline) = (Duration::from_secs(duration), Duration::from_secs(duration - 1));
            one.times = LeaseTimes { lease_duration, renew_deadline, ..TIMES };
        }
        for (number, (who, millis, fate, leaves)) in steps.into_iter().enumerate() {
            now += Duration::from_millis(millis);
            let fate = match fate {
                0 => Fate::Lost,
                1 => Fate::AnswerLost,
                _ => Fate::Good,
            };
            let unix = skews[who] + number as u64;
            attempt(&mut all[who], &mut server, now, unix, fate);
            if leaves && number % 7 == 0
                && let Some(lease) = all[who].release(Duration::from_secs(unix))
                && fate == Fate::Good
            {
                server.write(&lease);
            }
            let leaders = all.iter().filter(|one| one.leads_until(now).is_some()).count();
            prop_assert!(leaders <= 1, "{all:?}");
        }
    }
}
