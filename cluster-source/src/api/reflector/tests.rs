//! What is asked after what happened.

use proptest::prelude::*;

use super::*;

const STABLE: Duration = Duration::from_secs(1);

fn start() -> Reflector {
    Reflector::new(STABLE)
}

fn refused(code: u16) -> Input {
    Input::Refused(Refusal { code, retry_after: Duration::ZERO, message: String::new() })
}

fn over(end: End, lived_ms: u64) -> Input {
    Input::Over { end, lived: Duration::from_millis(lived_ms) }
}

fn bookmark(version: &str, ends_list: bool) -> Input {
    Input::Bookmark { resource_version: version.to_owned(), ends_list }
}

fn change(version: &str) -> Input {
    Input::Change { resource_version: version.to_owned() }
}

fn page(version: &str, more: Option<&str>) -> Input {
    Input::Page { resource_version: version.to_owned(), more: more.map(str::to_owned) }
}

fn watch(version: &str) -> Request {
    Request::Watch { resource_version: version.to_owned() }
}

/// Takes the inputs and returns the marks told to the model and the last step.
fn run(reflector: &mut Reflector, inputs: impl IntoIterator<Item = Input>) -> (Vec<Mark>, Step) {
    let mut last = Step::READ;
    let mut marks = Vec::new();
    for input in inputs {
        last = reflector.step(input);
        marks.extend(last.mark);
    }
    (marks, last)
}

fn following(version: &str) -> Reflector {
    let mut reflector = start();
    run(&mut reflector, [Input::Opened, bookmark(version, true)]);
    reflector
}

fn delay(step: &Step) -> Duration {
    let Then::Ask(delay) = step.then else { panic!("{step:?} reads on") };
    delay.duration(Duration::from_millis(100), Duration::from_secs(30), 0.0)
}

#[test]
fn a_streamed_list_ends_at_its_bookmark_and_goes_on_as_a_watch() {
    let mut reflector = start();
    assert_eq!(reflector.request(), Request::Stream);
    let (marks, step) = run(
        &mut reflector,
        [Input::Opened, change("3"), bookmark("4", false), change("9"), bookmark("10", true)],
    );
    assert_eq!(marks, [Mark::ListStart, Mark::ListEnd]);
    assert_eq!((step.health, step.then), (Health::Live, Then::Read));
    assert_eq!(reflector.request(), watch("10"), "the versions of initial events do not count");
    run(&mut reflector, [change("12"), bookmark("15", false)]);
    assert_eq!(reflector.request(), watch("15"));
}

#[test]
fn servers_without_streamed_lists_are_asked_for_pages_at_once() {
    for code in [400, 405, 422] {
        let mut reflector = start();
        let (_, step) = run(&mut reflector, [refused(code)]);
        assert_eq!((reflector.request(), delay(&step)), (Request::FirstPage, Duration::ZERO));
        let (marks, _) = run(&mut reflector, [Input::Opened, page("5", Some("t"))]);
        assert_eq!(marks, [Mark::ListStart]);
        assert_eq!(reflector.request(), Request::Page { token: "t".to_owned() });
        let (marks, step) = run(&mut reflector, [Input::Opened, page("5", None)]);
        assert_eq!((marks, delay(&step)), (vec![Mark::ListEnd], Duration::ZERO));
        assert_eq!(reflector.request(), watch("5"));
    }
}

#[test]
fn a_list_that_is_cut_sweeps_nothing() {
    for end in [End::Ended, End::Failed, End::Garbage, End::Idle] {
        let mut reflector = start();
        let (marks, _) = run(&mut reflector, [Input::Opened, change("1"), over(end, 5000)]);
        assert_eq!(marks, [Mark::ListStart], "{end:?}");
        assert!(matches!(reflector.request(), Request::Stream | Request::FirstPage));
        let (marks, _) = run(&mut reflector, [Input::Opened]);
        assert_eq!(marks, [Mark::ListStart], "the marks begin anew");
    }
}

