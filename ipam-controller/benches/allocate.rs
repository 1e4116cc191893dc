//! What one more address, and one more block, costs as the cluster grows: it should not.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use cluster::{Labels, ObjectKey, Selector, Text};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portolan_ipam_controller::blocks::{Ledger, Owner, Pool, choose};
use portolan_ipam_controller::services::{
    AddressRange, AddressState, RangeState, ServiceAction, ServiceController, ServiceInput,
    ServiceSettings, ServiceState, Wish, Written,
};

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

/// One more Service of a cluster that has so many, from its creation to its end: claimed, assigned, gone, released.
fn services(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one more Service");
    for count in [1_000, 10_000, 100_000] {
        let mut controller = adopted(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| whole_life(&mut controller));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("restart with so many Services");
    group.sample_size(10);
    for count in [10_000, 100_000] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| adopted(black_box(count)));
        });
    }
    group.finish();
}

/// Returns a controller that has taken so many Services over, of which none lacks anything.
fn adopted(count: u32) -> ServiceController {
    let networks = vec!["10.96.0.0/12".parse().expect("a network")];
    let range = RangeState {
        name: "kubernetes".into(),
        uid: "r".into(),
        resource_version: "1".to_owned(),
        networks: networks.clone(),
        deleted_at: None,
        has_finalizer: true,
        ready: Some(true),
    };
    let settings = ServiceSettings { networks, node_ports: 30_000..=32_767 };
    let mut controller = ServiceController::new(settings);
    controller.apply(ServiceInput::Range(range));
    for number in 0..count {
        let ip = IpAddr::V4((u32::from(Ipv4Addr::new(10, 96, 1, 1)) + number).into());
        let key = ObjectKey::new("n", format!("s{number}"));
        controller.apply(ServiceInput::Address(address(ip, &key)));
        controller.apply(ServiceInput::Service(service(&key, Written::Addresses(vec![ip]))));
    }
    controller.apply(ServiceInput::Synced);
    assert!(controller.actions(0, 1).is_empty(), "everything is taken over as it is");
    controller
}

fn address(ip: IpAddr, key: &ObjectKey) -> AddressState {
    AddressState {
        ip,
        uid: "a".into(),
        resource_version: "1".to_owned(),
        created: 0,
        parent: Some(key.clone()),
        is_managed: true,
        is_labelled: true,
    }
}

fn service(key: &ObjectKey, cluster_ips: Written) -> ServiceState {
    ServiceState {
        key: key.clone(),
        uid: "s".into(),
        resource_version: "1".to_owned(),
        wish: Wish { cluster_ips, ..Wish::default() },
        is_deleting: false,
    }
}

fn whole_life(controller: &mut ServiceController) {
    let key = ObjectKey::new("n", "one-more");
    controller.apply(ServiceInput::Service(service(&key, Written::Nothing)));
    let mut writes = 0;
    while let Some(action) = controller.actions(0, 1).pop() {
        writes += 1;
        let subject = action.subject();
        match action {
            ServiceAction::Claim { ip, .. } => {
                controller.apply(ServiceInput::Address(address(ip, &key)));
            }
            ServiceAction::Assign { given, .. } => {
                let written = Written::Addresses(given.addresses);
                controller.apply(ServiceInput::Service(service(&key, written)));
                controller.apply(ServiceInput::NoService(key.clone(), "s".into()));
            }
            ServiceAction::Release { address, .. } => {
                controller.apply(ServiceInput::NoAddress(address.ip));
            }
            other => unreachable!("{other:?}"),
        }
        controller.done(&subject);
    }
    assert_eq!(writes, 3);
}

criterion_group!(benches, addresses, blocks, services);
criterion_main!(benches);
