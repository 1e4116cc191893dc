//! Random calls against host-local's algorithm in its plainest form: a list of all addresses, walked from the last one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::range::RangeText;
use crate::table::layout::RangeState;
use crate::table::memory::Memory;
use crate::verify::verify;

const REST: u64 = 7;

/// What the plain algorithm knows of an address that is not free.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Taken {
    Held(u8),
    Released(u64),
}

/// host-local's algorithm with a quarantine, for one range set.
struct Plain {
    /// All addresses that may be given out, in order, each with the number of its range.
    all: Vec<(usize, u128)>,
    last: Option<(usize, u128)>,
    taken: BTreeMap<u128, Taken>,
}

impl Plain {
    fn new(set: &RangeSet) -> Self {
        let addresses = |(at, range): (usize, &Range)| -> Vec<(usize, u128)> {
            let inside = range.segments().iter().flat_map(|segment| segment.first..=segment.last);
            inside.map(|number| (at, number)).collect()
        };
        let all = set.ranges().iter().enumerate().flat_map(addresses).collect();
        Self { all, last: None, taken: BTreeMap::new() }
    }

    /// Two of each range whose time is over are free, as with every ADD.
    fn expire(&mut self, set: &RangeSet, now: u64) {
        for range in set.ranges() {
            let mut over: Vec<(u64, u128)> = (self.taken.iter())
                .filter(|(number, _)| range.span().contains(**number))
                .filter_map(|(number, taken)| match taken {
                    Taken::Released(at) if at + REST <= now => Some((*at, *number)),
                    _ => None,
                })
                .collect();
            over.sort_unstable();
            for (_, number) in over.iter().take(2) {
                self.taken.remove(number);
            }
        }
    }

    fn add(
        &mut self,
        container: u8,
        asked: Option<u128>,
        quarantine: Quarantine,
        now: u64,
    ) -> Option<u128> {
        if let Some((number, _)) =
            self.taken.iter().find(|(_, taken)| **taken == Taken::Held(container))
        {
            return (asked.is_none_or(|asked| asked == *number)).then_some(*number);
        }
        let number = match asked {
            Some(asked) => {
                let is_offered = self.all.iter().any(|(_, number)| *number == asked);
                let is_held = matches!(self.taken.get(&asked), Some(Taken::Held(_)));
                (is_offered && !is_held).then_some(asked)
            }
            None => self.next().or_else(|| self.oldest(quarantine, now)),
        }?;
        self.taken.insert(number, Taken::Held(container));
        self.last = self.all.iter().copied().find(|(_, other)| *other == number);
        Some(number)
    }

    fn next(&self) -> Option<u128> {
        let start = self.all.iter().position(|address| Some(*address) > self.last).unwrap_or(0);
        let around = self.all[start..].iter().chain(&self.all[..start]);
        around.map(|(_, number)| *number).find(|number| !self.taken.contains_key(number))
    }

    fn oldest(&self, quarantine: Quarantine, now: u64) -> Option<u128> {
        let released = self.taken.iter().filter_map(|(number, taken)| match taken {
            Taken::Released(at) => Some((*at, *number)),
            Taken::Held(_) => None,
        });
        let offered =
            released.filter(|(_, released)| self.all.iter().any(|(_, number)| number == released));
        let (at, number) = offered.min()?;
        (quarantine == Quarantine::Yield || at + REST <= now).then_some(number)
    }

    fn del(&mut self, container: u8, now: u64) {
        for taken in self.taken.values_mut().filter(|taken| **taken == Taken::Held(container)) {
            *taken = Taken::Released(now);
        }
    }
}

fn set() -> RangeSet {
    let range = |subnet: &str, exclude: &[u128]| {
        let subnet: ipnet::IpNet = subnet.parse().unwrap();
        let base = number(subnet.addr());
        let exclusions =
            exclude.iter().map(|at| Span { first: base + at, last: base + at }).collect();
        let (start, end, gateway) = (None, None, None);
        Range::new(RangeText { subnet, start, end, gateway, exclusions }).unwrap()
    };
    RangeSet::new(vec![
        range("10.0.0.0/28", &[14, 7, 8]),
        range("10.0.1.0/30", &[]),
        range("10.0.9.0/29", &[2]),
    ])
    .unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Add { container: u8, asked: Option<u8>, quarantine: Quarantine },
    Del { container: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120)
}

fn step() -> impl Strategy<Value = Step> {
    let quarantine = prop_oneof![Just(Quarantine::Respect), Just(Quarantine::Yield)];
    let asked = prop_oneof![6 => Just(None), 1 => (0..18_u8).prop_map(Some)];
    prop_oneof![
        3 => (0..24_u8, asked, quarantine)
            .prop_map(|(container, asked, quarantine)| Step::Add { container, asked, quarantine }),
        2 => (0..24_u8).prop_map(|container| Step::Del { container }),
    ]
}

