//! The table against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Hashes that meet in leaves, in branches and altogether.
fn hash(key: u16) -> u32 {
    let few = u32::from(key);
    match key % 4 {
        0 => few.wrapping_mul(0x9E37_79B9),
        1 => few << 20,
        2 => few / 8,
        _ => 7,
    }
}

fn put(table: &mut Table<(u16, u32)>, key: u16, value: u32) {
    table.change(hash(key), |slots| {
        let slot = Slot::One(hash(key), Arc::new((key, value)));
        match place_of(slots, hash(key), |(other, _)| *other == key) {
            Ok(at) => slots[at] = slot,
            Err(at) => slots.insert(at, slot),
        }
    });
}

fn remove(table: &mut Table<(u16, u32)>, key: u16) {
    table.change(hash(key), |slots| {
        if let Ok(at) = place_of(slots, hash(key), |(other, _)| *other == key) {
            slots.remove(at);
        }
    });
}

fn check(table: &Table<(u16, u32)>, plain: &BTreeMap<u16, u32>) {
    let found = |key: u16| {
        let objects = table.get(hash(key), |(other, _)| *other == key);
        objects.first().map(|object| **object)
    };
    assert!(plain.iter().all(|(key, value)| found(*key) == Some((*key, *value))));
    assert_eq!(table.iter().count(), plain.len());
    for key in 0..600 {
        // Of the same hash, and there whenever the key is.
        let near = table.near(hash(key)).object();
        assert!(near.is_none_or(|(other, _)| hash(*other) == hash(key)));
        assert!(near.is_some() || !plain.contains_key(&key));
    }
}

proptest! {
    #[test]
    fn a_table_agrees_with_a_sorted_map(changes in prop::collection::vec((0..600_u16, any::<bool>()), 0..1500)) {
        let (mut table, mut plain) = (Table::default(), BTreeMap::new());
        let mut kept = None;
        for (at, (key, is_there)) in (0..).zip(&changes) {
            if *is_there {
                put(&mut table, *key, at);
                plain.insert(*key, at);
            } else {
                remove(&mut table, *key);
                plain.remove(key);
            }
            if at == 400 {
                kept = Some((table.clone(), plain.clone()));
            }
        }
        check(&table, &plain);
        prop_assert!(table.get(hash(601), |(key, _)| *key == 601).is_empty());
        if let Some((table, plain)) = kept {
            check(&table, &plain);
        }
        plain.keys().for_each(|key| remove(&mut table, *key));
        prop_assert_eq!(table.iter().count(), 0);
        prop_assert!(matches!(table.root, Node::Leaf(_)), "what is gone leaves no branches");
    }
}

#[test]
fn slots_are_small() {
    assert_eq!(size_of::<Slot<String>>(), 16);
    assert_eq!(size_of::<Node<String>>(), 16);
}
