use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use cluster::{Part, Stamps};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::*;
use crate::Count;
use crate::plugin::testing::{query, record};
use crate::{Query, Reply, wire};

const KEY: Key = Key { listener: ListenerId(0), protocol: Protocol::Udp, is_ipv6: false, class: 0 };

#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl Count for Counted {
    fn count(&self, again: Again<'_>) {
        self.0.fetch_add(again.sizes.len(), Ordering::Relaxed);
    }
}

/// A question of this number, and its reply with these addresses.
fn exchange(number: u16, addresses: u8) -> (Vec<u8>, Vec<u8>) {
    let name = format!("web-{number}.shop.svc.cluster.local.");
    let address = |last| record(&name, &format!("10.0.0.{last}"));
    let reply = Reply { answers: (1..=addresses).map(address).collect(), ..Reply::default() };
    let encoded = wire::encode(&query(&name, RecordType::A), &reply).message;
    let question = wire::encode(&query(&name, RecordType::A), &Reply::default()).message;
    (question, encoded)
}

fn lesson(lasting: Lasting, reply: &[u8]) -> Lesson {
    Lesson { lasting, layout: Layout::of(reply, true).unwrap(), counts: Box::default() }
}

fn for_a_minute() -> Lasting {
    Lasting::Until(Instant::now() + Duration::from_secs(60))
}

fn ask(table: &Table, key: Key, question: &[u8]) -> Option<Vec<u8>> {
    let mut reply = vec![1, 2, 3];
    let repeated = table.repeat(key, question, Instant::now(), &mut reply);
    (repeated == Repeated::Reply).then_some(reply)
}

#[test]
fn the_same_question_gets_the_same_reply_with_its_own_id() {
    let table = Table::default();
    let (mut question, reply) = exchange(1, 1);
    let mut buffer = Vec::new();
    assert_eq!(table.repeat(KEY, &question, Instant::now(), &mut buffer), Repeated::New);
    assert_eq!(table.repeat(KEY, &question, Instant::now(), &mut buffer), Repeated::Again);
    let counted = Arc::new(Counted::default());
    let counts: Box<[Arc<dyn Count>]> = Box::new([Arc::clone(&counted) as _]);
    let taught = Lesson { counts, ..lesson(for_a_minute(), &reply) };
    table.learn(KEY, &question, &reply, table.age(), taught);
    question[..2].copy_from_slice(&[0xab, 0xcd]);
    let repeated = ask(&table, KEY, &question).unwrap();
    assert_eq!(repeated[..2], [0xab, 0xcd]);
    assert_eq!(repeated[2..], reply[2..]);
    assert_eq!(counted.0.load(Ordering::Relaxed), 1);
}

#[test]
fn whatever_differs_is_another_question() {
    let table = Table::default();
    let (question, reply) = exchange(1, 1);
    table.learn(KEY, &question, &reply, table.age(), lesson(for_a_minute(), &reply));
    for at in 2..question.len() {
        let mut other = question.clone();
        other[at] ^= 0x20;
        assert_eq!(ask(&table, KEY, &other), None, "octet {at}");
    }
    let others = [
        Key { listener: ListenerId(1), ..KEY },
        Key { protocol: Protocol::Tcp, ..KEY },
        Key { is_ipv6: true, ..KEY },
        Key { class: 1, ..KEY },
    ];
    for key in others {
        assert_eq!(ask(&table, key, &question), None, "{key:?}");
    }
    assert!(ask(&table, KEY, &question).is_some());
    assert_eq!(ask(&table, KEY, &[1]), None);
}