proptest! {
    #[test]
    fn addresses_are_chosen_as_by_host_local(steps in steps()) {
        let pool = Pool { name: String::new(), namespaces: Vec::new(), sets: vec![set()], routes: Vec::new() };
        let states = spans(std::slice::from_ref(&pool)).into_iter().map(|(family, span)| RangeState::new(family, span));
        let mut memory = Memory::new(64, states.collect());
        let mut plain = Plain::new(&pool.sets[0]);
        for (step, now) in steps.iter().zip(1_u64..) {
            match step {
                Step::Add { container, asked, quarantine } => {
                    let asked = asked.map(|at| number("10.0.0.0".parse().unwrap()) + u128::from(at));
                    plain.expire(&pool.sets[0], now);
                    let expected = plain.add(*container, asked, *quarantine, now);
                    prop_assert_eq!(add(&mut memory, &pool, *container, asked, *quarantine, now), expected, "{:?}", step);
                }
                Step::Del { container } => {
                    plain.del(*container, now);
                    del(&mut memory, *container, now);
                }
            }
        }
        prop_assert_eq!(verify(&memory.header(), &memory.index, &memory.used()), Vec::<String>::new());
    }
}

/// Pools that overlap, of one store: the second is inside of the first, the third reaches out of both.
fn overlapping() -> Vec<Pool> {
    let pool = |(start, end): (&str, &str)| {
        let (subnet, gateway) = ("10.0.0.0/24".parse().unwrap(), None);
        let (start, end) = (start.parse().ok(), end.parse().ok());
        let range = Range::new(RangeText { subnet, start, end, gateway, exclusions: Vec::new() });
        let sets = vec![RangeSet::new(vec![range.unwrap()]).unwrap()];
        Pool { name: String::new(), namespaces: Vec::new(), sets, routes: Vec::new() }
    };
    [("10.0.0.8", "10.0.0.15"), ("10.0.0.9", "10.0.0.11"), ("10.0.0.10", "10.0.0.18")]
        .map(pool)
        .to_vec()
}

proptest! {
    /// Whichever range an address was released in, each that has it gives it out again.
    #[test]
    fn overlapping_pools_give_out_whatever_is_not_held(
        order in Just(overlapping()).prop_shuffle(),
        steps in prop::collection::vec((step(), 0..3_usize), 1..120),
    ) {
        let states = spans(&order).into_iter().map(|(family, span)| RangeState::new(family, span));
        let mut memory = Memory::new(64, states.collect());
        let mut taken: BTreeMap<u128, Taken> = BTreeMap::new();
        for ((step, pool), now) in steps.iter().zip(1_u64..) {
            let set = &order[*pool].sets[0];
            match step {
                // A container is of one pool: in another one it would be given a second address.
                Step::Add { container, quarantine, .. } => {
                    let container = container + 40 * u8::try_from(*pool).unwrap();
                    let is_there = |number: &u128| match taken.get(number) {
                        None => true,
                        Some(Taken::Held(holder)) => *holder == container,
                        Some(Taken::Released(at)) => *quarantine == Quarantine::Yield || at + REST <= now,
                    };
                    let offered = set.ranges()[0].span();
                    let can = (offered.first..=offered.last).any(|number| is_there(&number));
                    let given = add(&mut memory, &order[*pool], container, None, *quarantine, now);
                    prop_assert_eq!(given.is_some(), can, "{:?} of {:?}", step, offered);
                    if let Some(given) = given {
                        prop_assert!(offered.contains(given) && is_there(&given), "{} {:?}", given, step);
                        taken.insert(given, Taken::Held(container));
                    }
                }
                Step::Del { container } => {
                    let container = container + 40 * u8::try_from(*pool).unwrap();
                    del(&mut memory, container, now);
                    for it in taken.values_mut().filter(|it| **it == Taken::Held(container)) {
                        *it = Taken::Released(now);
                    }
                }
            }
            prop_assert_eq!(verify(&memory.header(), &memory.index, &memory.used()), Vec::<String>::new());
        }
    }
}

fn attachment(container: u8) -> Attachment {
    Attachment::parse(&format!("c{container}"), "eth0").unwrap()
}

fn add(
    memory: &mut Memory,
    pool: &Pool,
    container: u8,
    asked: Option<u128>,
    quarantine: Quarantine,
    now: u64,
) -> Option<u128> {
    let attachment = attachment(container);
    let requested: Vec<IpAddr> =
        asked.map(|number| Family::V4.address(number)).into_iter().collect();
    let (pod, netns, now) = (Pod::default(), Netns::default(), Millis(now));
    let mut given = None;
    memory.change(|table| {
        for (family, span) in spans(std::slice::from_ref(pool)) {
            let range = table.header().range_at(family, span).unwrap();
            table.expire(range, now).unwrap();
        }
        let (attachment, pod) = (&attachment, &pod);
        let wanted = Wanted {
            attachment,
            pod,
            pool,
            requested: &requested,
            is_sticky: false,
            quarantine,
            now,
        };
        let Ok(plan) = allocate(table, &wanted) else { return };
        let holder = Holder { attachment, netns: &netns, pod, now, boot: Boot(1) };
        carry_out(table, &plan, &holder).unwrap();
        given = Some(number(plan.choices[0].address));
    });
    given
}

fn del(memory: &mut Memory, container: u8, now: u64) {
    memory.change(|table| {
        for found in table.held_by(&attachment(container)).unwrap() {
            table.release(&found, Millis(now), Millis(now + REST)).unwrap();
        }
    });
}
