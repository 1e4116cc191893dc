//! `portolan check`: exit codes, the two forms of its answer, and that it has no effects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use portolan_tests::namespace::inside;
use portolan_tests::server::{PATIENCE, binary, write};
use serde_json::{Value, json};
use tempfile::TempDir;

const GOOD: &str = ".:53 {\n    errors\n    whoami\n}\n";
const DOUBTFUL: &str = ".:53 {\n    whoami\n    forward . 192.0.2.53\n}\n";

/// Runs `portolan check` in a folder.
fn check(folder: &TempDir, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(binary()).arg("check").args(arguments);
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&folder.path().join(name), text);
    }
    folder
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn every_problem_is_found_in_one_run() {
    let files = [
        (
            "Corefile",
            "(common) {\n    erors\n}\nexample.org:53 {\n    import common\n    file db.example.org\n    cache 30 {\n        \
             suces 100\n        denial many\n    }\n    forward . 192.0.2.53 {\n        max_fail 2\n        \
             policy best\n    }\n}\nlab.example:53 {\n    import lab\n}\nlab.example:53 {\n    whoami\n\
             next.example:53 {\n    whoami\n}\n}\nlast.example:53 {\n    import missing.conf\n    import common\n    \
             log . \"{remote}\n}\nloop.example:5300 {\n    cache {\n        suces 1\n    }\n    \
             forward . 127.0.0.1:5300\n}\n",
        ),
        (
            "db.example.org",
            "$TTL 60\n@ SOA ns admin 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.\n",
        ),
        (
            "lab",
            "hosts {\n    not-an-address x\n}\nkubernetes cluster.local {\n    federation x\n}\n",
        ),
    ];
    let folder = folder(&files);
    let output = check(&folder, &[], "");
    let said = text(&output.stdout);
    let expected = [
        ("Corefile:2 - Error during parsing: Unknown directive 'erors'", "'errors'?"),
        ("Corefile:6 - Error during parsing: zone file db.example.org:4", "192.0.2."),
        ("Corefile:8 - Error during parsing: ", "'suces'"),
        ("Corefile:9 - Error during parsing: ", "'many'"),
        ("Corefile:12 - Error during parsing: ", "nknown property 'max_fail'"),
        ("Corefile:13 - Error during parsing: ", "best"),
        ("Corefile:19 - Error during parsing: ", "never closed; add the missing '}'"),
        ("Corefile:24 - Error during parsing: ", "remove it, or add the '{' that it closes"),
        ("Corefile:26 - Error during parsing: File to import not found: missing.conf;", "above"),
        ("Corefile:28 - Error during parsing: ", "add the closing '\"'"),
        ("Corefile:32 - Error during parsing: ", "nknown property 'suces'"),
        ("lab:2 - Error during parsing: unknown property 'not-an-address'", "fallthrough"),
        ("lab:5 - Error during parsing: `federation` was removed", "`multicluster ZONES`"),
        ("Corefile:34 - Warning: 'forward' loops", "127.0.0.1:5300"),
        ("Corefile: 13 mistakes, ", "1 warning"),
    ];
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    for (line, (start, part)) in said.lines().zip(expected) {
        assert!(line.starts_with(start) && line.contains(part), "{start}…{part}\n{said}");
    }
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn warnings_fail_with_strict_alone() {
    let folder = folder(&[("Corefile", GOOD), ("doubtful", DOUBTFUL)]);
    for (arguments, code) in [
        (&["Corefile"][..], 0),
        (&["Corefile", "--strict"], 0),
        (&["doubtful"], 0),
        (&["doubtful", "--strict"], 1),
        (&["nowhere"], 1),
    ] {
        assert_eq!(check(&folder, arguments, "").status.code(), Some(code), "{arguments:?}");
    }
    let said = text(&check(&folder, &["doubtful"], "").stdout);
    let expected = "doubtful:2 - Warning: 'whoami' is never asked: 'forward' at doubtful:3 answers";
    assert!(
        said.starts_with(expected) && said.ends_with("doubtful: no mistakes, 1 warning\n"),
        "{said}"
    );
    let missing = text(&check(&folder, &["nowhere"], "").stderr);
    assert!(
        missing.starts_with("portolan: cannot read the Corefile nowhere; name an"),
        "{missing}"
    );
}

#[test]
fn a_corefile_may_come_from_the_standard_input() {
    let folder = folder(&[]);
    for name in ["-", "stdin"] {
        let output = check(&folder, &[name], GOOD);
        assert_eq!(text(&output.stdout), "stdin: no mistakes, no warnings\n");
        assert_eq!(output.status.code(), Some(0));
    }
    let output = check(&folder, &["-"], "# nothing\n");
    assert!(
        text(&output.stdout).starts_with("stdin:1 - Error during parsing: no server block; write")
    );
    assert_eq!(output.status.code(), Some(1));
    let octets = check(&folder, &["-"], ".:53 {\n    log \u{feff}{$X\n");
    assert_eq!(octets.status.code(), Some(1), "{}", text(&octets.stdout));
}

#[test]
fn programs_get_json() {
    let folder = folder(&[("Corefile", &format!("{DOUBTFUL}org:53 {{\n    erors\n}}\n"))]);
    let output = check(&folder, &["--json"], "");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = "Unknown directive 'erors'; did you mean 'errors'?";
    assert_eq!(said["corefile"], "Corefile");
    assert_eq!(said["mistakes"], json!([{"file": "Corefile", "line": 6, "text": text}]));
    // What is hardly meant is told of what is right.
    let warnings = said["warnings"].as_array().unwrap();
    assert_eq!((warnings.len(), &warnings[0]["line"]), (1, &json!(2)));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nothing_is_opened_or_asked() {
    inside("nothing_is_opened_or_asked", || {
        let folder = folder(&[(
            "Corefile",
            ".:53 {\n    health\n    ready\n    prometheus\n    dnstap unix:///nowhere/tap.sock full\n    \
             kubernetes cluster.local {\n        endpoint https://192.0.2.1:6443\n    }\n    forward . tls://192.0.2.1\n}\n",
        )]);
        // Somebody has every port, and nobody answers.
        let taken = ["[::]:53", "[::]:8080", "[::]:8181", "127.0.0.1:9153", "[::]:6443"];
        let listeners = taken.map(|address| std::net::TcpListener::bind(address).unwrap());
        let output = check(&folder, &[], "");
        assert_eq!(text(&output.stdout), "Corefile: no mistakes, no warnings\n");
        for listener in listeners {
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err(), "a connection to {listener:?}");
        }
    });
}
