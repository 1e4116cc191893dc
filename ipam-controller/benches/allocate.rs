//! What one more address, and one more block, costs as the cluster grows: it should not.

use std::collections::BTreeMap;
use std::hint::black_box;

use cluster::{Labels, Selector, Text};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portolan_ipam_controller::blocks::{Ledger, Owner, Pool, choose};
use portolan_ipam_controller::services::AddressRange;

/// One more ClusterIP of a range in which so many are taken, and its return.
fn addresses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one more ClusterIP");
    for (network, counts) in
        [("10.96.0.0/12", &[1_000u64, 10_000, 100_000, 1_000_000][..]), ("fd00::/64", &[100_000])]
    {
        for count in counts {
            let mut range =
                AddressRange::new(network.parse().expect("a network")).expect("a range");
            // All in one run, behind which the search has to get.
            for _ in 0..*count {
                let ip = range.pick(0).expect("room");
                range.take(ip);
            }
            group.bench_function(BenchmarkId::new(network, count), |bencher| {
                bencher.iter(|| {
                    let ip = range.pick(black_box(0)).expect("room");
                    range.take(ip);
                    range.free(ip);
                });
            });
        }
    }
    group.finish();
}

/// The blocks of one more node, of both families, and their return.
fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one more node");
    let pools: BTreeMap<Text, Pool> = [("four", "10.0.0.0/8", 24), ("six", "fd00::/32", 64)]
        .map(|(name, network, length)| {
            let network = network.parse().expect("a network");
            let pool = Pool::new(name, network, length, Selector::default()).expect("a pool");
            (Text::from(name), pool)
        })
        .into();
    for count in [100, 1_000, 10_000, 60_000] {
        let mut ledger = Ledger::default();
        let add = |ledger: &mut Ledger| {
            let choices = choose(&pools, ledger, &Labels::default()).expect("room");
            let owner = Owner::Node("a".into());
            choices.iter().for_each(|choice| ledger.hold(choice.block, owner.clone()));
            (choices, owner)
        };
        for _ in 0..count {
            add(&mut ledger);
        }
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let (choices, owner) = add(&mut ledger);
                choices.iter().for_each(|choice| ledger.release(choice.block, &owner));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, addresses, blocks);
criterion_main!(benches);