#[test]
fn a_stream_that_never_ends_its_list_is_given_up_for_pages() {
    let mut reflector = start();
    run(&mut reflector, [Input::Opened, change("1"), over(End::Idle, 30_000)]);
    assert_eq!(reflector.request(), Request::FirstPage);
    let mut reflector = start();
    for _ in 0..MOST_CUT_STREAMS {
        assert_eq!(reflector.request(), Request::Stream);
        run(&mut reflector, [Input::Opened, over(End::Ended, 10)]);
    }
    assert_eq!(reflector.request(), Request::FirstPage);
}

#[test]
fn a_page_that_fails_is_asked_for_again_and_one_that_expires_begins_anew() {
    let mut reflector = start();
    run(&mut reflector, [refused(422), Input::Opened, page("5", Some("t"))]);
    run(&mut reflector, [over(End::Failed, 0), refused(500)]);
    assert_eq!(reflector.request(), Request::Page { token: "t".to_owned() });
    run(&mut reflector, [refused(410)]);
    assert_eq!(reflector.request(), Request::Whole);
    assert_eq!(run(&mut reflector, [Input::Opened]).0, [Mark::ListStart]);
}

#[test]
fn faults_of_a_watch() {
    // (what happens, what is asked next, after how many milliseconds, how the view stands)
    let cases = [
        (over(End::Ended, 300_000), watch("7"), 0, Health::Same),
        (over(End::Idle, 30_000), watch("7"), 0, Health::Same),
        (over(End::Failed, 5_000), watch("7"), 0, Health::Same),
        (over(End::Failed, 0), watch("7"), 0, Health::Lost),
        (over(End::Garbage, 10), watch("7"), 0, Health::Same),
        (refused(410), Request::Stream, 0, Health::Lost),
        (refused(400), Request::Stream, 0, Health::Lost),
        (refused(401), watch("7"), 0, Health::Lost),
        (refused(403), watch("7"), 0, Health::Lost),
        (refused(404), watch("7"), 0, Health::Lost),
        (refused(429), watch("7"), 0, Health::Lost),
        (refused(500), watch("7"), 0, Health::Lost),
        (refused(504), watch("7"), 0, Health::Lost),
    ];
    for (input, request, wait_ms, health) in cases {
        let mut reflector = following("7");
        let (marks, step) = run(&mut reflector, [input.clone()]);
        assert!(marks.is_empty(), "{input:?}");
        let found = (reflector.request(), delay(&step).as_millis(), step.health);
        assert_eq!(found, (request, wait_ms, health), "{input:?}");
    }
}

#[test]
fn failures_in_a_row_wait_longer_and_a_stable_watch_forgives_them() {
    let mut reflector = following("7");
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(delay(&reflector.step(over(End::Failed, 0))).as_millis());
    }
    assert_eq!(waits[..5], [0, 100, 200, 400, 800]);
    assert_eq!(waits[11], 30_000);
    run(&mut reflector, [Input::Opened]);
    let step = reflector.step(over(End::Ended, 1000));
    assert_eq!((delay(&step), step.health), (Duration::ZERO, Health::Same));
}

#[test]
fn a_watch_that_opens_and_ends_at_once_is_no_hot_loop() {
    let mut reflector = following("7");
    let waits: Vec<_> = (0..4)
        .map(|_| {
            run(&mut reflector, [Input::Opened]);
            delay(&reflector.step(over(End::Ended, 1))).as_millis()
        })
        .collect();
    assert_eq!(waits, [0, 100, 200, 400]);
    // One that brings changes each time is worth a quick retry.
    for version in 8..20 {
        run(&mut reflector, [Input::Opened, change(&version.to_string())]);
        assert!(delay(&reflector.step(over(End::Failed, 1))).as_millis() <= 200);
    }
}

