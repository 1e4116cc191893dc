//! The commands of the documentation.
//!
//! In README.md and docs/*.md every `sh` block is run, in order. A block that is one command with `&` starts a
//! server, which stays until the next one or the end of the page. A block that is `unshare` with a shell starts that,
//! and what follows runs in its namespaces. A `text` block right after a `sh` block is what that prints.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use portolan_tests::namespace::inside;
use portolan_tests::server::{Server, binary};
use tempfile::TempDir;

use super::markdown::{Block, blocks};
use super::{page, pages, root};

/// A place to run commands of the documentation in.
struct Reader {
    home: TempDir,
    server: Option<Server>,
    namespaces: Option<Namespaces>,
}

/// A shell in namespaces, beside which commands run; they end with it.
struct Namespaces {
    unshare: Child,
    /// The id of the shell.
    shell: String,
}

impl Namespaces {
    fn start(mut command: Command) -> Self {
        let mut unshare = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The shell answers when the namespaces are there.
        unshare.stdin.as_mut().unwrap().write_all(b"echo ready\n").unwrap();
        let mut line = String::new();
        BufReader::new(unshare.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the namespaces of a page");
        let id = unshare.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let shell = fs::read_to_string(children).unwrap().trim().to_owned();
        Self { unshare, shell }
    }

    /// Returns a command whose arguments are a command line, which runs beside the shell.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.shell,
            "--user",
            "--preserve-credentials",
            "--net",
            "--mount",
            "--pid",
            "--",
        ]);
        command
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // With `--kill-child`, the shell and all beside it end, too.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

impl Reader {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in ["bin", "project"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        symlink(binary(), home.path().join("bin/portolan")).unwrap();
        symlink(root().join("deploy"), home.path().join("project/deploy")).unwrap();
        Self { home, server: None, namespaces: None }
    }

    fn shell(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let project = self.home.path().join("project");
        let mut command = Command::new("env");
        if let Some(namespaces) = &self.namespaces {
            command = namespaces.enter();
            command.arg("env");
        }
        // Who enters a mount namespace is at its root.
        command
            .arg(format!("--chdir={}", project.display()))
            .args(["sh", "-eu", "-c", script])
            .env("PATH", format!("{}:{path}", self.home.path().join("bin").display()));
        command
    }

    /// Runs a block and returns what it prints.
    fn run(&mut self, script: &str) -> String {
        if let Some(command) = script.trim_end().strip_suffix('&') {
            self.server = None;
            let command = self.shell(&format!("exec {command}"));
            let mut server = Server::of(command, tempfile::tempdir().unwrap());
            server.wait_for_line("Portolan-");
            self.server = Some(server);
            return String::new();
        }
        if script.starts_with("unshare ") {
            self.namespaces = Some(Namespaces::start(self.shell(&format!("exec {script}"))));
            return String::new();
        }
        let output = self.shell(script).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\nfailed: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Replaces every number of milliseconds by `0`: a page shows those of its writer's machine.
fn without_times(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_unit = |at: usize| words.get(at + 1).is_some_and(|unit| unit.starts_with("ms"));
        let shown = words.iter().enumerate().map(|(at, word)| if is_unit(at) { "0" } else { word });
        shown.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

#[test]
fn every_command_works_and_prints_what_it_should() {
    inside("commands::every_command_works_and_prints_what_it_should", || {
        let mut commands = 0;
        for name in pages() {
            let mut reader = Reader::new();
            let mut printed = None;
            for Block { language, text, follows } in blocks(&page(&name)) {
                match (language.as_str(), printed.take()) {
                    ("sh", _) => {
                        printed = Some(reader.run(&text));
                        commands += 1;
                    }
                    ("text", Some(printed)) if follows => {
                        assert_eq!(without_times(&printed), without_times(&text), "{name}");
                    }
                    _ => {}
                }
            }
        }
        assert!(commands > 5, "the blocks are found: {commands}");
    });
}
