//! Whatever happens to the API server, answers go on from the last snapshot, and changes come when it is
//! back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::{Duration, Instant};

use portolan_tests::server::Server;
use portolan_tests::soak;
use portolan_tests::stage::{Look, Stage, Watchman, metric, readiness, skip, until};
use serde_json::json;
use test_apiserver::{Cut, Extent, Flavour, Verb};

/// The kinds that are followed.
const KINDS: [&str; 3] = ["Namespace", "Service", "EndpointSlice"];

/// A server in the middle of its life, with a client that asks all the time.
struct Scene {
    server: Server,
    look: Look,
    watchman: Watchman,
    newcomers: u32,
    stage: Stage,
}

impl Scene {
    fn start(stage: Stage) -> Self {
        Self::with_access(stage, Flavour::Token)
    }

    fn with_access(stage: Stage, flavour: Flavour) -> Self {
        stage.service("steady", json!({}));
        stage.service("doomed", json!({}));
        stage.headless("moving");
        stage.endpoint("moving", "10.8.0.1");
        let server = Server::start(&Stage::corefile(&stage.access(flavour), "", None));
        let look = Look::at(&server);
        let names = [(&*stage.name("steady"), "A"), (&*stage.name("moving"), "A")];
        let watchman = Watchman::start(&server, &names);
        stage.wait(stage.faults().wait_for_open_watches(KINDS.len()));
        Self { server, look, watchman, newcomers: 0, stage }
    }

    /// Creates a Service and returns its name and the answer that is to come.
    fn newcomer(&mut self) -> (String, String) {
        self.newcomers += 1;
        let service = format!("newcomer-{}", self.newcomers);
        let address = self.stage.service(&service, json!({}));
        (self.stage.name(&service), format!("NOERROR A {address}"))
    }

    /// Makes a change of each kind and waits for the answers.
    fn changes_come(&mut self) {
        let (name, answer) = self.newcomer();
        let address = format!("10.8.1.{}", self.newcomers);
        self.stage.endpoint("moving", &address);
        self.look.until_a(&name, &answer);
        self.look.until_a(&self.stage.name("moving"), &format!("NOERROR A {address}"));
    }

    fn metric(&mut self, name: &str, label: &str) -> f64 {
        metric(&mut self.server, name, label)
    }

    fn age(&mut self) -> f64 {
        self.metric("portolan_snapshot_age_seconds", "")
    }

    fn until_current(&mut self) {
        let live = |scene: &mut Self| scene.metric("portolan_source_live", "");
        until("every kind live", || live(self), |count| *count == 3.0);
    }

    /// Every kind has been listed so many times in sum.
    fn assert_lists(&mut self, count: u32) {
        let lists = self.metric("portolan_source_lists", "");
        assert!((lists - f64::from(count)).abs() < f64::EPSILON, "{lists} lists");
    }

    fn end(self) {
        self.watchman.saw_no_gap();
    }
}

#[test]
fn watches_are_cut_and_resumed_where_they_were() {
    let mut scene = Scene::start(Stage::new());
    for cut in [Cut::Clean, Cut::Reset, Cut::Clean, Cut::Reset] {
        scene.stage.wait(scene.stage.faults().wait_for_open_watches(KINDS.len()));
        assert_eq!(scene.stage.faults().cut_watches(cut), KINDS.len());
        scene.changes_come();
    }
    scene.until_current();
    scene.assert_lists(3);
    assert!(scene.metric("portolan_source_watch_restarts", "") >= 12.0);
    scene.end();
}

#[test]
fn an_expired_watch_is_listed_again() {
    let Some(stage) = Stage::in_process("no real cluster forgets its history on demand") else {
        return;
    };
    let mut scene = Scene::start(stage);
    scene.stage.refuse_connections(true);
    scene.stage.delete("Service", "doomed");
    let (name, answer) = scene.newcomer();
    scene.stage.server().compact();
    scene.stage.refuse_connections(false);
    scene.look.until_a(&name, &answer);
    scene.look.until_a(&scene.stage.name("doomed"), "NXDOMAIN");
    scene.until_current();
    assert!(scene.metric("portolan_source_lists", "kind=\"Service\"") >= 2.0);
    scene.changes_come();
    scene.end();
}

#[test]
fn errors_leave_the_last_snapshot() {
    let mut scene = Scene::start(Stage::new());
    scene.stage.faults().answer_500(Extent::UntilOff);
    scene.stage.faults().cut_watches(Cut::Reset);
    scene.server.wait_for_line("HTTP 500");
    scene.stage.delete("Service", "doomed");
    let (name, answer) = scene.newcomer();
    let first = scene.age();
    until("more age", || scene.age(), |age| *age > first);
    let doomed = scene.stage.name("doomed");
    assert!(scene.look.a(&doomed).starts_with("NOERROR A "));
    // What the snapshot does not have does not exist, as far as anybody knows.
    assert_eq!(scene.look.a(&name), "NXDOMAIN");
    assert_eq!(readiness(&mut scene.server), (200, "OK".to_owned()));
    scene.stage.faults().clear();
    scene.look.until_a(&name, &answer);
    scene.look.until_a(&doomed, "NXDOMAIN");
    scene.until_current();
    scene.assert_lists(3);
    scene.end();
}

