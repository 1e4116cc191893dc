//! What finding something costs as the cluster grows: 1,000, 10,000 and 100,000 Services, asked for in an order that
//! no cache of the processor foresees.

mod objects;

use std::net::IpAddr;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use objects::filled;
use portolan_cluster::{
    Cluster, Event, KeyRef, Labels, MOST_TOGETHER, Namespace, Object, ServiceKey,
};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// What is asked for in one go; nanoseconds of a bench are those of so many.
const QUESTIONS: u32 = 1_000;

/// One thing to be found, or not.
struct Question {
    namespace: String,
    name: String,
    cluster_ip: IpAddr,
}

impl Question {
    fn hit(n: u32, cluster: &Cluster) -> Self {
        let (namespace, name) = (format!("namespace-{}", n % 100), format!("service-{n}"));
        let service = cluster.service(&namespace, &name).expect("it was put in");
        let cluster_ip = service.cluster_ips()[0];
        Self { namespace, name, cluster_ip }
    }

    fn miss(n: u32) -> Self {
        let [_, b, c, d] = n.to_be_bytes();
        let (namespace, name) = (format!("namespace-{n}x"), format!("service-{n}x"));
        Self { namespace, name, cluster_ip: IpAddr::from([192, b, c, d]) }
    }
}

/// Says how many are found.
type Lookup = fn(&Cluster, &[Question]) -> usize;

const LOOKUPS: [(&str, Lookup); 6] = [
    ("namespace", |cluster, questions| {
        one_by_one(questions, |q| cluster.namespace(&q.namespace).is_some())
    }),
    ("service", |cluster, questions| {
        one_by_one(questions, |q| cluster.service(&q.namespace, &q.name).is_some())
    }),
    ("slices_of", |cluster, questions| {
        one_by_one(questions, |q| !cluster.slices_of(&q.namespace, &q.name).is_empty())
    }),
    ("services_by_cluster_ip", |cluster, questions| {
        one_by_one(questions, |q| !cluster.services_by_cluster_ip(q.cluster_ip).is_empty())
    }),
    ("find_services by name", |cluster, questions| {
        together(cluster, questions, |q| {
            ServiceKey::Name(KeyRef { namespace: &q.namespace, name: &q.name })
        })
    }),
    ("find_services by address", |cluster, questions| {
        together(cluster, questions, |q| ServiceKey::ClusterIp(q.cluster_ip))
    }),
];

fn one_by_one(questions: &[Question], is_found: impl Fn(&Question) -> bool) -> usize {
    questions.iter().filter(|question| is_found(question)).count()
}

fn together(
    cluster: &Cluster,
    questions: &[Question],
    key: for<'q> fn(&'q Question) -> ServiceKey<'q>,
) -> usize {
    let some = questions.chunks(MOST_TOGETHER);
    let found = some.flat_map(|some| cluster.find_services(some.iter().map(|q| Some(key(q)))));
    found.flatten().count()
}

fn cluster_of(size: u32) -> std::sync::Arc<Cluster> {
    let mut store = filled(size);
    for n in 0..100 {
        let namespace = Namespace {
            name: format!("namespace-{n}").into(),
            labels: Labels::default(),
            audit: false,
        };
        store.apply(Event::Upsert(Object::Namespace(namespace.into())), 0);
    }
    store.snapshot()
}

fn lookups(criterion: &mut Criterion) {
    for size in SIZES {
        let cluster = cluster_of(size);
        let mut round = 0;
        // Other objects each time, so that what is measured is the table and not what is left of it in a cache.
        let mut numbers = || {
            round += 1;
            (0..QUESTIONS).map(move |n| (n + round * QUESTIONS).wrapping_mul(2_654_435_761) % size)
        };
        let groups = [("hit", true), ("miss", false)].map(|(outcome, is_hit)| {
            let questions: Vec<Vec<Question>> = (0..200)
                .map(|_| {
                    numbers()
                        .map(
                            |n| if is_hit { Question::hit(n, &cluster) } else { Question::miss(n) },
                        )
                        .collect()
                })
                .collect();
            (outcome, questions)
        });
        for (name, lookup) in LOOKUPS {
            let mut group = criterion.benchmark_group(name);
            for (outcome, questions) in &groups {
                let mut rounds = questions.iter().cycle();
                group.bench_function(BenchmarkId::new(*outcome, size), |bench| {
                    bench.iter_batched(
                        || rounds.next().expect("a cycle of some rounds does not end"),
                        |round| lookup(&cluster, round),
                        BatchSize::SmallInput,
                    );
                });
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = lookups
}
criterion_main!(benches);
