//! The API server of a large cluster is gone for a while, in which its history is lost: answers go on, and when it is
//! back one list makes up for everything, without much more memory.
//!
//! `make soak` makes the while ten minutes. What only the clock does in that time is shown with injected time in
//! `cluster-source`: `ten_minutes_without_a_server_change_nothing_and_end_with_one_list`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::{Duration, Instant};

use portolan_tests::memory;
use portolan_tests::server::Server;
use portolan_tests::soak;
use portolan_tests::stage::{Look, Stage, Watchman, metric, readiness, show, until};
use serde_json::json;
use test_apiserver::Flavour;

/// How many Services the cluster has; every fourth has endpoints.
const SERVICES: usize = 20_000;

/// Every so many Services one is asked for.
const SAMPLE: usize = 97;

fn outage() -> Duration {
    soak::duration(Duration::from_secs(5), Duration::from_mins(10))
}

fn name(number: usize) -> String {
    format!("s{number}.big.svc.cluster.local.")
}

fn service(number: usize, port: u16) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("s{number}"), "namespace": "big"},
        "spec": {"ports": [{"name": "http", "port": port, "protocol": "TCP"}]},
    })
}

fn fill(stage: &Stage) {
    for number in 0..SERVICES {
        stage.server().put(service(number, 80)).unwrap();
        if number % 4 == 0 {
            let (high, low) = (number / 250, number % 250);
            let slice = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": format!("s{number}-a"), "namespace": "big",
                             "labels": {"kubernetes.io/service-name": format!("s{number}")}},
                "endpoints": [{"addresses": [format!("10.9.{high}.{low}")]}],
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            });
            stage.server().put(slice).unwrap();
        }
    }
}

fn answers(look: &mut Look) -> Vec<String> {
    (1..SERVICES).step_by(SAMPLE).map(|number| look.a(&name(number))).collect()
}

#[test]
fn a_long_outage_of_the_api_server_costs_one_list_and_little_memory() {
    let Some(stage) = Stage::in_process("no real cluster forgets its history on demand") else {
        return;
    };
    fill(&stage);
    let access = stage.access(Flavour::Token);
    let mut server = Server::start(&Stage::corefile(&access, "startup_timeout 60s", None));
    let mut look = Look::at(&server);
    let watchman = Watchman::start(&server, &[(&*name(4), "A"), (&*name(19_999), "SRV")]);
    let lists = |server: &mut Server| metric(server, "portolan_source_lists_total", "\"Service\"");
    assert_eq!(lists(&mut server), 1.0);
    let (before, first) = (memory::resident(&server), answers(&mut look));
    assert!(first.iter().all(|answer| answer.starts_with("NOERROR A 10.")), "{first:?}");
    memory::forget_the_peak(&server);

    stage.refuse_connections(true);
    stage.server().delete("Service", "big", "s0").unwrap();
    for number in SERVICES..SERVICES + 100 {
        stage.server().put(service(number, 80)).unwrap();
    }
    stage.server().compact();
    let mut age = 0.0;
    while age < outage().as_secs_f64() {
        assert_eq!(answers(&mut look), first);
        assert!(look.a(&name(0)).starts_with("NOERROR A "), "nobody knows better");
        assert_eq!(readiness(&mut server), (200, "OK".to_owned()));
        let older = metric(&mut server, "portolan_snapshot_age_seconds", "");
        assert!(older >= age, "{older} after {age}");
        age = older;
    }
    assert_eq!(lists(&mut server), 1.0);

    stage.refuse_connections(false);
    let back = Instant::now();
    // What is gone is swept at the end of the list.
    look.until_a(&name(0), "NXDOMAIN");
    let listed = back.elapsed();
    for number in SERVICES..SERVICES + 100 {
        assert!(look.a(&name(number)).starts_with("NOERROR A "), "{number}");
    }
    assert_eq!(answers(&mut look), first);
    let live = || metric(&mut server, "portolan_source_live", "");
    until("every kind followed", live, |kinds| *kinds == 3.0);
    // In a quiet cluster the sign of life of a kind is at most as old as a silent watch.
    assert!(metric(&mut server, "portolan_snapshot_age_seconds", "") < 31.0);
    assert_eq!(lists(&mut server), 2.0);
    let peak = memory::peak(&server);
    show(&format!("{before} KiB before, at most {peak} KiB, listed {listed:?} after the return"));
    assert!(peak * 2 <= before * 3, "{peak} KiB at most, {before} KiB before");
    watchman.saw_no_gap();
}