#[test]
fn a_server_that_is_busy_is_left_in_peace() {
    let mut scene = Scene::start(Stage::new());
    let wait = Duration::from_secs(2);
    scene.stage.faults().limit_to("services");
    scene.stage.faults().answer_429(Extent::Next(1), wait);
    let start = Instant::now();
    assert_eq!(scene.stage.faults().cut_watches(Cut::Clean), 1);
    let (name, answer) = scene.newcomer();
    scene.look.until_a(&name, &answer);
    assert!(start.elapsed() >= wait, "asked again after {:?}", start.elapsed());
    let answers = scene.stage.requests().of(Verb::Watch, "services");
    let answers: Vec<u16> = answers.iter().map(|entry| entry.status).collect();
    assert_eq!(answers[answers.len() - 2..], [429, 200], "{answers:?}");
    scene.end();
}

/// The watch is refused for good, the list breaks off again and again: nothing is swept meanwhile, and
/// what the whole list does not have goes in the end.
#[test]
fn half_a_list_takes_nothing_away() {
    let mut scene = Scene::start(Stage::new());
    let (faults, requests) = (scene.stage.faults().clone(), scene.stage.requests().clone());
    faults.limit_to("services");
    // One for the watch, one for the streamed list: then come pages.
    faults.answer(422, Extent::Next(2));
    faults.half_list(Extent::UntilOff);
    faults.cut_watches(Cut::Reset);
    scene.stage.wait(requests.wait_for(Verb::List, "services", 1));
    scene.stage.delete("Service", "doomed");
    let (name, answer) = scene.newcomer();
    let lists = requests.count(Verb::List, "services");
    scene.stage.wait(requests.wait_for(Verb::List, "services", lists + 2));
    let doomed = scene.stage.name("doomed");
    assert!(scene.look.a(&doomed).starts_with("NOERROR A "));
    assert_eq!(scene.look.a(&name), "NXDOMAIN");
    faults.clear();
    scene.look.until_a(&name, &answer);
    scene.look.until_a(&doomed, "NXDOMAIN");
    scene.until_current();
    scene.changes_come();
    scene.end();
}

#[test]
fn half_a_streamed_list_takes_nothing_away() {
    let mut scene = Scene::start(Stage::new());
    let (faults, requests) = (scene.stage.faults().clone(), scene.stage.requests().clone());
    let streams = || {
        let watches = requests.of(Verb::Watch, "services");
        watches.iter().filter(|entry| entry.query.contains("sendInitialEvents")).count()
    };
    assert_eq!(streams(), 1);
    faults.limit_to("services");
    faults.half_event();
    // The watch cannot go on, so the list is streamed again, and cut in its first object.
    faults.answer(422, Extent::Next(1));
    faults.cut_watches(Cut::Reset);
    until("a second streamed list after the first", streams, |count| *count >= 3);
    scene.changes_come();
    scene.until_current();
    scene.assert_lists(4);
    scene.end();
}

#[test]
fn broken_events_are_asked_for_again() {
    let mut scene = Scene::start(Stage::new());
    for round in 0..6 {
        let faults = scene.stage.faults();
        faults.clear();
        faults.limit_to(if round < 4 { "services" } else { "endpointslices" });
        if round % 2 == 0 {
            faults.garbage_event();
        } else {
            faults.half_event();
        }
        scene.changes_come();
    }
    scene.until_current();
    scene.assert_lists(3);
    scene.end();
}

#[test]
fn the_api_server_goes_away_and_comes_back() {
    let mut scene = Scene::start(Stage::new());
    scene.stage.refuse_connections(true);
    scene.stage.delete("Service", "doomed");
    let (name, answer) = scene.newcomer();
    scene.server.wait_for_line("API server not followed");
    let first = scene.age();
    until("a second more", || scene.age(), |age| *age > first + 1.0);
    let doomed = scene.stage.name("doomed");
    assert!(scene.look.a(&doomed).starts_with("NOERROR A "));
    assert_eq!(scene.look.a(&name), "NXDOMAIN");
    assert_eq!(readiness(&mut scene.server), (200, "OK".to_owned()));
    scene.stage.refuse_connections(false);
    scene.look.until_a(&name, &answer);
    scene.look.until_a(&doomed, "NXDOMAIN");
    scene.until_current();
    scene.assert_lists(3);
    scene.changes_come();
    scene.end();
}

fn token_rotation(flavour: Flavour) {
    let mut scene = Scene::with_access(Stage::new(), flavour);
    for _ in 0..2 {
        scene.stage.wait(scene.stage.faults().wait_for_open_watches(KINDS.len()));
        scene.stage.cluster.front().rotate_token().unwrap();
        scene.stage.faults().cut_watches(Cut::Reset);
        scene.changes_come();
        scene.until_current();
    }
    scene.assert_lists(3);
    scene.end();
}

#[test]
fn a_token_in_a_file_is_rotated() {
    token_rotation(Flavour::TokenFile);
}

#[test]
fn a_token_from_a_plugin_is_rotated() {
    token_rotation(Flavour::Exec);
}

/// Watches that are open and dead: nothing comes, and nothing says so.
#[test]
fn silent_watches_are_opened_again() {
    if soak::soak().is_none() {
        skip(
            "watches are given up after 30 s of silence; `make soak` waits for that, and \
             cluster-source shows it with a short limit (a_silent_watch_is_opened_again_where_it_was)",
        );
        return;
    }
    let mut scene = Scene::start(Stage::new());
    assert_eq!(scene.stage.faults().stall_watches(true), KINDS.len());
    scene.changes_come();
    scene.assert_lists(3);
    scene.end();
}
