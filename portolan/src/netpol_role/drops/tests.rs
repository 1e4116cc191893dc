use cluster::ObjectKey;
use netpol::{Direction, Family};

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn what_a_chain_counted_before_is_not_counted_again() {
    let (chain, mut last) = (name("egress4_1"), BTreeMap::new());
    let mut read = |packets| {
        let counts = [Counts::default(), Counts { packets, octets: 0 }];
        since(&mut last, &chain, &counts)
    };
    assert_eq!([read(7), read(9), read(9)], [7, 2, 0]);
    assert_eq!(read(4), 4, "it was made anew");
}

fn profile(policies: &[&str]) -> Profile {
    Profile {
        direction: Direction::Egress,
        family: Family::V4,
        mode: Mode::Enforce,
        policies: policies.iter().map(|policy| ObjectKey::new("x", *policy)).collect(),
    }
}

/// Returns the policies that have a counter.
fn counted(drops: &Drops) -> Vec<String> {
    let kernel = drops.kernel.lock().unwrap();
    let has_counter = |labels: &&PolicyLabels| {
        let labels = labels.each_ref().map(String::as_str);
        // There was one, if it can be removed.
        drops.by_policy.remove_label_values(&labels).is_ok()
    };
    let policies = kernel.policies.keys().filter(has_counter);
    let counted = policies.map(|[_, policy, ..]| policy.clone()).collect();
    kernel.policies.keys().for_each(|labels| drops.counter(labels).inc_by(0));
    counted
}

#[test]
fn a_policy_has_a_counter_as_long_as_a_profile_has_it() {
    let drops = Drops::open(name("nowhere"), &Registry::new()).unwrap();
    let [one, two, three] = ["one", "two", "three"].map(name);
    let mut profiles = Profiles::from([(one.clone(), profile(&["a", "b"]))]);
    drops.before([one.clone()].into());
    drops.behind(&profiles);
    assert_eq!(counted(&drops), ["a", "b"]);

    // The kernel refuses what would be between.
    drops.before([two.clone()].into());
    profiles.insert(three.clone(), profile(&["b", "c"]));
    profiles.remove(&one);
    drops.before([one, two, three].into());
    drops.behind(&profiles);
    assert_eq!(counted(&drops), ["b", "c"]);
    assert_eq!(*drops.profiles.read().unwrap(), profiles);
    drops.behind(&Profiles::new());
    assert_eq!(counted(&drops), ["b", "c"], "nothing was said to change");
}
