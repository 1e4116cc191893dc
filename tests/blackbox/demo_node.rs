//! `make demo-node`: it shows what it says, in colour on a terminal alone, and leaves nothing behind however it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use portolan_tests::namespace::run;
use portolan_tests::picture::draw;
use portolan_tests::server::{Server, binary};
use portolan_tests::stage::until;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Names the binary as `make demo-node` does: relative to the folder where it is called.
fn demo() -> Command {
    let mut command = Command::new(root().join("deploy/demo-node/run"));
    let binary = binary();
    let (folder, name) = (binary.parent().unwrap(), binary.file_name().unwrap());
    command.current_dir(folder).env("PORTOLAN_BIN", Path::new(".").join(name));
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

/// Returns the ids of processes whose environment has this variable, whatever namespace they are in.
fn processes(variable: &str) -> Vec<u32> {
    let ids = fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let ids = ids.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let is_ours = |id: &u32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|octet| *octet == 0).any(|pair| pair == variable.as_bytes())
    };
    ids.filter(is_ours).collect()
}

/// What a person would notice of a demo that did not clean up: addresses, links, rules and mounts of this machine.
fn surroundings() -> [String; 4] {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let rules = Command::new("/usr/sbin/nft").args(["list", "ruleset"]).output().unwrap();
    let rules = String::from_utf8(rules.stdout).unwrap();
    [run("ip", &["-o", "address", "show"]), run("ip", &["route", "show"]), rules, mounts]
}

fn printed(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// Every step is there, and each of its results is a good one: the script ends with 1 at the first that is not.
fn assert_shown(text: &str) {
    for (number, step) in [
        "A node",
        "Pods, with addresses by CNI",
        "Names",
        "Without policies",
        "Policies",
        "Pods come and go",
        "Daemons are killed",
        "The end",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(text.contains(&format!("\n{}  {step}\n", number + 1)), "{step}: {text}");
    }
    assert_eq!(text.matches("   ✓ ").count(), 23, "{text}");
    assert!(!text.contains('✗'), "{text}");
    assert!(text.contains("   ✓ no address is held\n"), "{text}");
    let line = "node$ curl -s http://127.0.0.1:9354/metrics | grep '^portolan_netpol_denied_packets_total'";
    assert!(text.contains(&format!("   {line}\n")), "what is shown can be typed: {text}");
    assert!(text.ends_with("the namespaces end here, and everything in them.\n"), "{text}");
}

#[test]
fn it_shows_everything_in_under_a_minute_and_touches_nothing() {
    let before = surroundings();
    let start = Instant::now();
    let text = printed(&demo().output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_shown(&text);
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
    assert_eq!(surroundings(), before);
}

#[test]
fn without_br_netfilter_there_is_another_plugin() {
    let text = printed(&demo().env("PORTOLAN_DEMO_CNI", "ptp").output().unwrap());
    assert!(text.contains("Debian's plugin ptp makes the network"), "{text}");
    assert_shown(&text);
}

/// The picture of the README is what a terminal shows of one step. `PORTOLAN_GOLDEN=write` draws it anew.
fn assert_drawn(coloured: &str) {
    let step =
        coloured.split("\n\n").find(|part| plain(part).starts_with("5  Policies\n")).unwrap();
    // As a person sees it: the command is the one of the README, and times are those of a fast machine.
    let milliseconds = |line: &str| match line.split_once("timed out after ") {
        Some((before, _)) => format!("{before}timed out after 1001 milliseconds\n"),
        None => format!("{line}\n"),
    };
    let session: String = ["\u{1b}[32m$\u{1b}[0m make demo-node", "…"]
        .into_iter()
        .chain(step.lines())
        .map(milliseconds)
        .collect();
    let drawn = draw("make demo-node: NetworkPolicies enforced, and explained", &session);
    let file = root().join("docs/demo-node.svg");
    if std::env::var("PORTOLAN_GOLDEN").is_ok_and(|what| what == "write") {
        fs::write(&file, &drawn).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), drawn, "PORTOLAN_GOLDEN=write draws it anew");
}

/// `script` gives it a terminal.
#[test]
fn a_terminal_has_colours_unless_they_are_not_wanted() {
    let path = root().join("deploy/demo-node/run");
    let on_a_terminal = |no_color: Option<&str>| {
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", path.to_str().unwrap(), "/dev/null"]);
        command.env("PORTOLAN_BIN", binary()).env("TERM", "xterm").env_remove("NO_COLOR");
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        printed(&command.output().unwrap()).replace("\r\n", "\n")
    };
    let coloured = on_a_terminal(None);
    assert!(coloured.contains("\u{1b}[32m✓\u{1b}[0m no address is held\n"), "{coloured}");
    assert_shown(&plain(&coloured));
    assert_drawn(&coloured);
    let without = on_a_terminal(Some("1"));
    assert!(!without.contains('\u{1b}'), "{without}");
}

/// Ctrl-C, in the midst of it.
#[test]
fn nothing_runs_on_when_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let mark = format!("PORTOLAN_DEMO_TEST={signal}-{}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        // What runs the tests in the background may ignore SIGINT, and a shell cannot trap what was ignored at its start.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT,TERM").arg(root().join("deploy/demo-node/run"));
        command.env("PORTOLAN_BIN", binary()).env(name, value);
        let mut demo = Server::of(command, tempfile::tempdir().unwrap());
        demo.wait_for_line("3  Names");
        assert!(processes(&mark).len() > 3);
        demo.signal(signal);
        assert_eq!(demo.wait().code(), Some(130));
        let left = || processes(&mark);
        until("the end of every process", left, Vec::is_empty);
    }
}

/// A result that is not as it should be ends it with what the daemons said, and nothing runs on.
#[test]
fn a_failure_is_told_and_cleaned_up() {
    let copy = tempfile::tempdir().unwrap();
    let folder = root().join("deploy/demo-node");
    run("cp", &["-r", folder.to_str().unwrap(), copy.path().to_str().unwrap()]);
    let policies = copy.path().join("demo-node/policies.yaml");
    let text = fs::read_to_string(&policies).unwrap();
    fs::write(&policies, text.replace("app: frontend", "app: stranger")).unwrap();
    let mark = format!("PORTOLAN_DEMO_TEST=failure-{}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    let mut command = Command::new(copy.path().join("demo-node/run"));
    let output = command.env("PORTOLAN_BIN", binary()).env(name, value).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("✗ allowed: expected hello from backend-1"), "{text}");
    assert!(text.contains("--- /run/demo/netpol.log\n"), "{text}");
    until("the end of every process", || processes(&mark), Vec::is_empty);
}

#[test]
fn what_is_missing_is_named() {
    let mut command = demo();
    let output = command.env("PORTOLAN_BIN", "no-such-portolan").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("run `make demo-node`, or name the binary"), "{errors}");
    // A user namespace that may have no others: neither root nor user namespaces.
    let limit = "echo 0 > /proc/sys/user/max_net_namespaces && exec setpriv --bounding-set -all \
                 --inh-caps -all --ambient-caps -all \"$0\"";
    let path = root().join("deploy/demo-node/run");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", limit])
        .arg(path)
        .env("PORTOLAN_BIN", binary())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("neither root nor user namespaces: run it with sudo"), "{errors}");
}

#[test]
fn make_demo_node_builds_in_release_mode_and_runs_the_demo() {
    let commands = run("make", &["-C", root().to_str().unwrap(), "-n", "demo-node"]);
    assert!(commands.contains("build --release -p portolan --locked"), "{commands}");
    assert!(commands.contains("release/portolan\" exec deploy/demo-node/run"), "{commands}");
}
