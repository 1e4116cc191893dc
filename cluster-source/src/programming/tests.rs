use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use cluster::{Kind, Service, ServiceType, Store};

use super::*;

/// Remembers what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(ServiceKind, Duration)>>);

impl Observer for Notes {
    fn programmed(&self, service: ServiceKind, took: Duration) {
        self.0.lock().unwrap().push((service, took));
    }

    fn admitted(&self, _: &str, _: Duration) {}

    fn answered(&self, _: &str, _: Option<u16>) {}

    fn requested(&self, _: &str, _: Duration) {}
}

fn service(name: &str, address: ServiceAddress) -> Event {
    Event::Upsert(Object::Service(Arc::new(Service {
        key: ObjectKey::new("default", name),
        labels: cluster::Labels::default(),
        service_type: ServiceType::ClusterIp,
        address,
        ports: Arc::default(),
        external_ips: Box::default(),
        load_balancer: Box::default(),
    })))
}

fn slice_of(service: Option<&str>) -> Event {
    Event::Upsert(Object::EndpointSlice(Arc::new(EndpointSlice {
        key: ObjectKey::new("default", "slice"),
        service_name: service.map(Into::into),
        import: None,
        labels: cluster::Labels::default(),
        endpoints: Box::default(),
        ports: Arc::default(),
    })))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Returns what is told at second 100 of a change of a slice in a cluster with three Services.
fn told(event: Event, triggered: Option<SystemTime>) -> Vec<(ServiceKind, Duration)> {
    let mut store = Store::new();
    store.apply(service("headless", ServiceAddress::Headless), 0);
    let ip = ServiceAddress::ClusterIps(["10.96.0.9".parse().unwrap()].into());
    store.apply(service("web", ip), 0);
    store.apply(service("alias", ServiceAddress::ExternalName("a.test".into())), 0);
    let (mut programming, notes) = (Programming::default(), Notes::default());
    Change { event, triggered }.trigger().into_iter().for_each(|it| programming.add(it));
    programming.published(store.cluster(), at(100), &notes);
    programming.published(store.cluster(), at(200), &notes);
    notes.0.into_inner().unwrap()
}

#[test]
fn a_change_of_a_known_service_is_told_once() {
    let seconds = Duration::from_secs;
    assert_eq!(
        told(slice_of(Some("headless")), Some(at(97))),
        [(ServiceKind::HeadlessWithSelector, seconds(3))]
    );
    assert_eq!(told(slice_of(Some("web")), Some(at(40))), [(ServiceKind::ClusterIp, seconds(60))]);
}

#[test]
fn a_clock_that_is_ahead_gives_zero() {
    let told = told(slice_of(Some("headless")), Some(at(101)));
    assert_eq!(told, [(ServiceKind::HeadlessWithSelector, Duration::ZERO)]);
}

#[test]
fn nothing_is_told_of_what_no_answer_shows() {
    let gone = Event::Delete(Kind::EndpointSlice, ObjectKey::new("default", "slice"));
    for (event, triggered) in [
        (slice_of(Some("headless")), None),
        (slice_of(Some("nobody")), Some(at(97))),
        (slice_of(Some("alias")), Some(at(97))),
        (slice_of(None), Some(at(97))),
        (gone, Some(at(97))),
    ] {
        assert_eq!(told(event.clone(), triggered), [], "{event:?}");
    }
}

#[test]
fn a_flood_is_bounded() {
    let (mut programming, notes) = (Programming::default(), Notes::default());
    let change = Change { event: slice_of(Some("headless")), triggered: Some(at(1)) };
    for _ in 0..=MOST_WAITING {
        programming.add(change.trigger().unwrap());
    }
    let mut store = Store::new();
    store.apply(service("headless", ServiceAddress::Headless), 0);
    programming.published(store.cluster(), at(2), &notes);
    assert_eq!(notes.0.into_inner().unwrap().len(), MOST_WAITING);
}
