//! Which upstream is asked next.

/// In which order upstreams are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// A new random order for every query.
    Random,
    /// That of the directive, every query beginning with the next one.
    RoundRobin,
    /// That of the directive, always from the first.
    Sequential,
}

/// The way of one query through the upstreams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Route {
    /// Every upstream's number once, in the order of the policy.
    order: Vec<usize>,
    /// Which have been asked, by number.
    asked: Vec<bool>,
    /// The place in `order` where the search goes on.
    at: usize,
}

/// Whether an upstream may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It answers.
    Healthy,
    /// It does not: it is asked when no other is left.
    Unhealthy,
    /// It leads back to this server: it is never asked.
    Looping,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// Ask this upstream, which is healthy.
    Healthy(usize),
    /// Every upstream that may be asked is unhealthy: ask this one nevertheless, or fail.
    Unhealthy(usize),
}

impl Policy {
    /// Returns the numbers from 0 to `count` in the order in which upstreams are asked, given a random number
    /// and the number of queries so far.
    fn order(self, count: usize, random: u64, turn: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self {
            Self::Random => shuffle(&mut order, random),
            Self::RoundRobin => order.rotate_left(remainder(turn, count)),
            Self::Sequential => {}
        }
        order
    }
}

impl Route {
    /// Plans the way of a query through `count` upstreams.
    pub(super) fn new(policy: Policy, count: usize, random: u64, turn: u64) -> Self {
        Self { order: policy.order(count, random, turn), asked: vec![false; count], at: 0 }
    }

    /// Chooses the next upstream, beginning again after the last; none without one that may be asked.
    ///
    /// When all are unhealthy it is a random one, and then those after it.
    pub(super) fn next(
        &mut self,
        standing: impl Fn(usize) -> Standing,
        random: u64,
    ) -> Option<Choice> {
        let (healthy, unhealthy) = self.nearest(standing, random);
        let place = healthy.or(unhealthy)?;
        let upstream = *self.order.get(place)?;
        self.at = place + 1;
        if let Some(asked) = self.asked.get_mut(upstream) {
            *asked = true;
        }
        Some(match healthy {
            Some(_) => Choice::Healthy(upstream),
            None => Choice::Unhealthy(upstream),
        })
    }

    /// Returns the places of the next healthy upstream and of the next unhealthy one. Each is looked at once: standings
    /// change at any time, and one that is healthy in no look and unhealthy in no other would not be there at all.
    fn nearest(
        &self,
        standing: impl Fn(usize) -> Standing,
        random: u64,
    ) -> (Option<usize>, Option<usize>) {
        let count = self.order.len();
        let is_first = !self.asked.contains(&true);
        let begin = if is_first { remainder(random, count) } else { self.at };
        let standings: Vec<Standing> = self.order.iter().map(|at| standing(*at)).collect();
        let first = |begin: usize, wanted: Standing| {
            (0..count)
                .map(|step| (begin + step) % count)
                .find(|place| standings.get(*place) == Some(&wanted))
        };
        (first(self.at, Standing::Healthy), first(begin, Standing::Unhealthy))
    }

    /// Leads to an upstream that this query has not asked, if one is healthy.
    pub(super) fn skip_asked(&mut self, is_healthy: impl Fn(usize) -> bool) -> bool {
        let is_new = |upstream: usize| !self.asked.get(upstream).is_some_and(|asked| *asked);
        let found = self.order.iter().position(|at| is_new(*at) && is_healthy(*at));
        if let Some(place) = found {
            self.at = place;
        }
        found.is_some()
    }
}

/// Brings the numbers into one of all possible orders, each as likely: 15! is less than 2⁶⁴.
fn shuffle(order: &mut [usize], mut random: u64) {
    for last in (1..order.len()).rev() {
        let among = last as u64 + 1;
        order.swap(last, remainder(random, last + 1));
        random /= among;
    }
}

