//! Samples of whole messages.

use super::testing::message;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn client(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

fn ask(samples: &Samples, name: &[u8], number: u8, now: Instant) {
    let name = AskedName::read(&message(&[name])).unwrap();
    samples.take(name, client(number), 1, now);
}

#[test]
fn what_is_asked_most_comes_first() {
    let (samples, start) = (Samples::new(Sampled::NamesAndClients), Instant::now());
    for number in 0..100_u8 {
        ask(&samples, b"Web", 1, start);
        ask(&samples, if number % 2 == 0 { b"db" } else { b"dc" }, number % 4, start + SECOND);
    }
    let top = samples.top(2, start + 10 * SECOND).unwrap();
    assert_eq!((top.span, top.queries), (10 * SECOND, 200));
    assert_eq!(top.names, [("web.".to_owned(), 100), ("db.".to_owned(), 50)]);
    assert_eq!(top.clients.unwrap(), [(client(1), 125), (client(0), 25)]);
}

#[test]
fn windows_follow_each_other_and_what_is_old_is_forgotten() {
    let (samples, start) = (Samples::new(Sampled::NamesAndClients), Instant::now());
    let names = |now: Instant| {
        let top = samples.top(10, now).unwrap();
        (top.span, top.names.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
    };
    ask(&samples, b"a", 1, start);
    ask(&samples, b"b", 1, start + WINDOW);
    assert_eq!(names(start + WINDOW), (WINDOW, vec!["a.".to_owned(), "b.".to_owned()]));
    ask(&samples, b"c", 1, start + 2 * WINDOW);
    assert_eq!(names(start + 2 * WINDOW), (WINDOW, vec!["b.".to_owned(), "c.".to_owned()]));
    assert_eq!(names(start + 9 * WINDOW), (Duration::ZERO, vec![]), "nothing was asked for long");
}

#[test]
fn what_is_not_to_be_looked_at_is_not() {
    let now = Instant::now();
    let samples = Samples::new(Sampled::Names);
    ask(&samples, b"a", 1, now);
    let top = samples.top(10, now).unwrap();
    assert_eq!((top.names.len(), top.clients), (1, None));
    let samples = Samples::new(Sampled::Nothing);
    samples.see(&message(&[b"a"]), client(1), now);
    assert_eq!(samples.top(10, now), None);
    assert_eq!(samples.windows().current.queries, 0);
}

#[test]
fn names_that_all_come_once_do_not_stand_out() {
    let (samples, now) = (Samples::new(Sampled::NamesAndClients), Instant::now());
    for number in 0..10_000_u32 {
        ask(&samples, number.to_string().as_bytes(), 9, now);
    }
    let top = samples.top(10, now).unwrap();
    assert_eq!((top.queries, top.names), (10_000, vec![]));
    assert_eq!(top.clients.unwrap(), [(client(9), 10_000)]);
}

#[test]
fn a_sample_waits_for_nobody_and_allocates_nothing() {
    let (samples, now) = (Samples::new(Sampled::NamesAndClients), Instant::now());
    let read = AskedName::read(&message(&[b"a"])).unwrap();
    let reader = samples.windows();
    // On the same thread a lock would wait for ever.
    samples.take(read, client(1), 1, now);
    drop(reader);
    assert_eq!(samples.top(10, now).unwrap().queries, 0);
    let messages: Vec<Vec<u8>> =
        (0..300_u32).map(|number| message(&[number.to_string().as_bytes()])).collect();
    let allocated = allocation_counter::measure(|| {
        for (number, message) in (0..).zip(&messages) {
            samples.see(message, client(1), now + number * SECOND);
        }
    });
    assert_eq!(allocated.count_total, 0);
    let top = samples.top(10, now + 300 * SECOND).unwrap();
    assert!(top.queries > 200, "{top:?}");
}
