//! Random operations on a table and on a plain map, which have to agree; after each the index has to say what the slots
//! say, and so does one that is made anew.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::{build, with_cursors};
use super::layout::RangeState;
use super::memory::Memory;
use super::*;
use crate::lease::{Boot, Netns, Origin};
use crate::verify::verify;

const CAPACITY: u32 = 40;

fn lease(address: u128, family: Family, container: u8, now: u64) -> Lease {
    Lease {
        address: family.address(address),
        state: State::Held,
        attachment: Attachment::parse(&format!("c{container}"), "eth0").unwrap(),
        netns: Netns::default(),
        pod: Pod::new("alpha", &format!("p{}", container % 3), ""),
        since: Millis(now),
        boot: Boot(1),
        origin: Origin::Granted,
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// The next free address of a range to a container.
    Add { range: usize, container: u8 },
    /// All addresses of a container are released.
    Release { container: u8 },
    /// A released address is held again.
    Hold { at: usize, container: u8 },
    /// What has expired of a range is free again.
    Expire { range: usize },
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => (0..RANGES, any::<u8>()).prop_map(|(range, container)| Operation::Add { range, container: container % 12 }),
        3 => any::<u8>().prop_map(|container| Operation::Release { container: container % 12 }),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, container)| Operation::Hold { at, container: container % 12 }),
        1 => (0..RANGES).prop_map(|range| Operation::Expire { range }),
    ];
    prop::collection::vec(operation, 1..40)
}

fn ranges() -> Vec<RangeState> {
    vec![
        RangeState::new(Family::V4, Span { first: 0x0a00_0002, last: 0x0a00_0009 }),
        // A map that does not begin or end with an octet, across two chunks.
        RangeState::new(Family::V4, Span { first: 0x0a01_0000, last: 0x0a01_0000 + CHUNKS }),
        RangeState::new(Family::V6, Span { first: 1 << 100, last: (1 << 100) + (1 << 64) }),
        // One that overlaps the first, and one that is inside of both.
        RangeState::new(Family::V4, Span { first: 0x0a00_0006, last: 0x0a00_000c }),
        RangeState::new(Family::V4, Span { first: 0x0a00_0007, last: 0x0a00_0008 }),
    ]
}

const CHUNKS: u128 = 40_000;
const RANGES: usize = 5;

proptest! {
    #[test]
    fn a_table_agrees_with_a_plain_map(operations in operations()) {
        let mut memory = Memory::new(CAPACITY, ranges());
        let mut model: BTreeMap<IpAddr, Lease> = BTreeMap::new();
        for (operation, now) in operations.into_iter().zip(0_u64..) {
            apply(&mut memory, &mut model, &operation, now);
            let slots = memory.used();
            prop_assert_eq!(verify(&memory.header(), &memory.index, &slots), Vec::<String>::new(), "{:?}", operation);
            let mut stored: BTreeMap<IpAddr, Lease> = BTreeMap::new();
            for slot in &slots {
                if let Slot::Lease(lease) = slot {
                    stored.insert(lease.address, lease.as_ref().clone());
                }
            }
            prop_assert_eq!(&stored, &model);
            agrees_on_questions(&memory, &model)?;
        }
        let slots = memory.used();
        let template = Header::new(Boot(1), CAPACITY, with_cursors(ranges(), &slots));
        let (header, index) = build(template, &slots);
        prop_assert_eq!(verify(&header, &index, &slots), Vec::<String>::new());
    }
}

