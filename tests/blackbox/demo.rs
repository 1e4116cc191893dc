//! `make demo`: what it prints is what is answered, and an edited file changes the answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portolan_tests::namespace::{inside, run};
use portolan_tests::server::{Server, binary, write};

/// The last line of what the demo prints.
const END: &str = "the answer changes within a second";

/// A line worth trying, and what it should print.
#[derive(Debug)]
struct Printed {
    command: String,
    answer: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Starts a copy of the demo, so that files can be edited.
fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    for file in fs::read_dir(root().join("deploy/demo")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    let mut command = Command::new(directory.path().join("run"));
    command.env("PORTOLAN_BIN", binary());
    let mut demo = Server::of(command, directory);
    demo.wait_for_line(END);
    demo
}

/// Reads the queries, each followed by its answer, further indented.
fn printed(log: &str) -> Vec<Printed> {
    let mut all: Vec<Printed> = Vec::new();
    for line in log.lines() {
        if line.starts_with("  dig ") {
            all.push(Printed { command: line.trim().to_owned(), answer: Vec::new() });
        } else if let (Some(last), Some(answer)) = (all.last_mut(), line.strip_prefix("      ")) {
            last.answer.push(answer.to_owned());
        }
    }
    all
}

/// Runs a line as a person pastes it, and returns what it prints, sorted.
fn paste(line: &str) -> Vec<String> {
    let mut lines: Vec<String> = run("sh", &["-c", line]).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_printed_queries_have_the_printed_answers() {
    inside("the_printed_queries_have_the_printed_answers", || {
        let mut demo = start();
        let printed = printed(&demo.log());
        assert_eq!(printed.len(), 6, "{printed:#?}");
        for Printed { command, answer } in &printed {
            let mut expected = answer.clone();
            expected.sort();
            assert!(!expected.is_empty(), "{command}");
            assert_eq!(paste(command), expected, "{command}");
            assert_eq!(paste(&format!("{command} +tcp")), expected, "{command}, over TCP");
        }
        demo.signal("INT");
        assert!(demo.wait().success(), "Ctrl-C is a good end");
    });
}

#[test]
fn an_edited_file_changes_the_answer_within_a_second() {
    inside("an_edited_file_changes_the_answer_within_a_second", || {
        let demo = start();
        let file = demo.directory.path().join("monitoring.yaml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("nodePort: 30990"), "{text}");
        let query = "dig @127.0.0.1 -p 5300 +short prometheus-app.monitoring.svc.cluster.local";
        assert_eq!(paste(query), ["10.96.30.90"]);
        write(&file, &text.replace("10.96.30.90", "10.96.30.91"));
        let edited = Instant::now();
        while paste(query) != ["10.96.30.91"] {
            assert!(edited.elapsed() < Duration::from_secs(1), "the old answer is still given");
        }
    });
}

#[test]
fn make_demo_builds_in_release_mode_and_runs_the_demo() {
    let commands = run("make", &["-C", root().to_str().unwrap(), "-n", "demo"]);
    assert!(commands.contains("build --release -p portolan --locked"), "{commands}");
    assert!(commands.contains("release/portolan\" exec deploy/demo/run"), "{commands}");
}
