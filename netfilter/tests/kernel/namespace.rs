//! Runs a test in a network namespace of its own, as root of a user namespace: any user may.

use std::io::Write;
use std::process::{Command, Stdio};

/// Set in the process that runs inside.
const INSIDE: &str = "PORTOLAN_TEST_NAMESPACE";

/// Runs the body of the test `name` in a fresh network namespace, whose loopback is up.
pub(crate) fn inside(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return body();
    }
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap_or_else(|error| panic!("unshare (package util-linux) cannot be run: {error}"));
    assert!(status.success(), "the test {name} failed in its namespace");
}

/// Runs a command that has to succeed, and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Gives `nft` a text, and says whether it succeeded.
pub(crate) fn try_nft(text: &str) -> bool {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    nft.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    nft.wait().unwrap().success()
}

/// Gives `nft` a text that it has to take.
pub(crate) fn nft(text: &str) {
    assert!(try_nft(text), "nft refuses {text}");
}
