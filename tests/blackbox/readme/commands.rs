//! The commands of the documentation.
//!
//! In README.md and docs/*.md every `sh` block is run, in order. A block that is one command with `&` starts a
//! server, which stays until the next one or the end of the page. A `text` block right after a `sh` block is
//! what that prints.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use portolan_tests::namespace::inside;
use portolan_tests::server::{Server, binary};
use tempfile::TempDir;

use super::markdown::{Block, blocks};
use super::{page, root};

/// A place to run commands of the documentation in.
struct Reader {
    home: TempDir,
    server: Option<Server>,
}

impl Reader {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in ["bin", "project"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        symlink(binary(), home.path().join("bin/portolan")).unwrap();
        symlink(root().join("deploy"), home.path().join("project/deploy")).unwrap();
        Self { home, server: None }
    }

    fn shell(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-eu", "-c", script])
            .current_dir(self.home.path().join("project"))
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
        let mut pages = vec!["README.md".to_owned()];
        for file in fs::read_dir(root().join("docs")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            pages.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
        }
        let mut commands = 0;
        for name in pages {
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
