//! `kubernetes::answer` for 1,000, 10,000 and 100,000 Services, by the kind of question. `make bench-pure` prints them.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{names, snapshot, zone};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hickory_proto::rr::{LowerName, Name, RecordType};
use portolan_dns::kubernetes::{Question, Status, answer};

/// The kinds of question: a name, how it is asked for, and the type.
const KINDS: [(&str, &str, RecordType); 5] = [
    ("A", "", RecordType::A),
    ("AAAA", "", RecordType::AAAA),
    ("SRV", "_http._tcp.", RecordType::SRV),
    ("NODATA", "", RecordType::MX),
    ("NXDOMAIN", "not-", RecordType::A),
];

fn answers(criterion: &mut Criterion) {
    let zone = zone();
    let apex = zone.zones[0].clone();
    for services in [1_000, 10_000, 100_000] {
        let cluster = snapshot(services);
        let mut group = criterion.benchmark_group(format!("answer/{services}"));
        for (kind, prefix, qtype) in KINDS {
            let questions: Vec<(Name, LowerName)> = names(services)
                .map(|host| Name::from_ascii(format!("{prefix}{host}")).expect("a name"))
                .map(|name| (name.clone(), LowerName::from(name)))
                .collect();
            let (name, lower) = &questions[0];
            let first = answer(&cluster, &zone, &apex, Question { name, lower, qtype }).status;
            let expected = if kind == "NXDOMAIN" { Status::NameError } else { Status::Exists };
            assert_eq!(first, expected, "{kind} of {name}");
            let mut next = questions.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(kind), |bencher| {
                bencher.iter(|| {
                    let (name, lower) = next.next().expect("a cycle has no end");
                    let question = Question { name, lower, qtype };
                    black_box(answer(&cluster, &zone, &apex, question))
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50);
    targets = answers
}
criterion_main!(benches);