#[test]
fn lists_that_lead_nowhere_are_no_hot_loop() {
    let mut reflector = start();
    let mut waited = Duration::ZERO;
    for _ in 0..10 {
        run(&mut reflector, [Input::Opened, bookmark("7", true)]);
        waited += delay(&reflector.step(refused(410)));
    }
    assert!(waited > Duration::from_secs(10), "{waited:?}");
}

#[test]
fn the_server_decides_how_long_to_wait() {
    let mut reflector = start();
    let refusal =
        Refusal { code: 429, retry_after: Duration::from_secs(7), message: String::new() };
    let step = reflector.step(Input::Refused(refusal));
    assert_eq!((delay(&step), reflector.request()), (Duration::from_secs(7), Request::Stream));
}

#[test]
fn garbage_that_stays_is_listed_around() {
    let mut reflector = following("7");
    for _ in 1..MOST_GARBAGE {
        run(&mut reflector, [Input::Opened, over(End::Garbage, 10)]);
        assert_eq!(reflector.request(), watch("7"));
    }
    run(&mut reflector, [Input::Opened, over(End::Garbage, 10)]);
    assert_eq!(reflector.request(), Request::Stream);
}

fn input() -> impl Strategy<Value = Input> {
    let ends = prop::sample::select(vec![End::Ended, End::Idle, End::Garbage, End::Failed]);
    let codes = prop::sample::select(vec![400, 401, 403, 404, 410, 422, 429, 500, 503]);
    prop_oneof![
        Just(Input::Opened),
        "[1-9]".prop_map(|version| change(&version)),
        ("[1-9]", any::<bool>()).prop_map(|(version, ends)| bookmark(&version, ends)),
        ("[1-9]", prop::option::of("[a-c]")).prop_map(|(v, more)| page(&v, more.as_deref())),
        codes.prop_map(refused),
        (ends, 0..2000u64).prop_map(|(end, lived)| over(end, lived)),
    ]
}

proptest! {
    #[test]
    fn lists_begin_before_they_end_and_never_end_twice(inputs in prop::collection::vec(input(), 0..60)) {
        let mut reflector = start();
        let mut is_listing = false;
        for input in inputs {
            // The edge reads pages only of lists, and streams only of the others.
            let reads_page = matches!(reflector.phase, Phase::Paging(_));
            if matches!(input, Input::Page { .. }) && !reads_page {
                continue;
            }
            match reflector.step(input).mark {
                Some(Mark::ListStart) => is_listing = true,
                Some(Mark::ListEnd) => prop_assert!(std::mem::take(&mut is_listing)),
                None => {}
            }
            let asks_list = !matches!(reflector.request(), Request::Watch { .. });
            prop_assert!(asks_list || !is_listing, "a watch begins only behind a whole list");
        }
    }
}

/// Time is what the delays sum up to.
#[test]
fn ten_minutes_without_a_server_change_nothing_and_end_with_one_list() {
    let mut reflector = following("7");
    let (mut waited, mut attempts) = (Duration::ZERO, 0);
    while waited < Duration::from_secs(600) {
        let step = reflector.step(over(End::Failed, 0));
        assert_eq!((step.mark, step.health), (None, Health::Lost), "after {waited:?}");
        assert_eq!(reflector.request(), watch("7"), "after {waited:?}");
        waited += delay(&step);
        attempts += 1;
    }
    assert!((20..40).contains(&attempts), "{attempts} attempts");
    // The history is lost meanwhile: the list comes at once, once.
    let (marks, step) = run(&mut reflector, [refused(410)]);
    assert_eq!((marks, delay(&step)), (Vec::new(), Duration::ZERO));
    assert_eq!(reflector.request(), Request::Stream);
    let (marks, step) = run(&mut reflector, [Input::Opened, change("8"), bookmark("9", true)]);
    assert_eq!((marks, step.health), (vec![Mark::ListStart, Mark::ListEnd], Health::Live));
    // The next failure is the first again.
    assert_eq!(delay(&reflector.step(over(End::Ended, 60_000))), Duration::ZERO);
}
