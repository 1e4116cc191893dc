//! A plugin as a process.

use std::io::Write;
use std::process::ExitCode;

use crate::{AddResult, Code, Error, Request, Version, output, plugin};

/// Answers the call that this process was started for; see [`plugin::run`]. A panic is answered too: with an error of code
/// 999.
pub fn answer(
    about: &str,
    serve: impl FnOnce(&Request) -> Result<Option<AddResult>, Error>,
) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let error = Error::new(Code::INTERNAL, "the plugin has a defect")
            .with_details(format!("please report it: {panic}"));
        write(&output::error(&error, Version::NEWEST), &format!("{panic}\n"));
        // As after any other error, and no core dump for each pod.
        std::process::exit(1);
    }));
    let outcome = plugin::run(about, |name| std::env::var_os(name), std::io::stdin().lock(), serve);
    let is_written = write(&outcome.stdout, &outcome.stderr);
    if is_written { ExitCode::from(outcome.code) } else { ExitCode::FAILURE }
}

/// Returns whether the answer was written. Nobody is left to tell if not.
fn write(stdout: &str, stderr: &str) -> bool {
    let _ = std::io::stderr().lock().write_all(stderr.as_bytes());
    let mut output = std::io::stdout().lock();
    output.write_all(stdout.as_bytes()).and_then(|()| output.flush()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Set in the process that panics.
    const PANICS: &str = "PORTOLAN_TEST_PANICS";

    #[test]
    fn a_panic_is_answered() {
        if std::env::var_os(PANICS).is_some() {
            answer("", |_| panic!("a \"defect\""));
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edge::process::tests::a_panic_is_answered", "--nocapture"])
            .envs([(PANICS, "1"), ("CNI_COMMAND", "STATUS")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let config = br#"{"name": "n", "cniVersion": "1.1.0"}"#;
        child.stdin.take().unwrap().write_all(config).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        for part in ["\"code\": 999", "a \\\"defect\\\"", "please report it"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!output.stderr.is_empty());
    }
}