#[test]
fn a_reply_ends_with_what_it_lasts_for() {
    let stamps = Arc::new(Stamps::default());
    let mut store = cluster::Store::with_stamps(Arc::clone(&stamps));
    let grounds = stamps.note([Part::namespace("shop"), Part::service("shop", "web")]);
    let table = Table::default();
    let (question, reply) = exchange(1, 1);
    table.learn(KEY, &question, &reply, table.age(), lesson(Lasting::While(grounds), &reply));
    assert!(ask(&table, KEY, &question).is_some());
    let namespace = cluster::Namespace {
        name: "shop".into(),
        labels: cluster::Labels::default(),
        audit: false,
    };
    let object = cluster::Object::Namespace(Arc::new(namespace));
    store.apply(cluster::Event::Upsert(object), 1);
    assert!(ask(&table, KEY, &question).is_some(), "nothing is published yet");
    store.count_stamps();
    assert_eq!(ask(&table, KEY, &question), None);

    let now = Lasting::Until(Instant::now());
    table.learn(KEY, &question, &reply, table.age(), lesson(now, &reply));
    assert_eq!(ask(&table, KEY, &question), None);
}

/// Addresses of both families are of different lengths, so that TTLs move with them.
#[test]
fn ttls_count_down_wherever_records_stand() {
    let name = "web.shop.svc.cluster.local.";
    let answers = vec![record(name, "10.0.0.1"), record(name, "fd00::1"), record(name, "10.0.0.2")];
    let reply = Reply { answers, ..Reply::default() };
    let encoded = |query: &Query, reply: &Reply| wire::encode(query, reply).message;
    let query = query(name, RecordType::ANY);
    let (question, reply) = (encoded(&query, &Reply::default()), encoded(&query, &reply));
    let (table, start) = (Table::default(), Instant::now());
    let lasting = Lasting::CountingDown(start + Duration::from_millis(4_500));
    table.learn(KEY, &question, &reply, table.age(), lesson(lasting, &reply));
    let at = |milliseconds| {
        let mut reply = Vec::new();
        let now = start + Duration::from_millis(milliseconds);
        let repeated = table.repeat(KEY, &question, now, &mut reply);
        (repeated == Repeated::Reply).then(|| Message::from_vec(&reply).unwrap())
    };
    for (milliseconds, ttl) in [(0, 5), (499, 5), (500, 4), (2_000, 3), (4_499, 1)] {
        for _ in 0..8 {
            let reply = at(milliseconds).unwrap();
            assert_eq!(reply.answers.len(), 3);
            assert!(reply.answers.iter().all(|record| record.ttl == ttl), "{reply}");
        }
    }
    assert_eq!(at(4_500), None);
}

#[test]
fn everything_can_be_forgotten() {
    let table = Table::default();
    let (question, reply) = exchange(1, 1);
    let before = table.age();
    table.learn(KEY, &question, &reply, before, lesson(for_a_minute(), &reply));
    table.forget();
    assert_eq!(ask(&table, KEY, &question), None);
    table.learn(KEY, &question, &reply, before, lesson(for_a_minute(), &reply));
    assert_eq!(ask(&table, KEY, &question), None, "it was made before");
}

#[test]
fn addresses_come_in_every_order() {
    let table = Table::default();
    let (question, reply) = exchange(1, 3);
    table.learn(KEY, &question, &reply, table.age(), lesson(for_a_minute(), &reply));
    let orders: BTreeSet<Vec<u8>> =
        (0..200).map(|_| ask(&table, KEY, &question).unwrap()[2..].to_vec()).collect();
    assert_eq!(orders.len(), 6);
    for order in &orders {
        let (mut sorted, mut expected) = (order.clone(), reply[2..].to_vec());
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "the records are the same");
    }
}

#[test]
fn the_table_is_bounded() {
    let table = Table::default();
    for number in 0..u16::MAX {
        let (question, reply) = exchange(number, 1);
        table.learn(KEY, &question, &reply, table.age(), lesson(for_a_minute(), &reply));
    }
    let kept = |shard: &Mutex<Shard>| shard.lock().unwrap().places.iter().flatten().count();
    let kept: usize = table.shards.iter().map(kept).sum();
    assert!(kept > SHARDS * SETS && kept <= SHARDS * SETS * WAYS, "{kept}");
    let (question, _) = exchange(0, 1);
    let long = vec![0; MOST_OCTETS];
    let taught =
        Lesson { lasting: for_a_minute(), layout: Layout::default(), counts: Box::default() };
    table.learn(KEY, &question, &long, table.age(), taught);
    assert_ne!(ask(&table, KEY, &question), Some(long), "it is too long");
}
