//! Corefiles of clusters and of operators: each is served and answers, and a typo in each is named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "corefiles/cases.rs"]
mod cases;
#[path = "corefiles/folder.rs"]
mod folder;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use portolan_tests::dig::{Dug, dig};
use portolan_tests::fixture;
use portolan_tests::namespace::{inside, run};
use portolan_tests::server::{PATIENCE, Server, binary, write};

use cases::{CASES, Case, Question};
use folder::{Folder, Upstreams};

/// Addresses that fixtures bind, or that clients and servers of the tests have.
const ADDRESSES: [&str; 6] = [
    "169.254.10.10",
    "169.254.10.11",
    "169.254.20.10",
    "10.96.0.10",
    "10.244.1.3",
    "198.51.100.54",
];

/// Returns a command of the binary that ends in time.
fn portolan(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(binary()).args(arguments);
    folder.set_variables(&mut command);
    command
}

/// Runs `portolan check` for a Corefile; returns the exit code and the lines, the folder's path left out.
fn check(folder: &Folder, corefile: &str) -> (Option<i32>, Vec<String>) {
    write(&folder.path().join("Corefile"), corefile);
    let mut command = portolan(folder, &["check"]);
    let output = command.arg(folder.path().join("Corefile")).output().unwrap();
    (output.status.code(), folder.lines(&output.stdout))
}

fn serve(folder: &Folder, corefile: &str) -> Server {
    write(&folder.path().join("Corefile"), corefile);
    let mut command = Command::new(binary());
    command.args(["dns", "--admin", "127.0.0.1:0", "-conf"]).arg(folder.path().join("Corefile"));
    folder.set_variables(&mut command);
    Server::of(command, tempfile::tempdir().unwrap()).serving()
}

fn assert_answer(name: &str, server: &mut Server, question: &Question) {
    let (at, words, expected) = question;
    let at = if at.is_empty() { "127.0.0.1:53" } else { at };
    let reply = dig(at.parse().unwrap(), words);
    let shown =
        |data: &[&str]| format!("{} {}", reply.status, data.join(" ")).trim_end().to_owned();
    match expected.split_at(1) {
        ("~", part) => assert!(reply.text.contains(part), "{name}: {words}\n{}", reply.text),
        ("#", line) => _ = server.wait_for_line(line),
        (">", data) => {
            assert_eq!(shown(&in_order(&reply)), data, "{name}: {words}\n{}", reply.text)
        }
        _ => assert_eq!(shown(&reply.answer_data()), *expected, "{name}: {words}\n{}", reply.text),
    }
}

/// Returns the data of the answers as they come.
fn in_order(reply: &Dug) -> Vec<&str> {
    reply.answer.iter().filter_map(|line| line.rsplit(' ').next()).collect()
}

#[test]
fn every_corefile_is_served_and_answers() {
    inside("every_corefile_is_served_and_answers", || {
        for address in ADDRESSES {
            run("ip", &["addr", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        let upstreams = Upstreams::start();
        let folder = Folder::new(&upstreams);
        let _secure = folder.serve_over_tls();
        for Case { name, questions, warnings, .. } in CASES {
            let corefile = folder.substituted(name);
            let (code, lines) = check(&folder, &corefile);
            let (summary, found) = lines.split_last().unwrap();
            assert_eq!(code, Some(0), "{name}: {lines:#?}");
            assert!(summary.contains("no mistakes"), "{name}: {lines:#?}");
            assert_eq!(found.len(), warnings.len(), "{name}: {found:#?}");
            for (line, part) in found.iter().zip(*warnings) {
                assert!(line.contains(part), "{name}: {found:#?}");
            }
            let mut server = serve(&folder, &corefile);
            assert!(!questions.is_empty(), "{name}");
            for question in *questions {
                assert_answer(name, &mut server, question);
            }
        }
    });
}

#[test]
fn a_typo_is_named_at_the_start_and_by_check() {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let folder = Folder::new(&Upstreams { main: nowhere, corp: nowhere });
    for Case { name, typo: (right, wrong, expected), .. } in CASES {
        let good = folder.substituted(name);
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(good, bad, "{name}: {right} is not in it");
        let line = 1 + good.lines().zip(bad.lines()).take_while(|(good, bad)| good == bad).count();
        let start = format!("Corefile:{line} - Error during parsing: ");
        let is_named = |said: &str| said.starts_with(&start) && said.contains(expected);

        let (code, lines) = check(&folder, &bad);
        assert_eq!(code, Some(1), "{name}: {lines:#?}");
        assert!(lines.iter().any(|line| is_named(line)), "{name}: {start}{expected}\n{lines:#?}");
        let (summary, mistakes) = lines.split_last().unwrap();
        let mistakes = mistakes.iter().filter(|line| line.contains(" - Error during parsing: "));
        assert_eq!(mistakes.count(), 1, "{name}: {lines:#?}");
        assert!(summary.contains(": 1 mistake, "), "{name}: {summary}");

        let mut dns = portolan(&folder, &["dns", "--admin", "off", "-conf"]);
        let output = dns.arg(folder.path().join("Corefile")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = folder.lines(&output.stderr);
        let told = said.iter().filter_map(|line| line.strip_prefix("portolan: "));
        assert!(told.clone().any(is_named), "{name}: {start}{expected}\n{said:#?}");
    }
}

#[test]
fn every_fixture_is_a_case() {
    let files = std::fs::read_dir(fixture("corefiles")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> =
        files.filter_map(|file| file.strip_suffix(".Corefile").map(str::to_owned)).collect();
    let cases: BTreeSet<String> = CASES.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(files, cases);
    assert_eq!(cases.len(), CASES.len());
}
