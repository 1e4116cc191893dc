//! What one change costs as the cluster grows: 1,000, 10,000 and 100,000 Services with two endpoints
//! each. `make bench-model` prints the ratios.

mod objects;

use std::hint::black_box;
use std::time::Instant;

use objects::{filled, service, slice};
use portolan_cluster::{Event, Object};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
const CHANGES: u32 = 20_000;

/// Times changes spread over the whole cluster while a reader holds the snapshot before each, so that
/// nothing can be changed in place: nanoseconds for one change and its snapshot. The median of a few runs.
fn change_and_snapshot(size: u32, make: fn(u32, u32) -> Object) -> f64 {
    let mut store = filled(size);
    let mut version = 0;
    let mut runs: Vec<f64> = (0..5)
        .map(|_| {
            // Every change is one: the version rises each time, so that no event repeats what is known.
            let mut change = |n: u32| {
                version = (version + 1) % 251;
                Event::Upsert(make(n.wrapping_mul(2_654_435_761) % size, version))
            };
            let events: Vec<Event> = (0..CHANGES).map(&mut change).collect();
            let (mut previous, mut changed) = (store.snapshot(), 0);
            let start = Instant::now();
            for event in events {
                previous = store.snapshot();
                changed += u32::from(store.apply(event, 0));
            }
            let elapsed = start.elapsed();
            black_box(previous);
            elapsed.as_nanos() as f64 / f64::from(changed)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn main() {
    println!("one change and its snapshot, by the number of Services in the cluster");
    println!("{:<16} {:>10} {:>12} {:>16}", "object", "services", "ns/change", "× of 1,000");
    for (name, make) in [("Service", service as fn(u32, u32) -> Object), ("EndpointSlice", slice)] {
        let costs = SIZES.map(|size| change_and_snapshot(size, make));
        for (size, cost) in SIZES.iter().zip(costs) {
            println!("{name:<16} {size:>10} {cost:>12.0} {:>16.2}", cost / costs[0]);
        }
    }
}
