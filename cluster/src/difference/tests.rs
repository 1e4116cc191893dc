use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Event, Kind, Labels, Object, ObjectKey, Phase, Store};

fn pod(name: &str, label: &str) -> Object {
    Object::Pod(Arc::new(Pod {
        key: ObjectKey::new("x", name),
        labels: [("app", label)].into_iter().collect(),
        node_name: None,
        ips: [].into(),
        phase: Phase::Running,
        host_network: false,
        terminating: false,
        started: 0,
        ports: [].into(),
    }))
}

fn label_of(pod: Option<&Arc<Pod>>) -> Option<String> {
    pod.map(|pod| pod.labels.get("app").unwrap_or_default().to_owned())
}

/// The pods' labels before and after, by name.
fn labels(difference: &Difference<'_>) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let name =
        |changed: &Changed<'_, Pod>| changed.old.or(changed.new).map(|it| it.key.name.to_string());
    let both = |changed: &Changed<'_, Pod>| (label_of(changed.old), label_of(changed.new));
    difference.pods.iter().map(|changed| (name(changed).unwrap(), both(changed))).collect()
}

#[test]
fn what_was_put_changed_and_taken_is_found_and_nothing_else() {
    let mut store = Store::new();
    for number in 0..500 {
        store.apply(Event::Upsert(pod(&format!("p{number}"), "web")), 0);
    }
    let before = store.snapshot();
    store.apply(Event::Upsert(pod("p7", "db")), 0);
    store.apply(Event::Upsert(pod("p8", "web")), 0);
    store.apply(Event::Upsert(pod("new", "web")), 0);
    store.apply(Event::Delete(Kind::Pod, ObjectKey::new("x", "p9")), 0);
    let namespace = Namespace { name: "x".into(), labels: Labels::default(), audit: false };
    store.apply(Event::Upsert(Object::Namespace(Arc::new(namespace))), 0);
    let after = store.snapshot();
    let difference = after.since(&before);
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        ("new".to_owned(), (None, text("web"))),
        ("p7".to_owned(), (text("web"), text("db"))),
        ("p9".to_owned(), (text("web"), None)),
    ];
    assert_eq!(labels(&difference), expected.into());
    assert_eq!(difference.namespaces.len(), 1);
    assert!(difference.policies.is_empty());
    let nothing = after.since(&after);
    assert!(nothing.pods.is_empty() && nothing.namespaces.is_empty());
}

#[test]
fn of_a_change_only_the_leaf_is_looked_at() {
    let mut store = Store::new();
    for number in 0..5_000 {
        store.apply(Event::Upsert(pod(&format!("p{number}"), "web")), 0);
    }
    let before = store.snapshot();
    store.apply(Event::Upsert(pod("p7", "db")), 0);
    let (now, then) = store.cluster().pods.unshared_count(&before.pods);
    assert!(now == then && now <= 64, "{now} of 5,000");
}

proptest! {
    /// Whatever lies between two snapshots: what they differ in is what their objects differ in, also when they are of
    /// different stores.
    #[test]
    fn a_difference_is_what_the_objects_differ_in(
        edits in prop::collection::vec((0..200u8, 0..4u8), 0..400),
        kept in 0..400usize,
        is_of_other_store: bool,
    ) {
        let mut store = Store::new();
        let mut before = store.snapshot();
        for (at, (name, label)) in edits.iter().enumerate() {
            let name = format!("p{name}");
            store.apply(match label {
                0 => Event::Delete(Kind::Pod, ObjectKey::new("x", name)),
                label => Event::Upsert(pod(&name, &label.to_string())),
            }, 0);
            if at == kept {
                before = store.snapshot();
            }
        }
        if is_of_other_store {
            let mut other = Store::new();
            for object in before.objects() {
                other.apply(Event::Upsert(object), 0);
            }
            before = other.snapshot();
        }
        let after = store.snapshot();
        let all = |cluster: &Cluster| -> BTreeMap<String, String> {
            cluster.pods().map(|pod| (pod.key.name.to_string(), label_of(Some(pod)).unwrap())).collect()
        };
        let (old, new) = (all(&before), all(&after));
        let mut found = labels(&after.since(&before));
        for (name, (was, is)) in &found {
            prop_assert_eq!((was.as_ref(), is.as_ref()), (old.get(name), new.get(name)));
        }
        found.retain(|_, (was, is)| was != is);
        let names = old.keys().chain(new.keys());
        let differing: std::collections::BTreeSet<&String> = names.filter(|name| old.get(*name) != new.get(*name)).collect();
        prop_assert_eq!(found.keys().collect::<std::collections::BTreeSet<_>>(), differing);
    }
}