fn apply(
    memory: &mut Memory,
    model: &mut BTreeMap<IpAddr, Lease>,
    operation: &Operation,
    now: u64,
) {
    match operation {
        Operation::Add { range, container } => {
            let state = memory.header().ranges[*range].clone();
            memory.change(|table| {
                let free = table.first_free(*range, state.span.first, state.span.last).unwrap();
                let expected = (state.span.first..=state.span.last)
                    .find(|number| !model.contains_key(&state.family.address(*number)));
                assert_eq!(free, expected);
                let Some(free) = free.filter(|_| table.has_room_for(1).unwrap()) else { return };
                let lease = lease(free, state.family, *container, now);
                table.insert(lease.clone()).unwrap();
                table.advance(*range, free);
                model.insert(lease.address, lease);
            });
        }
        Operation::Release { container } => memory.change(|table| {
            let attachment = Attachment::parse(&format!("c{container}"), "eth0").unwrap();
            for found in table.held_by(&attachment).unwrap() {
                table.release(&found, Millis(now), Millis(now + 10)).unwrap();
                let state = State::Released { at: Millis(now), until: Millis(now + 10) };
                model.get_mut(&found.lease.address).unwrap().state = state;
            }
        }),
        Operation::Hold { at, container } => memory.change(|table| {
            let released: Vec<IpAddr> = model
                .values()
                .filter(|lease| !lease.is_held())
                .map(|lease| lease.address)
                .collect();
            let Some(address) = released.get(at % released.len().max(1)) else { return };
            let found = table.at(*address).unwrap().unwrap();
            let new = lease(number(*address), Family::of(*address), *container, now);
            table.hold(found.slot, new.clone()).unwrap();
            model.insert(*address, new);
        }),
        Operation::Expire { range } => memory.change(|table| {
            let state = table.header().ranges[*range].clone();
            table.expire(*range, Millis(now)).unwrap();
            // Queues of ranges that overlap this one may have addresses of others.
            let mut over: Vec<(Millis, IpAddr)> = (model.values())
                .filter_map(|lease| match lease.state {
                    State::Released { at, until } if until <= Millis(now) => {
                        Some((at, lease.address))
                    }
                    _ => None,
                })
                .collect();
            over.sort_unstable();
            let is_inside = |address: IpAddr| {
                Family::of(address) == state.family && state.span.contains(number(address))
            };
            let freed = |address: IpAddr| table.at(address).unwrap().is_none();
            let is_due = over.iter().any(|(_, address)| is_inside(*address));
            assert!(!is_due || over.iter().any(|(_, address)| freed(*address)));
            // Which of those that were released at one time goes first is not defined.
            for (_, address) in over {
                if freed(address) {
                    model.remove(&address);
                }
            }
        }),
    }
}

fn agrees_on_questions(
    memory: &Memory,
    model: &BTreeMap<IpAddr, Lease>,
) -> Result<(), TestCaseError> {
    let table = Table::new(memory, memory.header());
    for lease in model.values() {
        let found = table.at(lease.address).unwrap();
        prop_assert_eq!(found.map(|found| found.lease), Some(lease.clone()));
        let is_listed = |found: Vec<Found>| found.iter().any(|found| found.lease == *lease);
        prop_assert_eq!(is_listed(table.held_by(&lease.attachment).unwrap()), lease.is_held());
        prop_assert_eq!(
            is_listed(table.released_by(&lease.pod, &lease.attachment).unwrap()),
            !lease.is_held()
        );
    }
    for (range, state) in memory.header().ranges.iter().enumerate() {
        let is_inside =
            |address| Family::of(address) == state.family && state.span.contains(number(address));
        let released =
            model.values().filter(|lease| is_inside(lease.address)).filter_map(|lease| match lease
                .state
            {
                State::Released { at, .. } => Some(at),
                State::Held => None,
            });
        let oldest = table.oldest_released(range, is_inside).unwrap();
        let oldest = oldest.map(|found| match found.lease.state {
            State::Released { at, .. } => at,
            State::Held => Millis(u64::MAX),
        });
        prop_assert_eq!(usize::try_from(state.released).unwrap(), released.clone().count());
        prop_assert_eq!(oldest, released.min());
    }
    Ok(())
}

#[test]
fn a_full_map_of_two_chunks_has_no_free_address() {
    let slots: Vec<Slot> = (0..=CHUNKS)
        .filter(|offset| *offset != 39_999)
        .map(|offset| Slot::Lease(Box::new(lease(0x0a01_0000 + offset, Family::V4, 0, 0))))
        .collect();
    let capacity = u32::try_from(slots.len()).unwrap();
    let (header, index) = build(Header::new(Boot(1), capacity, ranges()), &slots);
    let memory = Memory { index, slots: Vec::new() };
    let table = Table::new(&memory, header);
    let (first, last) = (0x0a01_0000, 0x0a01_0000 + CHUNKS);
    assert_eq!(table.first_free(1, first, last).unwrap(), Some(first + 39_999));
    assert_eq!(table.first_free(1, first + 39_999, last).unwrap(), Some(first + 39_999));
    assert_eq!(table.first_free(1, first + 40_000, last).unwrap(), None);
    assert_eq!(table.first_free(1, first, first + 39_998).unwrap(), None);
    assert!(!table.has_room_for(1).unwrap());
}
