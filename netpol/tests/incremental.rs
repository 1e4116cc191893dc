//! The ruleset that follows the cluster is the one that is compiled of the whole cluster, whatever was edited, and its
//! transactions are those between the whole rulesets.

mod random;

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Cluster, Event, Kind, KindSet, Object, ObjectKey, Store};
use nft::Transaction;
use portolan_netpol::{Compiler, Options, compile};
use proptest::collection::vec;
use proptest::prelude::*;

/// Snapshots, each some edits after the one before.
fn snapshots(objects: Vec<Object>, rounds: Vec<Vec<Event>>) -> Vec<Arc<Cluster>> {
    let mut store = Store::new();
    let mut snapshots = vec![store.snapshot()];
    for object in objects {
        store.apply(Event::Upsert(object), 0);
    }
    snapshots.push(store.snapshot());
    for round in rounds {
        for event in round {
            store.apply(event, 0);
        }
        snapshots.push(store.snapshot());
    }
    snapshots
}

/// Follows snapshots on both nodes, and compares with what is compiled of each.
fn assert_equal(snapshots: &[Arc<Cluster>], options: &Options) -> Result<(), TestCaseError> {
    for node in random::NODES {
        let mut compiler = Compiler::new(&snapshots[0], node, options);
        let mut profiles = BTreeMap::new();
        for cluster in &snapshots[1..] {
            let before = compiler.compiled().ruleset.clone();
            let transaction = compiler.update(cluster);
            let whole = compile(cluster, node, options);
            prop_assert_eq!(compiler.compiled(), &whole);
            for chain in compiler.take_changed_profiles() {
                match whole.profiles.get(&chain) {
                    Some(profile) => profiles.insert(chain, profile.clone()),
                    None => profiles.remove(&chain),
                };
            }
            prop_assert_eq!(&profiles, &whole.profiles);
            prop_assert_eq!(transaction, Transaction::between(Some(&before), &whole.ruleset));
        }
        let last = &snapshots[snapshots.len() - 1];
        let anew = Compiler::new(last, node, options);
        prop_assert_eq!(anew.compiled(), compiler.compiled());
    }
    Ok(())
}

proptest! {
    /// The property that allows to follow a cluster instead of compiling it. `PROPTEST_CASES=10000` is the full run.
    #[test]
    fn after_every_edit_the_ruleset_is_the_compiled_one(
        objects in random::objects(),
        rounds in vec(vec(random::edit(), 1..4), 1..24),
        options in random::options(),
    ) {
        assert_equal(&snapshots(objects, rounds), &options)?;
    }

    /// Snapshots that share nothing, as of a source that began anew.
    #[test]
    fn any_cluster_may_follow_any_other(
        clusters in vec(random::objects(), 1..5),
        options in random::options(),
    ) {
        let clusters: Vec<_> = clusters.into_iter().map(random::cluster).collect();
        assert_equal(&clusters, &options)?;
    }
}

/// A list that is read anew takes away what is not in it.
#[test]
fn a_new_list_that_is_empty_takes_everything_away() {
    let objects = random::samples(random::objects(), 20);
    for objects in objects {
        let kinds = KindSet::of(&[Kind::Pod, Kind::NetworkPolicy, Kind::Namespace]);
        let end = kinds.iter().flat_map(|kind| [Event::ListStart(kind), Event::ListEnd(kind)]);
        let snapshots = snapshots(objects, vec![end.collect()]);
        assert_equal(&snapshots, &Options::default()).unwrap();
    }
}

/// The same pod twice, deleted twice, and one that never was.
#[test]
fn what_changes_nothing_is_an_empty_transaction() {
    let objects = random::samples(random::objects(), 1).remove(0);
    let mut store = Store::new();
    for object in &objects {
        store.apply(Event::Upsert(object.clone()), 0);
    }
    let mut compiler = Compiler::new(&store.snapshot(), "n1", &Options::default());
    store.apply(Event::Delete(Kind::Pod, ObjectKey::new("nowhere", "never")), 0);
    assert!(compiler.update(&store.snapshot()).is_empty());
    let pods = objects.iter().filter(|object| object.kind() == Kind::Pod);
    for pod in pods {
        store.apply(Event::Delete(Kind::Pod, pod.key()), 0);
        store.apply(Event::Upsert(pod.clone()), 0);
    }
    // Of two objects of one name, the later one is there; a pod that comes back as it was is no change.
    let whole = compile(&store.snapshot(), "n1", &Options::default());
    compiler.update(&store.snapshot());
    assert_eq!(compiler.compiled(), &whole);
    assert!(compiler.update(&store.snapshot()).is_empty());
}
