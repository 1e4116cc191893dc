//! Runs a test in a network namespace of its own, as root of a user namespace: any user may.

use std::process::Command;

use tempfile::TempPath;

/// Set in the process that runs inside.
const INSIDE: &str = "PORTOLAN_TEST_NAMESPACE";

/// IPv4 address of the namespace beside loopback.
pub const V4: &str = "192.0.2.1";

/// IPv6 address of the namespace beside loopback.
pub const V6: &str = "2001:db8::1";

/// Runs the body of the test `name` in a fresh network namespace with [`V4`] and [`V6`].
///
/// The test process starts itself again inside `unshare`, for that test alone. Where namespaces are not
/// allowed the test fails: it cannot be shown.
///
/// # Panics
/// The test fails inside, or no namespace can be made.
pub fn inside(name: &str, body: impl FnOnce()) {
    inside_with(&[], name, body);
}

/// As [`inside`], in a mount namespace of its own too: what the body mounts is gone with it.
///
/// # Panics
/// The test fails inside, or no namespace can be made.
pub fn inside_with_mounts(name: &str, body: impl FnOnce()) {
    inside_with(&["--mount"], name, body);
}

fn inside_with(more: &[&str], name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        for arguments in [
            "link set lo up",
            &format!("addr add {V4}/32 dev lo"),
            &format!("-6 addr add {V6}/128 dev lo nodad"),
        ] {
            run("ip", &arguments.split(' ').collect::<Vec<_>>());
        }
        return body();
    }
    let this = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .args(more)
        .arg("--")
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap_or_else(|error| panic!("unshare (package util-linux) cannot be run: {error}"));
    assert!(status.success(), "the test {name} failed in its namespace");
}

/// Puts a text in the place of a file, for this namespace alone. The mount lives without the file that it returns, but
/// as long as that is there, namespaces made inside of this one can cover the same file.
///
/// # Panics
/// The test does not run [`inside_with_mounts`], or there is no such file to cover.
pub fn cover(file: &str, text: &str) -> TempPath {
    assert!(std::env::var_os(INSIDE).is_some(), "{file} is covered only inside a namespace");
    let cover = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(cover.path(), text).unwrap();
    run("mount", &["--bind", &cover.path().display().to_string(), file]);
    cover.into_temp_path()
}

/// Runs a command that has to succeed, and returns what it printed.
///
/// # Panics
/// It cannot be run, or fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run (`make test` installs it): {error}")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed: {text}{errors}");
    text
}