fn remainder(number: u64, count: usize) -> usize {
    // A remainder is less than the count, which is a usize.
    number.checked_rem(count as u64).and_then(|rest| usize::try_from(rest).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn healthy_if(is_healthy: bool) -> Standing {
        if is_healthy { Standing::Healthy } else { Standing::Unhealthy }
    }

    fn policies() -> impl Strategy<Value = Policy> {
        prop_oneof![Just(Policy::Random), Just(Policy::RoundRobin), Just(Policy::Sequential)]
    }

    proptest! {
        #[test]
        fn an_order_has_every_upstream_once(
            policy in policies(), count in 0_usize..=15, random: u64, turn: u64,
        ) {
            let mut order = policy.order(count, random, turn);
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn healthy_upstreams_are_asked_evenly_and_others_never(
            policy in policies(), health in prop::collection::vec(any::<bool>(), 1..=15), random: u64,
        ) {
            let mut route = Route::new(policy, health.len(), random, random);
            let healthy = health.iter().filter(|healthy| **healthy).count();
            prop_assume!(healthy > 0);
            let mut times = vec![0; health.len()];
            for _ in 0..2 * healthy {
                let Some(Choice::Healthy(upstream)) = route.next(|at| healthy_if(health[at]), random) else {
                    return Err(TestCaseError::fail("an unhealthy upstream was chosen"));
                };
                times[upstream] += 1;
            }
            for (at, is_healthy) in health.iter().enumerate() {
                prop_assert_eq!(times[at], if *is_healthy { 2 } else { 0 });
            }
        }

        #[test]
        fn looping_upstreams_are_never_asked(
            policy in policies(), kinds in prop::collection::vec(0_u8..3, 0..=15), random: u64,
        ) {
            let standing = |at: usize| match kinds[at] {
                0 => Standing::Looping,
                1 => Standing::Unhealthy,
                _ => Standing::Healthy,
            };
            let mut route = Route::new(policy, kinds.len(), random, random);
            let best = kinds.iter().max().copied().unwrap_or(0);
            for _ in 0..2 * kinds.len() + 1 {
                match route.next(standing, random) {
                    None => prop_assert_eq!(best, 0),
                    Some(Choice::Unhealthy(at)) => prop_assert_eq!((best, kinds[at]), (1, 1)),
                    Some(Choice::Healthy(at)) => prop_assert_eq!((best, kinds[at]), (2, 2)),
                }
            }
        }

        #[test]
        fn an_upstream_that_changes_meanwhile_is_chosen_all_the_same(
            policy in policies(), count in 1_usize..=15, changes: u64, random: u64,
        ) {
            let looks = Cell::new(0);
            let standing = |_: usize| {
                looks.set(looks.get() + 1);
                healthy_if((changes >> (looks.get() % 64)) & 1 == 1)
            };
            let mut route = Route::new(policy, count, random, random);
            prop_assert!(route.next(standing, random).is_some());
        }

        #[test]
        fn without_health_each_gets_its_turn(count in 1_usize..=15, random: u64) {
            let mut route = Route::new(Policy::Random, count, random, 0);
            let mut seen = BTreeSet::new();
            for _ in 0..count {
                let Some(Choice::Unhealthy(upstream)) = route.next(|_| Standing::Unhealthy, random) else {
                    return Err(TestCaseError::fail("no choice"));
                };
                seen.insert(upstream);
            }
            prop_assert_eq!(seen.len(), count);
        }
    }

    #[test]
    fn orders_of_each_policy() {
        assert_eq!(Policy::Sequential.order(3, 5, 7), [0, 1, 2]);
        let turns: Vec<_> = (0..4).map(|turn| Policy::RoundRobin.order(3, 5, turn)).collect();
        assert_eq!(turns, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        let orders: BTreeSet<_> =
            (0..24).map(|random| Policy::Random.order(4, random, 0)).collect();
        assert_eq!(orders.len(), 24, "all orders of four");
        assert_eq!(Route::new(Policy::Random, 0, 1, 1).next(|_| Standing::Healthy, 1), None);
    }

    #[test]
    fn failover_leads_to_upstreams_not_asked() {
        let mut route = Route::new(Policy::Sequential, 3, 0, 0);
        assert_eq!(route.next(|_| Standing::Healthy, 0), Some(Choice::Healthy(0)));
        let without_1 = |upstream| upstream != 1;
        assert!(route.skip_asked(without_1));
        assert_eq!(route.next(|at| healthy_if(without_1(at)), 0), Some(Choice::Healthy(2)));
        assert!(!route.skip_asked(without_1), "1 is unhealthy, 0 and 2 have been asked");
    }
}
